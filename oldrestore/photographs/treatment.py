"""One photograph or film through the stages: the files that result, and the facts about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.data.decode import decode_bytes, read_photo_file
from oldrestore.data.encode import encode_photo
from oldrestore.errors import UserError
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import in_gray, lightness, reduced
from oldrestore.photographs.output_files import OutputFiles
from oldrestore.photographs.photo_list import Task
from oldrestore.photographs.restorer import Restorer
from oldrestore.restoration.film import SteadyColor, UnreadableFilm, probe, read_frames, write_film


@dataclass
class Treated:
    """The result of the stages on a photograph or film."""

    files: list[tuple[Path, bytes]]  # to write, results first; the results of a film have been written
    parts: dict[str, Path]  # outputs besides results and panel
    # ``width``, ``height`` and ``lost`` (the damaged share, or None) of a photograph, ``frames`` of a film;
    # ``colored``, whether the results are in predicted colours, and ``hints``, their number.
    facts: dict[str, Any]


def treat_photo(task: Task, restorer: Restorer) -> Treated:
    """Run the stages on a photograph."""
    hints = restorer.hints.get(task.photo, ())
    contents = read_photo_file(task.photo)
    original = decode_bytes(contents)
    made, colored = restorer.mend(original, task.photo)
    height, width = original.shape[:2]
    shown = [] if restorer.shows_gray_original else [reduced(original)]
    pictures = {"filled": made.filled, "evened": made.restored}
    if not colored:
        # The picture of the last stage is the result.
        pictures.pop("filled" if made.restored is None else "evened")
    parts = {part: path for part, path in task.parts.items() if part == "mask" or pictures.get(part) is not None}
    files: list[tuple[Path, bytes]] = []
    for part, path in parts.items():
        if part == "mask":
            white = np.repeat(made.mask_hw[..., None] * np.uint8(255), 3, axis=-1)
            files.append((path, encode_photo(white, path.suffix)))
        else:
            files.append((path, encode_photo(pictures[part], path.suffix, contents)))
    lost = None if made.mask_hw is None else float(made.mask_hw.mean())
    picture = made.picture
    # Only one picture is needed from here on; each of a large scan has hundreds of megabytes.
    del original, made, pictures
    if colored:
        L_hw = lightness(picture)
        del picture
        if restorer.shows_gray_original:
            shown.append(reduced(in_gray(L_hw)))
        results = restorer.coloring(L_hw, hints)
    else:
        results = (picture for _ in task.outputs)
    for path, result in zip(task.outputs, results, strict=True):
        files.append((path, encode_photo(result, path.suffix, contents)))
        shown.append(reduced(result))
    panel = side_by_side([shown], ["Original", *restorer.titles(colored)])
    files.append((task.panel, encode_photo(panel, task.panel.suffix)))
    # A photograph counts as made if its results exist, so they are written first.
    files.sort(key=lambda file: file[0] not in task.outputs)
    facts = {"width": width, "height": height, "lost": lost, "colored": colored, "hints": len(hints)}
    return Treated(files, parts, facts)


def treat_film(task: Task, restorer: Restorer, files: OutputFiles, advance: Callable[[int, int], None]) -> Treated:
    """Run the stages on every frame of a film, and write the results."""
    if restorer.mask is not None:
        raise UserError("a mask is for a photograph: restore the film without it")
    count = len(task.outputs)
    steady = [SteadyColor(restorer.smoothing) for _ in range(count)]
    colored: list[bool] = []

    def make(frame: np.ndarray) -> Sequence[np.ndarray]:
        made = restorer.pipeline(frame)
        if not colored:
            # The first frame decides for all: a film must not alternate between its own colours and ours.
            colored.append(restorer.is_colored(made))
        if not colored[0]:
            return [made.picture] * count
        return list(restorer.coloring(lightness(made.picture), steady=steady))

    headings = ["Original", *restorer.titles()]
    original = (lambda frame: in_gray(lightness(frame))) if restorer.shows_gray_original else (lambda frame: frame)
    frames, panel = carry_film(task, make, headings, restorer.quality, files, original, advance)
    return Treated([(task.panel, panel)], {}, {"frames": frames, "colored": colored[0], "hints": 0})


def carry_film(
    task: Task,
    make: Callable[[np.ndarray], Sequence[np.ndarray]],
    titles: Sequence[str],
    quality: int,
    files: OutputFiles,
    original: Callable[[np.ndarray], np.ndarray] = lambda frame: frame,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, bytes]:
    """Write the outputs of a film, with its number, size and rate of frames and its sound.

    Parameters
    ----------
    make : callable
        Returns a frame of each output; called once per frame, uint8 (H, W, 3), in order.
    titles : sequence of str
        Titles in the panel: of the original and of each output.
    quality : int
        See `oldrestore.restoration.film.write_film`.
    original : callable
        Returns a frame as it is shown in the panel's first column.
    advance : callable
        Called with the number of frames done and the approximate total (0 if the film does not say).

    Returns
    -------
    int, bytes
        Frames, and the panel, not yet written.
    """
    facts = probe(task.photo)
    sound = task.photo if facts.has_sound else None
    frames = read_frames(task.photo, expected=facts.frames)
    first = next(frames)
    height, width = first.shape[:2]
    shown, count = None, 0
    with ExitStack() as open_films:
        writers = [
            open_films.enter_context(write_film(path, (height, width), facts.rate, sound, quality, files.place))
            for path in task.outputs
        ]
        for frame in chain([first], frames):
            if frame.shape != first.shape:
                raise UnreadableFilm("a film whose frames change their size")
            pictures = make(frame)
            for writer, picture in zip(writers, pictures, strict=True):
                writer.write(picture)
            if shown is None or count == facts.frames // 2:  # a frame from the middle represents a film best
                shown = [reduced(picture) for picture in (original(frame), *pictures)]
            count += 1
            advance(count, facts.frames)
    return count, encode_photo(side_by_side([shown], titles), task.panel.suffix)
