"""One photograph or film through the stages: the files that result, and the facts about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.data.codecs.decode import count_pages, decode_contents, read_photo_file
from oldrestore.data.codecs.encode import Label, encode_photo
from oldrestore.errors import UserError
from oldrestore.evaluation.prediction import lightness
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import before_outputs, reduced
from oldrestore.photographs.output_files import OutputFiles
from oldrestore.photographs.output_names import Task
from oldrestore.photographs.restorer import Restorer
from oldrestore.restoration.film import Frame, open_film
from oldrestore.restoration.film_writer import write_film
from oldrestore.restoration.steady_color import SteadyColor


@dataclass(frozen=True)
class PhotoContents:
    """The contents of a photograph's file."""

    contents: bytes
    sha256: str
    pages: int


@dataclass(frozen=True)
class Labelling:
    """What labels say: `date` (ISO 8601), and which networks repair and colour; one of `colorers` for each result."""

    date: str
    restorers: tuple[str, ...] = ()
    colorers: tuple[str, ...] = ()

    def label(self, colorers: Sequence[str] = ()) -> Label:
        """Return the label of a picture that these networks coloured."""
        return Label(", ".join((*self.restorers, *colorers)), self.date)


@dataclass
class Treated:
    """The result of the stages on a photograph or film."""

    files: list[tuple[Path, bytes]]  # to write, results first; the results of a film have been written
    parts: dict[str, Path]  # outputs besides results and panel
    # ``width``, ``height`` and ``lost`` (the damaged share, or None) of a photograph, ``frames`` of a film; ``remarks``
    # on their files; ``colored``, whether the results are in predicted colours, and ``hints``, their number.
    facts: dict[str, Any]
    label: Label | None = None  # of all results together


def read_photo(photo: Path) -> PhotoContents:
    """Read the file of a photograph; `UnreadablePhoto` says why it cannot be read."""
    contents = read_photo_file(photo)
    return PhotoContents(contents, hashlib.sha256(contents).hexdigest(), count_pages(contents))


def treat_photo(task: Task, file: PhotoContents, restorer: Restorer, labelling: Labelling | None = None) -> Treated:
    """Run the stages on a photograph, a page of its file."""
    hints = () if task.page else restorer.hints.get(task.photo, ())
    decoded = decode_contents(file.contents, page=task.page)
    original, remarks = decoded.rgb, [decoded.remark] if decoded.remark else []
    del decoded
    made, colored = restorer.mend(original, task)
    if restorer.colors_a_print(made):
        remarks.append("taken for a gray print on a coloured ground: restore/colorize=none would keep its colours")
    height, width = original.shape[:2]
    before = before_outputs(original, hints) if restorer.shows_input else {"Original": reduced(original)}
    shown = [*before.values()]
    pictures = {"filled": made.filled, "evened": made.restored}
    if not colored:
        # The picture of the last stage is the result.
        pictures.pop("filled" if made.restored is None else "evened")
    of_mask = Label("", labelling.date) if labelling else None  # and of other maps
    # A photograph that no stage has changed says nothing of it.
    labelling = labelling if colored or made.picture is not original else None
    colorers = labelling.colorers if labelling and colored else [""] * len(task.outputs)

    def encode(picture: np.ndarray, path: Path, *colorers: str) -> tuple[Path, bytes]:
        label = labelling.label([name for name in colorers if name]) if labelling else None
        return path, encode_photo(picture, path.suffix, file.contents, label, task.page)

    parts = {part: path for part, path in task.parts.items() if part == "mask" or pictures.get(part) is not None}
    files: list[tuple[Path, bytes]] = []
    for part, path in parts.items():
        if part == "mask":
            white = np.repeat(made.mask_hw[..., None] * np.uint8(255), 3, axis=-1)
            files.append((path, encode_photo(white, path.suffix, label=of_mask)))
        else:
            files.append(encode(pictures[part], path))
    chosen = None
    lost = None if made.mask_hw is None else float(made.mask_hw.mean())
    picture = made.picture
    # Only one picture is needed from here on; each of a large scan has hundreds of megabytes.
    del original, made, pictures
    if colored:
        L_hw = lightness(picture)
        del picture
        if restorer.coloring.options.need_distribution:
            chosen = restorer.coloring.chosen(L_hw, hints)
            results = (restorer.coloring.picture(ab_hw2, L_hw) for ab_hw2 in chosen.colors[:1])
        else:
            results = restorer.coloring(L_hw, hints)
    else:
        results = (picture for _ in task.outputs)
    for path, result, colorer in zip(task.outputs, results, colorers, strict=True):
        files.append(encode(result, path, colorer))
        shown.append(reduced(result))
    titles = [*before, *restorer.titles(colored)]
    if chosen is not None:
        for number, ab_hw2 in enumerate(chosen.colors[1:], 2):
            path = parts[f"variant{number}"] = task.parts[f"variant{number}"]
            result = restorer.coloring.picture(ab_hw2, L_hw)
            files.append(encode(result, path, *colorers))
            shown.append(reduced(result))
            titles.append(f"Variant {number}")
        if "certainty" in task.parts:
            path = parts["certainty"] = task.parts["certainty"]
            files.append((path, encode_photo(chosen.certainty_map(L_hw.shape), path.suffix, label=of_mask)))
        remarks += restorer.coloring.options.missing(len(chosen.colors))
    panel = side_by_side([shown], titles)
    label = labelling.label([name for name in colorers if name]) if labelling else None
    files.append((task.panel, encode_photo(panel, task.panel.suffix, label=label)))
    # A photograph counts as made if its results exist, so they are written first.
    files.sort(key=lambda file: file[0] not in task.outputs)
    facts = {"width": width, "height": height, "lost": lost, "colored": colored, "hints": len(hints)}
    facts |= {"remarks": remarks} if remarks else {}
    return Treated(files, parts, facts, label)


