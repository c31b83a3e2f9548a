"""Reads and writes films frame by frame with the ffmpeg of imageio-ffmpeg; sound is copied."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from oldrestore.files import whole_file

FILM_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".m2ts", ".ogv"}
)
"""File name endings of films, in lower case."""

# ffmpeg prints two decimals; in two hours that would move the sound by a second.
EXACT_RATES = {"23.98": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001", "119.88": "120000/1001"}
# Containers that hold pictures and sound themselves. A playlist (ffconcat, HLS, DASH) with a film's name would make
# ffmpeg read other files of this machine, or addresses.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegvideo,mpegts,asf,flv,ogg,m4v,h264,hevc"
MUXERS = {".mp4": "mp4", ".mkv": "matroska"}
MP4_LIKE = frozenset({".mp4", ".m4v", ".mov"})


class UnreadableFilm(ValueError):  # noqa: N818 (like UnreadablePhoto, a fact about a file)
    """A film that cannot be decoded or written; `reason` is a few words."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class FilmFacts:
    """Facts that a film's file states."""

    rate: str  # frames a second, as ffmpeg reads it: 25, 30000/1001
    seconds: float | None
    has_sound: bool

    @property
    def frames(self) -> int:
        """Approximate number of frames; 0 if the file does not say."""
        return round(float(Fraction(self.rate)) * (self.seconds or 0))


def film_ending(path: Path) -> str:
    """Ending for the output of a film: .mp4 for QuickTime's family, otherwise .mkv, which holds any sound."""
    return ".mp4" if path.suffix.lower() in MP4_LIKE else ".mkv"


def probe(path: Path) -> FilmFacts:
    """Read rate, length and sound of a film; `UnreadableFilm` if it has no pictures that can be read."""
    # Without an output, ffmpeg describes its input and complains.
    said = subprocess.run([_ffmpeg(), "-hide_banner", *_input(path)], capture_output=True, stdin=subprocess.DEVNULL)
    text = said.stderr.decode(errors="replace")
    streams = [line for line in text.splitlines() if re.match(r"\s*Stream #0:\d+", line)]
    video = next((line for line in streams if " Video: " in line and "attached pic" not in line), None)
    if video is None:
        raise UnreadableFilm("not a film that can be read")
    rate = re.search(r"([\d.]+k?) fps", video) or re.search(r"([\d.]+k?) tbr", video)
    if rate is None:
        raise UnreadableFilm("a film that does not say its frame rate")
    value = rate.group(1)
    value = str(round(float(value[:-1]) * 1000)) if value.endswith("k") else EXACT_RATES.get(value, value)
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    seconds = None
    if length:
        hours, minutes, rest = length.groups()
        seconds = 3600 * int(hours) + 60 * int(minutes) + float(rest)
    return FilmFacts(value, seconds, any(" Audio: " in line for line in streams))


