"""Reads films frame by frame through PyAV (FFmpeg's libraries), each frame with its own time."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from oldrestore.errors import naming
from oldrestore.restoration.film_color import FilmColor, ToRGB, UnknownColor, color_of, color_of_result
from oldrestore.restoration.film_tracks import mp4_holds

FILM_EXTENSIONS = frozenset(
    (
        ".mp4 .m4v .mov .qt .3gp .3g2 .f4v .mkv .webm .avi .divx .wmv .asf .flv .ogv .ogm .mpg .mpeg .mpe .m1v .m2v .vob "
        ".ts .mts .m2ts .m2t .mod .tod .dv .dif .mxf .rm .rmvb"
    ).split()
)
"""File name endings of films, in lower case."""

# Containers that hold pictures and sound themselves. A playlist (ffconcat, HLS, DASH) with a film's name would make
# FFmpeg read other files of this machine, or addresses.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegvideo,mpegts,asf,flv,ogg,m4v,h264,hevc,dv,mxf,gxf,rm,ivf,wtv"
)
# A disc's or broadcast's tracks may begin late, and are in no header.
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "probesize": "20000000"}
MP4_LIKE = frozenset({".mp4", ".m4v", ".mov", ".qt"})
# In these, time is that of a clock that started somewhere, and jumps where pieces were joined.
CLOCKED = frozenset({"mpeg", "mpegts"})
LONGEST_JUMP = 10  # seconds that a clock may advance between packets of a track, as in FFmpeg's program
AHEAD = 4  # frames
MOST_MISSING = 0.02  # share of a film's frames


class UnreadableFilm(ValueError):  # noqa: N818 (like UnreadablePhoto, a fact about a file)
    """A film that cannot be decoded or written; `reason` is a few words."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Frame(NamedTuple):
    """A picture of a film."""

    rgb_hw3: np.ndarray  # uint8, sRGB
    time: Fraction  # seconds, at which it is shown
    duration: Fraction  # seconds; 0 if the film does not say


@dataclass(frozen=True)
class FilmFacts:
    """Facts that a film's file states."""

    rate: Fraction  # mean number of frames a second
    frames: int  # approximate number; 0 if the file does not say
    has_sound: bool


class Orientation(NamedTuple):
    """How stored frames become upright."""

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
        """Return an upright picture, which may be a view."""
        picture = rgb_hw3.swapaxes(0, 1) if self.turned else rgb_hw3
        return picture[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]


