"""Runs the stages on a film frame by frame, and writes one film for each network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain

import numpy as np

from oldrestore.data.codecs.encode import encode_photo
from oldrestore.panels import side_by_side
from oldrestore.photographs.coloring import reduced
from oldrestore.photographs.new_files import NewFiles
from oldrestore.photographs.photo_list import Task
from oldrestore.restoration.film import UnreadableFilm, probe, read_frames, write_film

# A frame, uint8 (H, W, 3) -> one frame of the same size for each output.
MakeFrames = Callable[[np.ndarray], Sequence[np.ndarray]]


def frames_shown(advance: Callable[..., None], files: int) -> Callable[[int, int], None]:
    """Return a callback that shows a film's frames beside the bar that counts files."""
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
    """Make the outputs of a film, with its number, size and rate of frames and its sound.

    Parameters
    ----------
    make : callable
        Called once per frame, in order.
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
    int
        Frames.
    bytes
        The panel, not yet written.

    Raises
    ------
    UnreadableFilm
        If the film cannot be read or written.
    ExistingOutput
        If an output has appeared meanwhile.
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
    panel = encode_photo(side_by_side([shown], titles), task.panel.suffix)
    return count, panel