def read_frames(path: Path, expected: int = 0) -> Iterator[np.ndarray]:
    """Yield each frame of a film once, uint8 sRGB (H, W, 3), upright.

    `UnreadableFilm` is raised if the file cannot be decoded to its end, or ffmpeg complains and frames are missing of
    the number that is `expected` (`FilmFacts.frames`; 0 if unknown).
    """
    # A frame as PPM states its own size, unlike the stream of a rotated film.
    command = [_ffmpeg(), "-v", "error", *_input(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    command += ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL)
        try:
            count = 0
            while (frame := _read_ppm(process.stdout)) is not None:
                count += 1
                yield frame
            if process.wait() or not count:
                raise UnreadableFilm(_complaint(said) or "a film without frames")
            # ffmpeg drops what it cannot decode and exits with 0; sound would run ahead of pictures.
            if (complaint := _complaint(said)) and count < 0.98 * expected - 1:
                raise UnreadableFilm(f"{count} of about {expected} frames could be read: {complaint}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _read_ppm(stream: IO[bytes]) -> np.ndarray | None:
    if stream.readline() == b"":
        return None
    width, height = map(int, stream.readline().split())
    stream.readline()  # the highest value, 255
    data = stream.read(3 * width * height)
    if len(data) < 3 * width * height:
        raise UnreadableFilm("a film that ends within a frame")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


@contextmanager
def write_film(
    path: Path,
    shape: tuple[int, int],
    rate: str,
    sound: Path | None,
    quality: int,
    place: Callable[[Path, Path], object] = Path.replace,
) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a film (.mp4 or .mkv) in H.264, whole or not at all; yield what writes a frame, uint8 (H, W, 3).

    Frames have one `shape`, height and width, and `rate` is their number a second. Colour is stored at half the size if
    both sides are even, otherwise at full size. The sound of the film `sound` is copied. `quality` is the constant rate
    factor of x264, 0 (no loss) to 51. For `place`, see `oldrestore.files.whole_file`.
    """
    even = shape[0] % 2 == 0 and shape[1] % 2 == 0
    command = [_ffmpeg(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{shape[1]}x{shape[0]}", "-r", rate, "-i", "-"]
    if sound is not None:
        command += [*_input(sound), "-map", "0:v:0", "-map", "1:a", "-map_metadata", "1", "-c:a", "copy"]
    # Tagged, so that players decode the colours as they are encoded: BT.709, limited range.
    to_yuv = f"scale=out_color_matrix=bt709:out_range=tv,format={'yuv420p' if even else 'yuv444p'}"
    command += ["-vf", to_yuv, "-colorspace", "bt709", "-color_range", "tv"]
    command += ["-c:v", "libx264", "-crf", str(quality), "-preset", "medium", "-fps_mode", "passthrough"]
    if path.suffix == ".mp4":
        command += ["-movflags", "+faststart"]
    with whole_file(path, place) as neighbour, tempfile.TemporaryFile() as said:
        command += ["-f", MUXERS[path.suffix], _url(neighbour)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)

        def write(rgb_hw3: np.ndarray) -> None:
            try:
                process.stdin.write(np.ascontiguousarray(rgb_hw3).data)
            except (BrokenPipeError, OSError) as error:
                process.wait()
                raise UnreadableFilm(_complaint(said) or "the film could not be written") from error

        try:
            yield write
            process.stdin.close()
            if process.wait():
                raise UnreadableFilm(_complaint(said) or "the film could not be written")
        finally:
            process.kill()
            process.wait()
            if not process.stdin.closed:
                with contextlib.suppress(OSError):  # the unwritten rest of a film that failed
                    process.stdin.close()


def _ffmpeg() -> str:
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def _input(path: Path) -> list[str]:
    return ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i", _url(path)]


def _url(path: Path) -> str:
    # "file:" so that no name is read as an option or another protocol.
    return f"file:{path}"


def _complaint(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return re.sub(r"^\[[^\]]*\]\s*", "", lines[-1])[:160] if lines else ""


class SteadyColor:
    """Keeps colour from flickering: where lightness stays, `smoothing` (0..0.99) of the last frame's colour stays.

    Where lightness changes, in motion and at cuts, the new colour is used.
    """

    CHANGE = 4.0  # units of L at which the last colour counts for 1/e

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, L_hw: np.ndarray, ab_hw2: np.ndarray) -> np.ndarray:
        """Return the colour to show, float32 (H, W, 2), Lab units, for this frame's lightness and colour."""
        if not self.smoothing:
            return ab_hw2
        if self._last is not None and self._last[0].shape == L_hw.shape:
            last_L, last_ab = self._last
            stays = self.smoothing * np.exp(-(((L_hw - last_L) / self.CHANGE) ** 2))
            ab_hw2 = (ab_hw2 + stays[..., None] * (last_ab - ab_hw2)).astype(np.float32)
        self._last = L_hw, ab_hw2
        return ab_hw2
