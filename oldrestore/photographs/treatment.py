"""One photograph or film through the stages: the files that result, and the facts about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.data.codecs.decode import decode_bytes, read_photo_file
from oldrestore.data.codecs.encode import encode_photo
from oldrestore.errors import UserError
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import in_gray, lightness, reduced
from oldrestore.photographs.film import carry_film
from oldrestore.photographs.new_files import NewFiles
from oldrestore.photographs.photo_list import Task
from oldrestore.photographs.restorer import Restorer
from oldrestore.restoration.film import SteadyColor


@dataclass
class Treated:
    """What the stages made of a photograph or film.

    Attributes
    ----------
    files : list of (Path, bytes)
        Files to write, results first; the results of a film have been written.
    parts : dict of str to Path
        Outputs beside results and panel.
    facts : dict
        ``width``, ``height`` and ``lost`` (the damaged share, or None) of a photograph, ``frames`` of a film;
        ``colored``, whether the results are in predicted colours, and ``hints``, their number.
    """

    files: list[tuple[Path, bytes]]
    parts: dict[str, Path]
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
        picture = _mask_picture(made.mask_hw) if part == "mask" else pictures[part]
        files.append((path, encode_photo(picture, path.suffix, None if part == "mask" else contents)))
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


def _mask_picture(mask_hw: np.ndarray) -> np.ndarray:
    return np.repeat(mask_hw[..., None] * np.uint8(255), 3, axis=-1)


def treat_film(task: Task, restorer: Restorer, files: NewFiles, advance: Callable[[int, int], None]) -> Treated:
    """Run the stages on every frame of a film, and write the results.

    Raises
    ------
    UserError
        If there is a mask, which fits one photograph only.
    """
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
