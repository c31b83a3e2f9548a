"""Colours photographs and films at their full resolution, with panels and a record of which weights did it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oldrestore.data.decode import UnreadablePhoto, decode_bytes, decode_photo, read_photo_file
from oldrestore.data.encode import encode_photo
from oldrestore.data.photo import printable
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.fast_network import Running
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import Coloring, in_gray, lightness, reduced
from oldrestore.photographs.each_photo import MadeFiles, Outcome, go_through, skipped_line
from oldrestore.photographs.film import carry_film
from oldrestore.photographs.hint_file import Hint, check_bounds
from oldrestore.photographs.new_files import NewFiles
from oldrestore.photographs.output_record import OutputRecord
from oldrestore.photographs.photo_list import Existing, Task, require_folder
from oldrestore.restoration.film import SteadyColor

RECORD = "colorize.json"
HINTS = "hints_b3hw"
FILM_QUALITY = 18  # constant rate factor of x264


@dataclass
class Coloured(Outcome):
    """What became of the photographs.

    Attributes
    ----------
    folder : Path
        Of the outputs.
    networks : list of dict
        Name, class, weights file and its sha256.
    """

    folder: Path
    networks: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {"folder": str(self.folder), "networks": self.networks, **super().to_json()}


def colorize_photos(
    tasks: Sequence[Task],
    networks: Sequence[ChosenNetwork],
    folder: Path,
    narrator: Narrator,
    size: int | None = None,
    hints: Mapping[str | None, Sequence[Hint]] | None = None,
    smoothing: float = 0.0,
    running: Running | None = None,
    existing: Existing = "refuse",
) -> Coloured:
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
        As `oldrestore.photographs.hint_file.read_hints` gives them.
    smoothing : float
        Of the colour of films, 0..0.99; see `oldrestore.restoration.film.SteadyColor`.
    running : Running, optional
        How networks are run.
    existing : "refuse", "replace" or "skip"
        What becomes of a photograph whose outputs exist.

    Raises
    ------
    Stopped
        On Ctrl-C or SIGTERM; what is done has been recorded.
    UserError
        Before anything is written: for a network that predicts no colour, or reads no hints where there are some,
        for hints that belong to no photograph or lie outside of it, and for a folder that cannot be written.
    """
    coloring = Coloring(networks, size, "colorize", running)
    of_photo = _hints_of_photos(tasks, networks, hints or {})
    require_folder(folder)
    outcome = Coloured(folder, [chosen.describe() for chosen in networks])

    def make(task: Task, files: NewFiles, advance: Callable[[int, int], None]) -> tuple[dict, MadeFiles]:
        points = of_photo.get(task.photo, ())
        if task.is_film:
            made = _colorize_film(task, coloring, smoothing, files, advance)
        else:
            made = _colorize(task, coloring, points)
        done = {
            "photograph": str(task.photo),
            "outputs": [str(path) for path in task.outputs],
            "panel": str(task.panel),
            "hints": len(points),
        }
        return done, made

    def entries(done: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        made = zip(done["outputs"], outcome.networks, coloring.colorizers, strict=True)
        facts = {"photograph": done["photograph"], "hints": done["hints"]}
        return {output: {**facts, "size": colorizer.size, **network} for output, network, colorizer in made}

    record = OutputRecord(folder / RECORD)
    go_through(tasks, outcome, record, narrator, existing, ("colouring", "coloured"), make, entries)
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


def _colorize(task: Task, coloring: Coloring, hints: Sequence[Hint]) -> MadeFiles:
    original = read_photo_file(task.photo)
    L_hw = lightness(decode_bytes(original))
    shown = [reduced(in_gray(L_hw))]
    made = []
    for path, picture in zip(task.outputs, coloring(L_hw, hints), strict=True):
        shown.append(reduced(picture))
        made.append((path, encode_photo(picture, path.suffix, original)))
    panel = side_by_side([shown], ["Original", *coloring.titles])
    made.append((task.panel, encode_photo(panel, task.panel.suffix)))
    return made


def _colorize_film(
    task: Task, coloring: Coloring, smoothing: float, files: NewFiles, advance: Callable[[int, int], None]
) -> MadeFiles:
    steady = [SteadyColor(smoothing) for _ in coloring.networks]
    _, panel = carry_film(
        task,
        lambda frame: list(coloring(lightness(frame), steady=steady)),
        ["Original", *coloring.titles],
        FILM_QUALITY,
        files,
        original=lambda frame: in_gray(lightness(frame)),
        advance=advance,
    )
    return [(task.panel, panel)]


def summary_lines(outcome: Coloured, say: Callable[[str], None]) -> None:
    """Print what was done with which weights."""
    for network in outcome.networks:
        say(
            f"weights   {network['name']} ({network['network']})  sha256 {network['sha256'][:16]}  {network['weights']}"
        )
    for done in outcome.done:
        for output in done["outputs"]:
            say(f"coloured  {printable(output)}")
    if outcome.skipped:
        say(skipped_line(outcome))
    if outcome.failed:
        say(f"{len(outcome.failed)} of {len(outcome.failed) + len(outcome.done)} photographs failed")
