"""Colours one photograph or frame with each of the chosen networks, at full resolution and with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.color.gamut import lab_to_rgb8_in_gamut
from oldrestore.color.lab import gray_rgb8
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo
from oldrestore.engines.chosen_network import ChosenNetwork, network_of_file, network_of_run, released_network
from oldrestore.engines.fast_network import Running
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import converted, lightness, recolor_rows
from oldrestore.photographs.color_options import Chosen, ColorOptions, chosen_colors, require_distribution
from oldrestore.photographs.hint_file import Hint, check_bounds, draw_hints
from oldrestore.photographs.photo_list import InputFile
from oldrestore.records.design_names import all_equal, names_among
from oldrestore.records.differing_settings import differing_settings
from oldrestore.restoration.steady_color import SteadyColor

LARGEST_IN_PANEL = 1024  # longer side of a picture in a panel, pixels
LEAST_RADIUS = 3  # of a hint in a panel, pixels: smaller ones would not be seen
# The network sees the shorter side at a fixed size: a longer strip than this would become gigabytes.
MAX_ASPECT = 16


@dataclass(frozen=True)
class Colored:
    """A photograph in colour."""

    pictures: list[np.ndarray]  # uint8 (H, W, 3), of each network, or the variants of one, its answer first
    certainty: np.ndarray | None = None  # uint8 (H, W), if it was asked for; see `Chosen.certainty_map`


class Coloring:
    """Networks that colour, each at `size` pixels of the shorter side, by default at its own size."""

    def __init__(
        self, networks: Sequence[ChosenNetwork], size: int | None, running: Running, options: ColorOptions | None = None
    ) -> None:
        for chosen in networks:
            chosen.require_color("colorize")
        self.networks = tuple(networks)
        self.options = options or ColorOptions()
        self.colorizers = tuple(
            Colorizer(running.network(chosen), size or chosen.size, "shorter_side" if size else chosen.fit)
            for chosen in networks
        )
        if self.options.need_distribution:
            labels = [chosen.label for chosen in networks]
            asked = "--variants" if self.options.variants > 1 else "--certainty"
            require_distribution(dict(zip(labels, self.colorizers, strict=True)), asked)

    @property
    def titles(self) -> list[str]:
        """Headings of the outputs in a panel."""
        return [f"Output ({chosen.title})" for chosen in self.networks]

    def __call__(
        self, L_hw: np.ndarray, hints: Sequence[Hint] = (), steady: Sequence[SteadyColor] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield lightness, float32 (H, W), 0..100, in the colours of each network, uint8 (H, W, 3).

        For a frame of a film there is a `SteadyColor` for each network. A strip longer than 1 : 16 is refused.
        """
        for number, colorizer in enumerate(self.colorizers):
            drawn = self._drawn(L_hw, hints, colorizer)
            ab_hw2 = colorizer.small([L_hw], [drawn])[0]
            yield self.picture(ab_hw2, L_hw, number, None if steady is None else steady[number])

    def chosen(self, L_hw: np.ndarray, hints: Sequence[Hint] = ()) -> Chosen:
        """Return what the one network gives of its distribution, if the options need it; see `picture`."""
        return chosen_colors(self.colorizers[0], L_hw, self._drawn(L_hw, hints, self.colorizers[0]), self.options)

    def colored(self, L_hw: np.ndarray, hints: Sequence[Hint] = ()) -> Colored:
        """Return all that the options ask for of lightness, float32 (H, W), 0..100."""
        if not self.options.need_distribution:
            return Colored(list(self(L_hw, hints)))
        chosen = self.chosen(L_hw, hints)
        certainty = chosen.certainty_map(L_hw.shape) if self.options.certainty else None
        return Colored([self.picture(ab_hw2, L_hw) for ab_hw2 in chosen.colors], certainty)

    def picture(
        self, ab_hw2: np.ndarray, L_hw: np.ndarray, number: int = 0, steady: SteadyColor | None = None
    ) -> np.ndarray:
        """Return lightness in a colour at the scale of a network, at the strength asked for, uint8 (H, W, 3)."""
        strength = np.float32(self.options.strength)
        color_of_rows = self.colorizers[number].color_of_rows(strength * ab_hw2, L_hw)
        if steady is not None:
            color_of_rows = steady(L_hw, color_of_rows(slice(0, L_hw.shape[0]))).__getitem__
        return recolor_rows(L_hw, color_of_rows, lab_to_rgb8_in_gamut)

    def _drawn(self, L_hw: np.ndarray, hints: Sequence[Hint], colorizer: Colorizer) -> np.ndarray | None:
        height, width = L_hw.shape
        if max(height, width) > MAX_ASPECT * min(height, width):
            raise UserError(f"{width} x {height} pixels are a longer strip than 1 : {MAX_ASPECT}: cut it first")
        return draw_hints(hints, height, width, colorizer.network_shape(height, width)) if hints else None


