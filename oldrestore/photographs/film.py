"""Carries a film through the stages frame by frame and writes one film for each network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain

import numpy as np

from oldrestore.data.encode import encode_photo
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import reduced
from oldrestore.photographs.new_files import NewFiles
from oldrestore.photographs.photo_list import Task
from oldrestore.restoration.film import UnreadableFilm, probe, read_frames, write_film

# A frame uint8 (H, W, 3) -> one for each output, of the same size.
MakeFrames = Callable[[np.ndarray], Sequence[np.ndarray]]


def frames_shown(advance: Callable[..., None], files: int) -> Callable[[int, int], None]:
    """Show a film's frames beside a progress bar that counts files, of which so many are done."""
    return lambda done, total: advance(files, frames=f"{done} of about {total}" if total else str(done))


def carry_film(
    task: Task,
    make: MakeFrames,
    titles: Sequence[str],
    quality: int,
    files: NewFiles,
    original: Callable[[np.ndarray], np.ndarray] = lambda frame: frame,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, bytes]:
    """Make the outputs of a film: as many frames, of the same size and rate, with the same sound.

    Parameters
    ----------
    task : Task
    make : callable
        Makes each output's frame; called once a frame, in order.
    titles : sequence of str
        Of the panel: the original's and each output's.
    quality : int
        As for `oldrestore.restoration.film.write_film`.
    files : NewFiles
        Gives the outputs their names.
    original : callable
        How a frame is shown in the panel's first column.
    advance : callable
        Told how many frames are done, and about how many there are (0 when the film does not say).

    Returns
    -------
    int
        Frames.
    bytes
        The panel, which is not written yet.

    Raises
    ------
    UnreadableFilm
        When the film cannot be read or written.
    ExistingOutput
        When an output came to be there meanwhile.
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
            if shown is None or count == facts.frames // 2:  # one of the middle says most of a film
                shown = [reduced(picture) for picture in (original(frame), *pictures)]
            count += 1
            advance(count, facts.frames)
    panel = encode_photo(side_by_side([shown], titles), task.panel.suffix)
    return count, panel