@dataclass
class Film:
    """An open film, whose frames can be read once; see `open_film`."""

    container: InputContainer
    pictures: VideoStream
    facts: FilmFacts
    # Known from the first frame on:
    color: FilmColor | None = None  # of the result
    orientation: Orientation | None = None
    remarks: list[str] = field(default_factory=list)  # what the result does not keep; complete after the last frame

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of an upright frame's pixels by their height."""
        aspect = self.pictures.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if self.orientation and self.orientation.turned else aspect

    @property
    def tick(self) -> Fraction:
        """Unit of the times of frames, seconds."""
        return Fraction(1, self.pictures.time_base.denominator)

    def packets(self) -> Iterator[av.Packet]:
        """Yield the packets of all tracks, with times on one line: a clock starts at 0, and its jumps are left out."""
        clocked = self.container.format.name in CLOCKED
        shift = Fraction(self.container.start_time or 0, av.time_base) if clocked else Fraction(0)
        ends: dict[int, Fraction] = {}  # of the last packet of each track, on that line
        for packet in self.container.demux():
            if clocked and packet.dts is not None:
                unit, track = packet.time_base, packet.stream.index
                time = packet.dts * unit - shift
                step = time - ends.get(track, time)
                if step > LONGEST_JUMP or step < -0.1:
                    shift += step
                    time -= step
                ends[track] = time + (packet.duration or 0) * unit
                ticks = round(shift / unit)
                packet.dts -= ticks
                if packet.pts is not None:
                    packet.pts -= ticks
            yield packet

    def frames(self) -> Iterator[Frame]:
        """Yield each frame once, upright; interlaced ones as full frames. A thread decodes `AHEAD` of them in advance.

        `UnreadableFilm` is raised if frames cannot be decoded and more than 2% of all are missing.
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
        to_rgb, last, count, damaged, tones = ToRGB(), None, 0, 0, ""
        for frame, is_whole in self._decoded():
            damaged += not is_whole
            if frame is None:
                continue
            count += 1
            if self.color is None:
                self.color, tones = color_of_result(color_of(frame))
                self.orientation = Orientation.of(frame)
            try:
                rgb = self.orientation(to_rgb(frame))
            except UnknownColor as error:
                raise UnreadableFilm(str(error)) from None
            time = None if frame.pts is None else frame.pts * frame.time_base
            if time is None or (last is not None and time <= last):
                time = Fraction(0) if last is None else last + 1 / self.facts.rate
            last = time
            yield Frame(rgb, time, (frame.duration or 0) * (frame.time_base or 0))
        if not count:
            raise UnreadableFilm("a film without frames")
        if (damaged or _is_cut_short(Path(self.container.name.removeprefix("file:")))) and (
            count < (1 - MOST_MISSING) * self.facts.frames - 1
        ):
            raise UnreadableFilm(f"{count} of about {self.facts.frames} frames could be read: the file is damaged")
        self.remarks += [tones] if tones else []
        self.remarks += [f"{damaged} of {count} frames are damaged"] if damaged else []

    def _decoded(self) -> Iterator[tuple[VideoFrame | None, bool]]:
        """Yield frames that are not interlaced, or None for one that is lost, and whether all of it was read."""
        woven: Graph | None = None
        for packet in self.packets():
            if packet.stream is not self.pictures:
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                yield None, False
                continue
            for frame in frames:
                if woven is None and frame.interlaced_frame:
                    woven = _deinterlacer(self.pictures, frame)
                    self.remarks.append("interlaced frames were deinterlaced (bwdif), one frame for each")
                if woven is None:
                    yield frame, not frame.is_corrupt
                else:
                    if frame.is_corrupt:
                        yield None, False
                    woven.vpush(frame)
                    yield from ((full, True) for full in _pulled(woven))
        if woven is not None:
            woven.vpush(None)
            yield from ((full, True) for full in _pulled(woven))


@contextmanager
def open_film(path: Path) -> Iterator[Film]:
    """Open a film; `UnreadableFilm` if it has no pictures that can be read."""
    try:
        with naming(path):
            # "file:" so that no name is read as another protocol.
            container = av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise UnreadableFilm("not a film that can be read") from None
    with container:
        shown = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not shown or shown[0].codec_context is None or not shown[0].width:
            raise UnreadableFilm("not a film that can be read")
        pictures = shown[0]
        pictures.thread_type = "AUTO"
        rate = pictures.average_rate or pictures.guessed_rate or pictures.base_rate
        if not rate:
            raise UnreadableFilm("a film that does not say its frame rate")
        length = pictures.duration * pictures.time_base if pictures.duration else None
        if length is None and container.duration:
            length = Fraction(container.duration, av.time_base)
        frames = pictures.frames or round(rate * (length or 0))
        film = Film(container, pictures, FilmFacts(Fraction(rate), frames, bool(container.streams.audio)))
        if len(shown) > 1:
            film.remarks.append(f"only the first of {len(shown)} picture tracks is kept")
        yield film


def probe(path: Path) -> FilmFacts:
    """Read the facts of a film; `UnreadableFilm` if it has no pictures that can be read."""
    with open_film(path) as film:
        return film.facts


def read_frames(path: Path) -> Iterator[Frame]:
    """Yield each frame of a film once; see `Film.frames`."""
    with open_film(path) as film, closing(film.frames()) as frames:
        yield from frames


def is_film(path: Path) -> bool:
    """Say whether a file is a film by its ending or, where that is none of `FILM_EXTENSIONS`, by its content."""
    if path.suffix.lower() in FILM_EXTENSIONS:
        return True
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        facts = probe(path)
    except (OSError, UnreadableFilm):
        return False
    return facts.frames != 1  # HEIF and AVIF are MP4 of one frame


def film_ending(path: Path) -> str:
    """Ending for the output of a film: .mp4 for QuickTime's family if it can hold every track, otherwise .mkv."""
    if path.suffix.lower() not in MP4_LIKE:
        return ".mkv"
    try:
        with open_film(path) as film:
            return ".mp4" if mp4_holds(film.container) else ".mkv"
    except (OSError, UnreadableFilm):
        return ".mp4"


def _is_cut_short(path: Path) -> bool:
    return False


def _deinterlacer(pictures: VideoStream, frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=pictures.time_base
    )
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):  # it needs another frame, or has given the last
            return