def coloring_networks(
    runs: Sequence[str], weights: Sequence[Path], model: str | None, outputs: Path, checkpoint: str | None
) -> list[ChosenNetwork]:
    """Load the networks of runs and weights files, each named once; by default the network that is shipped."""
    networks = [network_of_run(name, outputs, checkpoint) for name in runs]
    networks += [network_of_file(file, model) for file in weights]
    networks = networks or [released_network()]
    of_runs = [network for network in networks if network.run is not None]
    ids = [network.label for network in of_runs]
    designs = iter(_designs_of(of_runs))
    for number, network in enumerate(networks):
        if network.run is not None:
            # Checkpoints of the same run are told apart by their names.
            label = network.label if ids.count(network.label) == 1 else f"{network.label}-{network.weights.stem}"
            networks[number] = replace(network, label=label, design=next(designs))
    labels = [network.label for network in networks]
    if len(set(labels)) < len(labels):
        raise UserError(f"'{max(labels, key=labels.count)}' was asked for twice: name each network once")
    return networks


def _designs_of(networks: Sequence[ChosenNetwork]) -> list[str]:
    """Name the designs of networks by what differs between their runs."""
    runs, weights = [network.run for network in networks], [network.weights.stem for network in networks]
    if len(networks) < 2:
        return [run.design for run in runs]
    columns = differing_settings(runs, with_seed=True)
    columns |= {} if all_equal(weights) else {"checkpoint": weights}
    return names_among(columns, [run.chosen_design for run in runs])


def hints_of_photos(
    photos: Sequence[InputFile], networks: Sequence[ChosenNetwork], hints: Mapping[str | None, Sequence[Hint]]
) -> dict[Path, Sequence[Hint]]:
    """Assign hints, as `read_hints` returns them, to photographs; refuse those that no network or photograph fits."""
    if not hints:
        return {}
    require_reading_hints(networks)
    if None in hints and len(photos) > 1:
        raise UserError(
            f"a bare list of hints is for one photograph and there are {len(photos)}: write an object that maps each "
            "file name to its list"
        )
    assigned: dict[Path, Sequence[Hint]] = {}
    for name, points in hints.items():
        named = [found.photo for found in photos if name in (None, found.photo.name, str(found.photo))]
        if len(named) != 1:
            raise UserError(f"the hints name '{name}', which is {len(named) or 'none'} of the photographs")
        assigned[named[0]] = points
        try:
            height, width = decode_photo(named[0]).shape[:2]
        except UnreadablePhoto as error:
            raise UserError(f"'{named[0]}' cannot be read: {error.reason}") from None
        check_bounds(points, height, width, named[0].name)
    return assigned


def require_reading_hints(networks: Sequence[ChosenNetwork]) -> None:
    """Refuse a network that reads no hints."""
    for chosen in networks:
        if tuple(chosen.network.reads[1:2]) != ("hints_b3hw",):
            raise UserError(
                f"{chosen.label} ({type(chosen.network).__name__}) reads no colour hints: use a network that does "
                "(siggraph17, or lite_unet trained with model.hints=true), or leave --hints out"
            )


def in_gray(L_hw: np.ndarray) -> np.ndarray:
    """Return lightness as a gray photograph, uint8 (H, W, 3)."""
    return converted(L_hw, gray_rgb8, np.empty((*L_hw.shape, 3), dtype=np.uint8))


def before_outputs(original: np.ndarray, hints: Sequence[Hint] = ()) -> dict[str, np.ndarray]:
    """Return what a panel of ``colorize`` shows before the outputs, by heading.

    The original, and unless that is gray, what the networks see of it: its gray, with the hints drawn in.
    """
    small = reduced(original)
    if not hints and (small == small[..., :1]).all():
        return {"Original": small}
    L_hw = lightness(small)
    seen = in_gray(L_hw)
    if hints:
        height, width = original.shape[:2]
        least = LEAST_RADIUS * height / small.shape[0]
        visible = [replace(hint, radius=max(hint.radius, least)) for hint in hints]
        a_hw, b_hw, mask_hw = draw_hints(visible, height, width, small.shape[:2])
        colored = lab_to_rgb8_in_gamut(np.stack([L_hw, a_hw, b_hw], axis=-1))
        seen = np.where(mask_hw[..., None] > 0, colored, seen)
    return {"Original": small, ("Input with hints" if hints else "Input"): seen}


def reduced(picture: np.ndarray) -> np.ndarray:
    """Return a picture at its size in a panel."""
    height, width = picture.shape[:2]
    scale = LARGEST_IN_PANEL / max(height, width)
    if scale >= 1:
        return picture
    sides = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.LANCZOS))
