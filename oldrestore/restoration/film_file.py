"""Opens the files of films through PyAV (FFmpeg's libraries), and reads their packets on one line of time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

# Containers that hold pictures and sound themselves. A playlist (ffconcat, HLS, DASH) with a film's name would make
# FFmpeg read other files of this machine, or addresses.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegvideo,mpegts,asf,flv,ogg,m4v,h264,hevc,dv,mxf,gxf,rm,ivf,wtv"
)
# The tracks of discs and broadcasts are in no header, and may begin late.
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "probesize": "20000000"}
# Containers in which time is that of a clock, which started somewhere and jumps where pieces were joined.
CLOCKED = frozenset({"mpeg", "mpegts"})
LONGEST_JUMP, LONGEST_JUMP_BACK = 10, Fraction(1, 10)  # seconds between packets of a track, as in FFmpeg's program


class UnreadableFilm(ValueError):  # noqa: N818 (like UnreadablePhoto, a fact about a file)
    """A film that cannot be decoded or written; `reason` is a few words."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@contextmanager
def naming_film(path: Path, reason: str) -> Iterator[None]:
    """Raise PyAV's errors as the system's, which name the file, or as `UnreadableFilm` for a `reason`."""
    try:
        yield
    except av.FFmpegError as error:
        # FFmpeg says of some damage that it is not permitted, or an error of the disk.
        if isinstance(error, OSError) and error.errno not in (errno.EPERM, errno.EIO):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise UnreadableFilm(reason) from error


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a file; `UnreadableFilm` if it is none of a film."""
    with naming_film(path, "not a film that can be read"):
        # "file:" so that no name is read as another protocol.
        container = av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
    with container:
        yield container


def packets_in_time(container: InputContainer) -> Iterator[av.Packet]:
    """Yield the packets of all tracks, with times on one line: a clock starts at 0, and its jumps are left out."""
    if container.format.name not in CLOCKED:
        yield from _packets(container)
        return
    starts = [Fraction(container.start_time or 0, av.time_base)]  # of the line, by the clock of each piece
    pieces: dict[int, int] = {}  # the piece that each track has come to
    ends: dict[int, Fraction] = {}  # of its last packet, on the line
    for packet in _packets(container):
        if packet.dts is not None:
            unit, track = packet.time_base, packet.stream
            piece = pieces.get(track.index, len(starts) - 1) if track.type in ("video", "audio") else len(starts) - 1
            time = packet.dts * unit - starts[piece]
            step = time - ends.get(track.index, time)
            if not -LONGEST_JUMP_BACK <= step <= LONGEST_JUMP and track.type in ("video", "audio"):
                piece += 1
                if piece == len(starts):  # this track is the first to come to it
                    starts.append(starts[-1] + step)
                time = packet.dts * unit - starts[piece]
            pieces[track.index], ends[track.index] = piece, time + (packet.duration or 0) * unit
            ticks = round(starts[piece] / unit)
            packet.dts -= ticks
            if packet.pts is not None:
                packet.pts -= ticks
        yield packet


def _packets(container: InputContainer) -> Iterator[av.Packet]:
    """Yield packets up to the end or where the file cannot be read on, and an empty one of each track at last."""
    try:
        yield from container.demux()
    except av.FFmpegError:
        for track in container.streams:
            last = av.Packet()
            last.stream, last.time_base = track, track.time_base
            yield last
