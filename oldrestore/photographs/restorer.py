"""The stages that a photograph goes through, built from a composed configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from oldrestore.config.aliases import current_target
from oldrestore.config.build import build
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.fast_network import Running
from oldrestore.errors import UserError
from oldrestore.photographs.color_options import ColorOptions
from oldrestore.photographs.coloring import Coloring
from oldrestore.photographs.hint_file import Hint
from oldrestore.photographs.output_files import PARTS
from oldrestore.photographs.output_names import Task
from oldrestore.restoration.detect.mask_file import MaskFile
from oldrestore.restoration.network_input import require_restorer
from oldrestore.restoration.print_area import is_print_on_colored_ground
from oldrestore.restoration.stages import STAGES, Mended, Pipeline, has_colors

NEEDS_RESTORER = frozenset(
    {"oldrestore.restoration.fill.network.NetworkFiller", "oldrestore.restoration.enhance.network.NetworkEnhancer"}
)
MOST_LOST = 0.9  # share of a photograph; a mask with more is assumed to have black and white exchanged


@dataclass(frozen=True)
class Restorer:
    """Everything that a photograph goes through."""

    pipeline: Pipeline
    coloring: Coloring | None  # None if the stage does not run
    only_gray: bool  # whether colour photographs keep their own colours
    mask: MaskFile | None = None  # the user's masks, in place of a detector
    smoothing: float = 0.0  # this and quality are settings of films, see conf/restore/film
    quality: int = 18  # constant rate factor of x264
    hints: Mapping[Path, Sequence[Hint]] = field(default_factory=dict)  # by photograph
    shows_input: bool = False  # in panels: what the networks see, beside the original

    @property
    def stages(self) -> list[str]:
        """Names of the stages that run, in order."""
        detects = self.mask is not None or self.pipeline.detect is not None
        fills = detects and self.pipeline.fill is not None  # without a mask there is nothing to fill
        runs = detects, fills, bool(self.pipeline.restore), self.coloring is not None
        return [stage for stage, does in zip(STAGES, runs, strict=True) if does]

    @property
    def parts(self) -> dict[str, str]:
        """Outputs beside the results, for `photo_list.name_outputs`; the output of the last stage is a result."""
        by_stage = {"detect": "mask", "fill": "filled", "restore": "evened"}
        last = self.stages[-1] if self.stages and self.stages[-1] != "detect" else None
        parts = {part: PARTS[part] for stage, part in by_stage.items() if stage in self.stages and stage != last}
        return parts | (self.coloring.options.parts if self.coloring is not None else {})

    def titles(self, colored: bool = True) -> list[str]:
        """Headings of the results in a panel."""
        if self.coloring is None:
            return ["Output"]
        return self.coloring.titles if colored else ["Output"] * len(self.coloring.networks)

    def mend(self, original: np.ndarray, task: Task) -> tuple[Mended, bool]:
        """Run the stages before colour on a photograph, and say whether to colour it.

        A mask that is missing, does not fit or leaves next to nothing is a `UserError`.
        """
        mask_hw = None if self.mask is None else self.mask.for_photo(task.mask, task.is_alone)(original).mask_hw
        if mask_hw is not None and mask_hw.mean() > MOST_LOST:
            raise UserError(
                f"the mask marks {mask_hw.mean():.0%} of the photograph as damaged: white is damage, black is sound"
            )
        made = self.pipeline(original, mask_hw)
        return made, self.is_colored(made)

    def is_colored(self, made: Mended) -> bool:
        """Say whether to colour a photograph."""
        # Decided before tones are stretched, which strengthens the remains of stains.
        return self.coloring is not None and (
            not self.only_gray or not has_colors(made.structure) or is_print_on_colored_ground(made.structure)
        )

    def colors_a_print(self, made: Mended) -> bool:
        """Say whether a photograph that has colours is coloured because only the ground around a gray print has."""
        return self.only_gray and self.is_colored(made) and has_colors(made.structure)


def only_color(coloring: Coloring, smoothing: float, hints: Mapping[Path, Sequence[Hint]]) -> Restorer:
    """Return the stages of ``colorize``: the colour stage alone; `hints` are by photograph."""
    return Restorer(Pipeline(), coloring, False, smoothing=smoothing, hints=hints, shows_input=True)


def build_restorer(
    config: DictConfig,
    networks: Sequence[ChosenNetwork],
    restorer: ChosenNetwork | None,
    mask: Path | None,
    running: Running,
    options: ColorOptions | None = None,
) -> Restorer:
    """Build the stages of a composed configuration.

    `networks` colour, and `restorer` is for the stages that need one: a `UserError` if it is missing, or no stage needs
    it. `mask` is a mask file, or a folder of masks with the photographs' names; `options` are of colour.
    """
    if restorer is not None and not needs_restorer(config):
        raise UserError(
            "--restorer is for restore/fill=sagan or restore/restore=sagan: add one of them, or leave it out"
        )
    if restorer is None and needs_restorer(config):
        raise UserError("this choice of stages needs a network that restores: name one with --restorer WEIGHTS")
    network = None
    if restorer is not None:
        require_restorer(restorer.network, "restoring")  # before it is exported
        network = running.network(restorer)
    fill = _build_stage(config.fill, network) if config.fill else None
    # The group can choose a user's masks too; a folder of masks has one for each photograph.
    detect = build(config.detect) if config.detect and mask is None else None
    masks = MaskFile(str(mask)) if mask is not None else detect if isinstance(detect, MaskFile) else None
    steps = [_build_stage(step, network) for step in config.restore.values()]
    pipeline = Pipeline(None if masks else detect, fill, steps)
    coloring = Coloring(networks, config.colorize.size, running, options) if config.colorize else None
    only_gray = bool(config.colorize and config.colorize.only_gray)
    return Restorer(pipeline, coloring, only_gray, masks, config.film.smoothing, config.film.quality)


def needs_restorer(node: Any) -> bool:
    """Say whether a configuration has a stage that needs a network."""
    if isinstance(node, DictConfig):
        node = OmegaConf.to_container(node)
    if not isinstance(node, Mapping):
        return False
    return current_target(node.get("_target_")) in NEEDS_RESTORER or any(map(needs_restorer, node.values()))


def _build_stage(node: DictConfig, network: Any) -> Any:
    """Build a component, whose direct parts may need the network too."""
    inner = {name: part for name, part in node.items() if isinstance(part, DictConfig) and needs_restorer(part)}
    rest = OmegaConf.create({name: part for name, part in node.items() if name not in inner})
    arguments = {name: _build_stage(part, network) for name, part in inner.items()}
    if current_target(node._target_) in NEEDS_RESTORER:
        arguments["network"] = network
    return build(rest, **arguments)