def treat_film(
    task: Task,
    restorer: Restorer,
    files: OutputFiles,
    advance: Callable[[int, int], None] = lambda done, total: None,
    labelling: Labelling | None = None,
) -> Treated:
    """Run the stages on every frame of a film; write one for each output, with its times, sound and subtitles.

    `advance` is called with the number of frames done and the approximate total (0 if the film does not say).
    """
    if restorer.mask is not None:
        raise UserError("a mask is for a photograph: restore the film without it")
    if restorer.coloring is not None and restorer.coloring.options.need_distribution:
        raise UserError("--variants and --certainty are for photographs: colour the film without them")
    steady = [SteadyColor(restorer.smoothing) for _ in task.outputs]
    colored, shown, count = None, None, 0
    writers: list[Callable[[Frame], None]] = []
    with open_film(task.photo) as film, ExitStack() as open_films:
        for frame in open_films.enter_context(closing(film.frames())):
            original = frame.rgb_hw3
            made = restorer.pipeline(original)
            if not writers:
                # The first frame decides for all: a film must not alternate between its own colours and ours.
                colored = restorer.is_colored(made)
                labelling = labelling if colored or {"fill", "restore"} & {*restorer.stages} else None
                colorers = labelling.colorers if labelling and colored else [""] * len(task.outputs)
                for path, colorer in zip(task.outputs, colorers, strict=True):
                    label = labelling.label([colorer] if colorer else []) if labelling else None
                    writing = write_film(path, film, restorer.quality, label, files.place)
                    writers.append(open_films.enter_context(writing))
            pictures = [made.picture] * len(task.outputs)
            if colored:
                pictures = list(restorer.coloring(lightness(made.picture), steady=steady))
            for write, picture in zip(writers, pictures, strict=True):
                write(frame._replace(rgb_hw3=picture))
            if shown is None or count == film.expected // 2:  # a frame from the middle represents a film best
                before = before_outputs(original) if restorer.shows_input else {"Original": reduced(original)}
                shown = [*before.values(), *map(reduced, pictures)]
            count += 1
            advance(count, film.expected)
    label = labelling.label([name for name in colorers if name]) if labelling else None
    panel = encode_photo(side_by_side([shown], [*before, *restorer.titles()]), task.panel.suffix, label=label)
    facts = {"frames": count, "colored": colored, "hints": 0} | ({"remarks": film.remarks} if film.remarks else {})
    return Treated([(task.panel, panel)], {}, facts, label)
