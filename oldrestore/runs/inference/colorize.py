"""Colours photographs and films at their full resolution, with panels and a record of which weights did it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore import __version__
from oldrestore.data.decode import UnreadablePhoto, decode_bytes, decode_photo, read_photo_file
from oldrestore.data.encode import encode_photo
from oldrestore.data.photo import printable
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.restoration.film import SteadyColor
from oldrestore.runs.inference.chosen_network import ChosenNetwork
from oldrestore.runs.inference.coloring import Coloring, in_gray, lightness, reduced
from oldrestore.runs.inference.fast_network import Running
from oldrestore.runs.inference.film import carry_film, frames_shown
from oldrestore.runs.inference.hint_file import Hint, check_bounds
from oldrestore.runs.inference.photo_list import Task, reason_of, require_folder
from oldrestore.tracking.files import write_atomically
from oldrestore.tracking.panels import side_by_side
from oldrestore.training.progress import Narrator

RECORD = "colorize.json"
HINTS = "hints_b3hw"
FILM_QUALITY = 18  # constant rate factor of x264


@dataclass
class Outcome:
    """What became of the photographs.

    Attributes
    ----------
    folder : Path
        Of the outputs.
    networks : list of dict
        Name, class, weights file and its sha256.
    done : list of dict
        The photographs, each with its outputs and panel.
    failed : list of dict
        Photographs that could not be coloured, with the reason.
    """

    folder: Path
    networks: list[dict[str, Any]]
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "folder": str(self.folder),
            "networks": self.networks,
            "done": self.done,
            "failed": self.failed,
        }


def colorize_photos(
    tasks: Sequence[Task],
    networks: Sequence[ChosenNetwork],
    folder: Path,
    narrator: Narrator,
    size: int | None = None,
    hints: Mapping[str | None, Sequence[Hint]] | None = None,
    smoothing: float = 0.0,
    running: Running | None = None,
) -> Outcome:
    """Colour photographs one by one; one that fails is reported and the others go on.

    The network sees a photograph at its own size; its colour is brought to the photograph's size and joined to the
    photograph's own lightness, which is kept as it is. Of a photograph with colour, only the lightness is used.

    Parameters
    ----------
    tasks : sequence of Task
    networks : sequence of ChosenNetwork
        Each gives an output, and a column of the panel.
    folder : Path
        Where ``colorize.json`` is kept.
    narrator : Narrator
        Shows progress and says what failed.
    size : int, optional
        Of the shorter side at the network, pixels; by default each network's own.
    hints : mapping, optional
        As `oldrestore.runs.inference.hint_file.read_hints` gives them.
    smoothing : float
        Of the colour of films, 0..0.99; see `oldrestore.restoration.film.SteadyColor`.
    running : Running, optional
        How networks are run.

    Raises
    ------
    UserError
        Before anything is written: for a network that predicts no colour, or reads no hints where there are some,
        for hints that belong to no photograph or lie outside of it, and for a folder that cannot be written.
    """
    coloring = Coloring(networks, size, "colorize", running)
    of_photo = _hints_of_photos(tasks, networks, hints or {})
    require_folder(folder)
    outcome = Outcome(folder, [chosen.describe() for chosen in networks])
    with narrator.progress("colouring", len(tasks)) as advance:
        for number, task in enumerate(tasks):
            try:
                if task.refused:
                    raise UserError(task.refused)
                if task.is_film:
                    _colorize_film(task, coloring, smoothing, frames_shown(advance, number))
                else:
                    _colorize(task, coloring, of_photo.get(task.photo, ()))
            except Exception as error:  # noqa: BLE001 (whatever is wrong with one, the others go on)
                reason = reason_of(error)
                outcome.failed.append({"photograph": str(task.photo), "reason": reason})
                narrator.say(f"failed    {printable(task.photo)}: {reason}")
            else:
                outcome.done.append(
                    {
                        "photograph": str(task.photo),
                        "outputs": [str(path) for path in task.outputs],
                        "panel": str(task.panel),
                        "hints": len(of_photo.get(task.photo, ())),
                    }
                )
            advance(number + 1)
    _record(outcome, coloring.colorizers)
    return outcome


def _hints_of_photos(
    tasks: Sequence[Task], networks: Sequence[ChosenNetwork], hints: Mapping[str | None, Sequence[Hint]]
) -> dict[Path, Sequence[Hint]]:
    if not hints:
        return {}
    for chosen in networks:
        if tuple(chosen.network.reads[1:2]) != (HINTS,):
            raise UserError(
                f"{chosen.label} ({type(chosen.network).__name__}) reads no colour hints: take siggraph17, or leave "
                "--hints out"
            )
    if None in hints and len(tasks) > 1:
        raise UserError(
            f"a bare list of hints is for one photograph and there are {len(tasks)}: write an object that maps each "
            "file name to its list"
        )
    found: dict[Path, Sequence[Hint]] = {}
    for name, points in hints.items():
        named = [task.photo for task in tasks if name in (None, task.photo.name, str(task.photo))]
        if len(named) != 1:
            raise UserError(f"the hints name '{name}', which is {len(named) or 'none'} of the photographs")
        found[named[0]] = points
        try:
            height, width = decode_photo(named[0]).shape[:2]
        except UnreadablePhoto as error:
            raise UserError(f"'{named[0]}' cannot be read: {error.reason}") from None
        check_bounds(points, height, width, named[0].name)
    return found


def _colorize(task: Task, coloring: Coloring, hints: Sequence[Hint]) -> None:
    original = read_photo_file(task.photo)
    L_hw = lightness(decode_bytes(original))
    shown = [reduced(in_gray(L_hw))]
    made = []
    for path, picture in zip(task.outputs, coloring(L_hw, hints), strict=True):
        shown.append(reduced(picture))
        made.append((path, encode_photo(picture, path.suffix, original)))
    # Not before every network is done: one that fails leaves no outputs of the others.
    for path, data in made:
        write_atomically(path, data)
    panel = side_by_side([shown], ["Original", *coloring.titles])
    write_atomically(task.panel, encode_photo(panel, task.panel.suffix))


def _colorize_film(task: Task, coloring: Coloring, smoothing: float, advance: Callable[[int, int], None]) -> None:
    steady = [SteadyColor(smoothing) for _ in coloring.networks]
    carry_film(
        task,
        lambda frame: list(coloring(lightness(frame), steady=steady)),
        ["Original", *coloring.titles],
        FILM_QUALITY,
        original=lambda frame: in_gray(lightness(frame)),
        advance=advance,
    )


def _record(outcome: Outcome, colorizers: Sequence[Colorizer]) -> None:
    """Write which weights made which file; what earlier calls recorded of other files stays."""
    path = outcome.folder / RECORD
    files = {name: entry for name, entry in _recorded(path).items() if (outcome.folder / name).exists()}
    for done in outcome.done:
        for output, network, colorizer in zip(done["outputs"], outcome.networks, colorizers, strict=True):
            files[Path(output).relative_to(outcome.folder).as_posix()] = {
                "photograph": done["photograph"],
                "hints": done["hints"],
                "size": colorizer.size,
                **network,
            }
    write_atomically(path, json.dumps({"oldrestore": __version__, "files": files}, indent=2) + "\n")


def _recorded(path: Path) -> dict[str, Any]:
    try:
        files = json.loads(path.read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return files if isinstance(files, dict) else {}


def summary_lines(outcome: Outcome, say: Callable[[str], None]) -> None:
    """Print what was done with which weights."""
    for network in outcome.networks:
        say(
            f"weights   {network['name']} ({network['network']})  sha256 {network['sha256'][:16]}  {network['weights']}"
        )
    for done in outcome.done:
        for output in done["outputs"]:
            say(f"coloured  {printable(output)}")
    if outcome.failed:
        say(f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.done)} photographs failed")
