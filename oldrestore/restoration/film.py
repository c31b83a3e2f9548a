"""Reads films frame by frame through PyAV (FFmpeg's libraries), each frame with its own time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from oldrestore.restoration.film_color import ToRGB, UnknownColor, color_of, color_of_result
from oldrestore.restoration.film_file import UnreadableFilm, open_container, packets_in_time
from oldrestore.restoration.film_tracks import mp4_holds

FILM_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".divx", ".wmv", ".asf", ".flv"}
    | {".ogv", ".ogm", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob", ".mts", ".m2ts", ".m2t", ".tod"}
    | {".dv", ".dif", ".mxf", ".rm", ".rmvb"}
)
"""File name endings of films, in lower case; others (``.ts``, ``.mod``) are those of programs and music too."""

MP4_LIKE = frozenset({".mp4", ".m4v", ".mov", ".qt"})
# Containers whose head says how long the film is.
DECLARING = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf"})
MOST_MISSING = 0.02  # share of a film's frames
AHEAD = 4  # frames that are decoded in advance


class Frame(NamedTuple):
    """A picture of a film."""

    rgb_hw3: np.ndarray  # uint8, sRGB
    time: Fraction  # seconds, at which it is shown
    duration: Fraction  # seconds; 0 if the film does not say


class Orientation(NamedTuple):
    """How stored pictures become upright."""

    turned: bool  # rows are columns
    left_right: bool  # mirrored, after that
    up_down: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the display matrix of a frame, rounded to right angles."""
        if (data := frame.side_data.get(Type.DISPLAYMATRIX)) is None:
            return cls(False, False, False)
        # x' = a x + c y, y' = b x + d y
        a, b, _, c, d = np.frombuffer(data, "=i4")[:5].tolist()
        return cls(True, c < 0, b < 0) if abs(b) > abs(a) else cls(False, a < 0, d < 0)

    def __call__(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Return an upright picture."""
        picture = rgb_hw3.swapaxes(0, 1) if self.turned else rgb_hw3
        return np.ascontiguousarray(picture[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1])


class FilmReader:
    """A film whose first frame has been decoded, and whose frames can be read once; see `open_film`.

    `remarks` says what the result does not keep, or why; it is complete after the last frame.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path, self.container = path, container
        shown = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
        if not shown or shown[0].codec_context is None:
            raise UnreadableFilm("not a film that can be read")
        self.track = track = shown[0]
        track.thread_type = "AUTO"
        rate = track.average_rate or track.guessed_rate or track.base_rate
        if not rate:
            raise UnreadableFilm("a film that does not say its frame rate")
        self.rate = Fraction(rate)  # mean number of frames a second
        self.expected = track.frames or round(rate * _length(container, track))  # frames; 0 if the file does not say
        self.remarks = [f"only the first of {len(shown)} picture tracks is kept"] if len(shown) > 1 else []
        if len(shown) < len(container.streams.video):
            self.remarks.append("the cover picture was left out")
        self._damaged, self._end = 0, Fraction(0)
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            raise UnreadableFilm("a film without frames" if not self._damaged else "not a film that can be read")
        self.color, remark = color_of_result(color_of(self._first))
        self.remarks += [remark] if remark else []
        self._upright = Orientation.of(self._first)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of its upright frames."""
        shape = self._first.height, self._first.width
        return shape[::-1] if self._upright.turned else shape

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width of its upright frames' pixels by their height; None if it does not say."""
        aspect = self.track.sample_aspect_ratio or None
        return 1 / aspect if aspect and self._upright.turned else aspect

    @property
    def tick(self) -> Fraction:
        """Unit of the times of its frames, seconds."""
        return Fraction(1, self.track.time_base.denominator)

    def frames(self) -> Iterator[Frame]:
        """Yield each frame once, upright; interlaced ones as full frames. A thread decodes some in advance.

        `UnreadableFilm` is raised if the frames change their size, or the file is damaged and more than 2% are missing.
        """
        frames = self._frames()
        with ThreadPoolExecutor(1, "decoding") as pool:
            waiting = deque(pool.submit(next, frames, None) for _ in range(AHEAD))
            try:
                while (frame := waiting.popleft().result()) is not None:
                    waiting.append(pool.submit(next, frames, None))
                    yield frame
            finally:
                pool.shutdown(cancel_futures=True)

    def _frames(self) -> Iterator[Frame]:
        to_rgb, first, count, start, last = ToRGB(), self._first, 0, None, None
        for frame in chain([first], self._decoded):
            count += 1
            if (frame.height, frame.width) != (first.height, first.width):
                raise UnreadableFilm("a film whose frames change their size")
            try:
                rgb_hw3 = self._upright(to_rgb(frame))
            except UnknownColor as error:
                raise UnreadableFilm(str(error)) from None
            time = None if frame.pts is None else frame.pts * frame.time_base
            if time is None or (last is not None and time <= last):
                time = Fraction(0) if last is None else last + 1 / self.rate
            start, last = time if start is None else start, time
            yield Frame(rgb_hw3, time, (frame.duration or 0) * (frame.time_base or 0))
        ends_early, expected = self._ends_early(), self.expected
        if not ends_early:  # sound may be longer than the pictures
            expected = min(expected, round((last - start) * self.rate) + 1)
        if (self._damaged or ends_early) and count < (1 - MOST_MISSING) * expected - 1:
            raise UnreadableFilm(f"{count} of about {expected} frames could be read: the file is damaged")
        self.remarks += [f"damaged frames: {self._damaged}"] if self._damaged else []

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield frames, deinterlaced, and count those that are damaged or lost."""
        woven: Graph | None = None
        for packet in packets_in_time(self.container):
            if packet.pts is not None:
                self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream is not self.track:
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._damaged += 1
                continue
            for frame in frames:
                self._damaged += frame.is_corrupt
                if woven is None and frame.interlaced_frame:
                    woven = _deinterlacer(frame)
                    self.remarks.append("interlaced: frames were deinterlaced (bwdif), each to one frame")
                if woven is None:
                    yield frame
                else:
                    yield from _through(woven, frame)
        if woven is not None:
            yield from _through(woven, None)

    def _ends_early(self) -> bool:
        kind, length = self.container.format.name, Fraction(self.container.duration or 0, av.time_base)
        if kind == "avi":  # of one that is cut, FFmpeg gives the length that is left
            length = self.expected / self.rate
        return kind in DECLARING and self._end < (1 - MOST_MISSING) * length - 1 / self.rate


@contextmanager
def open_film(path: Path) -> Iterator[FilmReader]:
    """Open a film; `UnreadableFilm` if it has no pictures that can be read."""
    with open_container(path) as container:
        yield FilmReader(path, container)


def read_frames(path: Path) -> Iterator[Frame]:
    """Yield each frame of a film once; see `FilmReader.frames`."""
    with open_film(path) as film, closing(film.frames()) as frames:
        yield from frames


def is_film(path: Path) -> bool:
    """Say whether a file is a film by its ending or, where that is none of `FILM_EXTENSIONS`, by its content."""
    if path.suffix.lower() in FILM_EXTENSIONS:
        return True
    try:
        if not path.is_file():
            return False
        with open_film(path) as film:
            return film.expected != 1  # HEIF and AVIF are MP4 of one frame
    except (OSError, UnreadableFilm):
        return False


def film_ending(path: Path) -> str:
    """Ending for the output of a film: .mp4 for QuickTime's family if it can hold every track, otherwise .mkv."""
    if path.suffix.lower() not in MP4_LIKE:
        return ".mkv"
    try:
        with open_container(path) as container:
            return ".mp4" if mp4_holds(container) else ".mkv"
    except (OSError, UnreadableFilm):
        return ".mp4"


def _length(container: InputContainer, track: VideoStream) -> Fraction:
    """Seconds that the pictures of a film last, as it says; 0 if it does not."""
    if track.duration:
        return track.duration * track.time_base
    try:  # Matroska's tag, such as 00:01:02.250000000
        hours, minutes, seconds = track.metadata.get("DURATION", "").split(":")
        return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    except ValueError:
        return Fraction(container.duration or 0, av.time_base)


def _deinterlacer(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    return graph


def _through(graph: Graph, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    """Push a frame, or None at the end, and yield the frames that come out."""
    graph.vpush(frame)
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):  # it needs another frame, or has given the last
            return
