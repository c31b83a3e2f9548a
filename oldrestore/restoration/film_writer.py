"""Writes films through PyAV: H.264 with each frame at its own time, and the other tracks of the film they are of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags
from av.container import OutputContainer

from oldrestore import __version__
from oldrestore.data.codecs.encode import Label
from oldrestore.files import whole_file
from oldrestore.restoration.film import FilmReader, Frame
from oldrestore.restoration.film_color import FromRGB
from oldrestore.restoration.film_file import naming_film, open_container, packets_in_time
from oldrestore.restoration.film_tracks import OtherTracks, kept

# IPTC's term for pictures of a camera that a trained network altered.
MUXERS = {".mp4": "mp4", ".mkv": "matroska"}
# The same film twice gives the same bytes: no dates and random numbers of the muxer.
OPTIONS = {"mp4": {"fflags": "+bitexact", "movflags": "+faststart"}, "matroska": {"fflags": "+bitexact"}}


@contextmanager
def write_film(
    path: Path,
    film: FilmReader,
    quality: int,
    label: Label | None = None,
    place: Callable[[Path, Path], object] = Path.replace,
) -> Iterator[Callable[[Frame], None]]:
    """Write a film (.mp4 or .mkv) in H.264, whole or not at all; yield what writes a frame.

    All but the pictures is as in `film`: size, aspect, kind of colour, times, sound, subtitles, chapters, attachments
    and tags; what cannot be is added to its remarks. Colour is stored at half the size if both sides are even,
    otherwise at full size. `quality` is the constant rate factor of x264, 0 (no loss) to 51. A `label` is added to the
    film's comment. For `place`, see `oldrestore.files.whole_file`.
    """
    muxer = MUXERS[path.suffix.lower()]
    with (
        whole_file(path, place) as neighbour,
        open_container(film.path) as again,
        naming_film(path, "the film could not be written"),
        _output(neighbour, muxer) as container,
    ):
        pix_fmt = "yuv444p" if film.shape[0] % 2 or film.shape[1] % 2 else "yuv420p"
        x264 = {"crf": str(quality), "preset": "medium"}
        pictures = container.add_stream("libx264", rate=film.rate, options=x264)
        encoder = pictures.codec_context
        pictures.height, pictures.width = film.shape
        pictures.pix_fmt = pix_fmt
        if film.pixel_aspect:
            encoder.sample_aspect_ratio = film.pixel_aspect
        encoder.flags |= Flags.frame_duration
        encoder.thread_type = "FRAME"  # PyAV's default, slices, is slower and needs more bits
        encoder.colorspace, encoder.color_range, encoder.color_primaries, encoder.color_trc = film.color
        # Matroska has milliseconds.
        tick = film.tick if muxer == "mp4" else Fraction(1, 1000)
        encoder.time_base = pictures.time_base = tick
        pictures.metadata.update(kept(film.track.metadata))
        pictures.disposition = film.track.disposition
        others = OtherTracks(again, packets_in_time(again), container)
        if label is not None:
            _say(label, container.metadata)
        convert, last = FromRGB(pix_fmt, film.color), None

        def write(frame: Frame) -> None:
            nonlocal last
            picture = convert(frame.rgb_hw3)
            ticks = round(frame.time / tick)
            last = ticks if last is None else max(ticks, last + 1)
            picture.pts, picture.time_base, picture.duration = last, tick, round(frame.duration / tick)
            others.write(frame.time)
            container.mux(pictures.encode(picture))

        yield write
        container.mux(pictures.encode())
        others.write()
        remarks = [*others.remarks, *([f"damaged pieces of sound: {others.damaged}"] if others.damaged else [])]
        film.remarks += [remark for remark in remarks if remark not in film.remarks]


@contextmanager
def _output(path: Path, muxer: str) -> Iterator[OutputContainer]:
    """Open a file for writing; if the block fails, the end of a film, for which all of it is read, is not written."""
    container = av.open(f"file:{path}", "w", format=muxer, container_options=OPTIONS[muxer])
    try:
        yield container
        container.close()
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        with contextlib.suppress(av.FFmpegError):
            container.close()
        raise


def _say(label: Label, tags: dict[str, str]) -> None:
    """Add a label to the tags of a film; MP4 has no field for the type of source, so the comment says it too."""
    by = f"oldrestore {__version__}" + (f" ({label.network})" if label.network else "")
    said = f"altered by {by}, {label.date}; DigitalSourceType: {label.source_type}"
    tags["comment"] = f"{tags['comment']}; {said}" if tags.get("comment") else said
    tags["digital_source_type"] = label.source_type
