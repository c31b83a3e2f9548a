"""Opens the files of films through PyAV (FFmpeg's libraries), and reads their packets on one line of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

from oldrestore.errors import naming

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
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a file; `UnreadableFilm` if it is none of a film."""
    try:
        with naming(path):
            # "file:" so that no name is read as another protocol.
            container = av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise UnreadableFilm("not a film that can be read") from None
    with container:
        yield container


def packets_in_time(container: InputContainer) -> Iterator[av.Packet]:
    """Yield the packets of all tracks, with times on one line: a clock starts at 0, and its jumps are left out."""
    clocked = container.format.name in CLOCKED
    shift = Fraction(container.start_time or 0, av.time_base) if clocked else Fraction(0)
    ends: dict[int, Fraction] = {}  # of the last packet of each track, on that line
    for packet in container.demux():
        if clocked and packet.dts is not None:
            unit, track = packet.time_base, packet.stream.index
            time = packet.dts * unit - shift
            step = time - ends.get(track, time)
            if not -LONGEST_JUMP_BACK <= step <= LONGEST_JUMP:
                shift, time = shift + step, time - step
            ends[track] = time + (packet.duration or 0) * unit
            ticks = round(shift / unit)
            packet.dts -= ticks
            if packet.pts is not None:
                packet.pts -= ticks
        yield packet
