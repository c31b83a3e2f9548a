"""Restores photographs and films through all stages, and keeps a record of what was done with which weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from oldrestore.data.decode import decode_bytes, read_photo_file
from oldrestore.data.encode import encode_photo
from oldrestore.data.photo import printable
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.narrator import Narrator
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import lightness, reduced
from oldrestore.photographs.each_photo import MadeFiles, Outcome, go_through, skipped_line
from oldrestore.photographs.film import carry_film
from oldrestore.photographs.new_files import NewFiles
from oldrestore.photographs.output_record import OutputRecord
from oldrestore.photographs.photo_list import Existing, Task, require_folder
from oldrestore.photographs.restorer import Restorer
from oldrestore.restoration.film import SteadyColor

RECORD = "restore.json"


@dataclass
class Restored(Outcome):
    """What became of the photographs.

    Attributes
    ----------
    folder : Path
        Of the outputs.
    stages : list of str
        That ran.
    networks : list of dict
        That coloured: name, class, weights file and its sha256.
    config : dict
        Every setting of the stages.
    """

    folder: Path
    stages: list[str]
    networks: list[dict[str, Any]]
    config: dict[str, Any]
    restorer: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "folder": str(self.folder),
            "stages": self.stages,
            "networks": self.networks,
            "restorer": self.restorer,
            **super().to_json(),
        }


def restore_photos(
    tasks: Sequence[Task],
    restorer: Restorer,
    folder: Path,
    narrator: Narrator,
    config: DictConfig,
    network: ChosenNetwork | None = None,
    existing: Existing = "refuse",
) -> Restored:
    """Restore photographs and films one by one; one that fails is reported and the others go on.

    Parameters
    ----------
    tasks : sequence of Task
    restorer : Restorer
    folder : Path
        Where ``restore.json`` is kept.
    narrator : Narrator
        Shows progress and says what failed.
    config : DictConfig
        For the record.
    network : ChosenNetwork, optional
        That restores; for the record.
    existing : "refuse", "replace" or "skip"
        What becomes of a photograph whose outputs exist.

    Raises
    ------
    Stopped
        On Ctrl-C or SIGTERM; what is done has been recorded.
    UserError
        When the folder cannot be written.
    """
    require_folder(folder)
    colors = restorer.coloring.networks if restorer.coloring else ()
    outcome = Restored(
        folder,
        restorer.stages,
        [chosen.describe() for chosen in colors],
        OmegaConf.to_container(config),
        network.describe() if network else None,
    )

    def make(task: Task, files: NewFiles, advance: Callable[[int, int], None]) -> tuple[dict, MadeFiles]:
        started = time.perf_counter()
        done, made = _restore_film(task, restorer, files, advance) if task.is_film else _restore_photo(task, restorer)
        done = {"photograph": str(task.photo), **done, "seconds": round(time.perf_counter() - started, 3)}
        return done, made

    record = OutputRecord(folder / RECORD)
    entries = partial(_entries, outcome)
    go_through(tasks, outcome, record, narrator, existing, ("restoring", "restored"), make, entries)
    return outcome


def _restore_photo(task: Task, restorer: Restorer) -> tuple[dict[str, Any], MadeFiles]:
    contents = read_photo_file(task.photo)
    original = decode_bytes(contents)
    made, colored = restorer.mend(original, task.photo)
    shown = [reduced(original)]
    written: list[tuple[Path, bytes]] = []
    pictures = {"filled": made.filled, "evened": made.restored}
    if not colored:
        # What the last stage made is the result.
        pictures.pop("filled" if made.restored is None else "evened")
    parts = {part: path for part, path in task.parts.items() if part == "mask" or pictures.get(part) is not None}
    for part, path in parts.items():
        if part == "mask":
            written.append((path, _mask_picture(made.mask_hw)))
        else:
            written.append((path, encode_photo(pictures[part], path.suffix, contents)))
    lost = None if made.mask_hw is None else float(made.mask_hw.mean())
    height, width = original.shape[:2]
    picture = made.picture
    # From here on only one picture is needed: of a large scan each is some hundred megabytes.
    del original, made, pictures
    if colored:
        L_hw = lightness(picture)
        del picture
        results = restorer.coloring(L_hw)
    else:
        results = (picture for _ in task.outputs)
    for path, result in zip(task.outputs, results, strict=True):
        written.append((path, encode_photo(result, path.suffix, contents)))
        shown.append(reduced(result))
    panel = side_by_side([shown], ["Original", *restorer.titles(colored)])
    written.append((task.panel, encode_photo(panel, task.panel.suffix)))
    # A photograph counts as made when its results exist, so those come first.
    written.sort(key=lambda file: file[0] not in task.outputs)
    done = {
        "outputs": [str(path) for path in task.outputs],
        **{part: str(path) for part, path in parts.items()},
        "panel": str(task.panel),
        "width": width,
        "height": height,
        "lost": lost,
        "colored": colored,
    }
    return done, written


def _mask_picture(mask_hw: np.ndarray) -> bytes:
    return encode_photo(np.repeat(mask_hw[..., None] * np.uint8(255), 3, axis=-1), ".png")


def _restore_film(
    task: Task, restorer: Restorer, files: NewFiles, advance: Callable[[int, int], None]
) -> tuple[dict[str, Any], MadeFiles]:
    if restorer.mask is not None:
        raise UserError("a mask is for a photograph: restore the film without it")
    count = len(task.outputs)
    steady = [SteadyColor(restorer.smoothing) for _ in range(count)]
    colored: list[bool] = []

    def make(frame: np.ndarray) -> Sequence[np.ndarray]:
        made = restorer.pipeline(frame)
        if not colored:
            # The first frame speaks for all: a film is not to change between its own colours and ours.
            colored.append(restorer.is_colored(made))
        if not colored[0]:
            return [made.picture] * count
        return list(restorer.coloring(lightness(made.picture), steady=steady))

    headings = ["Original", *restorer.titles()]
    frames, panel = carry_film(task, make, headings, restorer.quality, files, advance=advance)
    outputs = [str(path) for path in task.outputs]
    done = {"outputs": outputs, "panel": str(task.panel), "frames": frames, "colored": colored[0]}
    return done, [(task.panel, panel)]


def _entries(outcome: Restored, done: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How each result was made, for the record."""
    settings = {"stages": outcome.stages, "config": outcome.config, "restorer": outcome.restorer}
    # The networks stand in the outputs' order; without colour there is one output and none.
    return {
        output: {
            "photograph": done["photograph"],
            "sha256": sha256_of(Path(output)),
            "lost": done.get("lost"),
            "colored_by": outcome.networks[number] if done["colored"] else None,
            **settings,
        }
        for number, output in enumerate(done["outputs"])
    }


def summary_lines(outcome: Restored, say: Callable[[str], None]) -> None:
    """Print what was done with which weights."""
    say(f"stages    {', '.join(outcome.stages) or 'none'}")
    for what, described in (("restorer", [outcome.restorer]), ("colour", outcome.networks)):
        for network in filter(None, described):
            sha256, weights = network["sha256"][:16], network["weights"]
            say(f"{what:<10}{network['name']} ({network['network']})  sha256 {sha256}  {weights}")
    for done in outcome.done:
        facts = [f"{done['lost']:.1%} filled"] if done.get("lost") is not None and "fill" in outcome.stages else []
        facts += [f"{done['frames']} frames"] if "frames" in done else []
        if "colorize" in outcome.stages:
            facts.append("coloured" if done["colored"] else "keeps its own colours")
        for output in done["outputs"]:
            said = f"  ({', '.join(facts)})" if facts else ""
            say(f"restored  {printable(output)}{said}")
    if outcome.skipped:
        say(skipped_line(outcome))
    if outcome.failed:
        say(f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.done)} files failed")
