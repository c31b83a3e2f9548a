"""Films that tests make with PyAV."""

import hashlib
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np

from tests.generated_photographs import make_photograph

RATE, SECONDS = 8, 3


def moving(count, height=48, width=64, gray=False):
    """Frames of a photograph that moves."""
    photo = make_photograph(1, 128)
    photo = np.repeat(photo[..., 1:2], 3, axis=-1) if gray else photo
    return [np.ascontiguousarray(photo[i % 60 : i % 60 + height, i % 60 : i % 60 + width]) for i in range(count)]


def encode_film(
    path,
    frames,
    *,
    codec="libx264",
    pix_fmt="yuv444p",
    rate=25,
    ticks=None,  # of 1/1000 s, at which frames are shown
    options=None,
    sounds=(),  # codecs of tracks of a tone
    sound_rate=48000,
    subtitles="",  # codec
    chapters=(),  # seconds at which they start
    tags=None,
    color=(2, 0, 2, 2),
    prepare=lambda pictures: None,
    muxer=None,
    head_first=None,
):
    """Write a film; frames are uint8 (H, W, 3) or av.VideoFrame."""
    with av.open(str(path), "w", format=muxer, container_options=head_first or {}) as film:
        film.metadata.update(tags or {})
        pictures = film.add_stream(codec, rate=rate, options=options or {})
        encoder = pictures.codec_context
        first = frames[0]
        height, width = (first.height, first.width) if isinstance(first, av.VideoFrame) else first.shape[:2]
        pictures.width, pictures.height, pictures.pix_fmt = width, height, pix_fmt
        if ticks is not None:
            encoder.time_base = pictures.time_base = Fraction(1, 1000)
        encoder.colorspace, encoder.color_range, encoder.color_primaries, encoder.color_trc = color
        prepare(pictures)
        tracks = []
        for number, name in enumerate(sounds):
            track = film.add_stream(name, rate=sound_rate)
            track.codec_context.layout = "mono"
            track.metadata["language"] = ("eng", "deu", "fra")[number]
            tracks.append(track)
        texts = film.add_mux_stream(subtitles, time_base=Fraction(1, 1000)) if subtitles else None
        if texts is not None:
            texts.metadata["language"] = "eng"
        length = len(frames) / rate if ticks is None else ticks[-1] / 1000
        film.set_chapters(
            [
                {"id": n, "start": s, "end": e, "time_base": Fraction(1), "metadata": {"title": f"part {n}"}}
                for n, (s, e) in enumerate(pairwise([*chapters, int(length) + 1]))
            ]
        )
        for number, track in enumerate(tracks):
            tone = np.sin(np.arange(int(length * sound_rate)) * 2 * np.pi * 440 * (number + 1) / sound_rate)
            sound = av.AudioFrame.from_ndarray((8000 * tone).astype(np.int16)[None], format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = sound_rate, 0, Fraction(1, sound_rate)
            film.mux([*track.encode(sound), *track.encode(None)])
        if texts is not None:
            for start, text in ((100, b"one"), (400, b"two")):
                packet = av.Packet(len(text).to_bytes(2) + text if subtitles == "mov_text" else text)
                packet.pts = packet.dts = start
                packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), texts
                film.mux(packet)
        for number, frame in enumerate(frames):
            picture = frame if isinstance(frame, av.VideoFrame) else av.VideoFrame.from_ndarray(frame, "rgb24")
            if not isinstance(frame, av.VideoFrame):
                picture = picture.reformat(format=pix_fmt, dst_colorspace=5 if color[0] in (2, 6) else color[0])
            picture.pts = number if ticks is None else ticks[number]
            picture.time_base = encoder.time_base if ticks is not None else 1 / Fraction(rate)
            film.mux(pictures.encode(picture))
        film.mux(pictures.encode())
    return path


def make_film(path, height=48, width=64, sound=True, gray=True):
    """Three seconds of a moving photograph with a tone; also its frames."""
    frames = moving(RATE * SECONDS, height, width, gray)
    return encode_film(path, frames, rate=RATE, options={"crf": "10"}, sounds=["aac"] if sound else []), frames


def sound_of(path, track=0):
    """Hash of the decoded sound, its number of samples and the time of the first."""
    digest, count, start = hashlib.sha256(), 0, None
    with av.open(str(path)) as film:
        for frame in film.decode(audio=track):
            digest.update(frame.to_ndarray().tobytes())
            count, start = count + frame.samples, frame.time if start is None else start
    return digest.hexdigest(), count, start
