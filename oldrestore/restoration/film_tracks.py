"""Takes a film's other tracks to its result: sound and subtitles copied, or converted where its container needs it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

# Without loss, so that sound is the same where a container cannot hold its codec.
LOSSLESS = {"mp4": "alac", "matroska": "flac"}
TEXT_SUBTITLES = frozenset({"mov_text", "text", "subrip", "ass", "webvtt"})
# Muxers write these themselves; statistics are those of mkvmerge.
TECHNICAL = frozenset(
    {"encoder", "major_brand", "minor_version", "compatible_brands", "rotate", "duration", "bps", "number_of_frames"}
    | {"number_of_bytes", "vendor_id", "source_id"}
)

Packets = Callable[[av.Packet], list[av.Packet]]


def kept(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags of a film or track that stay true of its result; Matroska has them in upper case."""
    names = {name: name.lower() for name in tags if not name.startswith("_STAT")}
    return {names[n]: tags[n] for n in names if names[n].split("-")[0] not in TECHNICAL}


def mp4_holds(container: InputContainer) -> bool:
    """Say whether an MP4 file can have every sound and subtitle track of a film, its sound perhaps converted."""
    sounds = all(_works("mp4", _copied, s) or _works("mp4", _recoded, s) for s in container.streams.audio)
    return sounds and all(_works("mp4", _copied, s) for s in container.streams.subtitles)


class OtherTracks:
    """The sound, subtitles, chapters, attachments and tags of a film, on their way to its result."""

    def __init__(self, container: InputContainer, packets: Iterator[av.Packet], result: OutputContainer) -> None:
        self._packets, self._result = packets, result
        self._waiting: av.Packet | None = None
        self._ends: dict[int, int] = {}  # last decoding time of each track, in its units
        self._ways: dict[int, tuple[Stream, Packets]] = {}
        self.remarks: list[str] = []  # what is converted or left out, each a sentence
        self.damaged = 0  # packets of sound or subtitles that are left out
        result.metadata.update(kept(container.metadata))
        result.set_chapters([chapter for chapter in container.chapters() if chapter["time_base"]])
        muxer = result.format.name
        for track in container.streams:
            what = {"audio": "sound", "subtitle": "subtitle"}.get(track.type)
            if what is not None:
                self._add(track, what, muxer)
            elif track.type == "attachment" and muxer == "matroska":
                result.add_stream_from_template(track)

    def _add(self, track: Stream, what: str, muxer: str) -> None:
        name = "unknown" if track.codec_context is None else track.codec_context.name
        where = "MP4" if muxer == "mp4" else "Matroska"
        if _works(muxer, _copied, track):
            out = _copied(self._result, track)
            way = _without_pauses if name == "mov_text" else _as_it_is
        elif what == "sound" and _works(muxer, _recoded, track):
            out = _recoded(self._result, track)
            way = _Recoding(track, out)
            codec = LOSSLESS[muxer].upper()
            self.remarks.append(f"{where} cannot hold {name} sound: it was converted to {codec}, without loss")
        elif what == "subtitle" and name in TEXT_SUBTITLES and muxer == "matroska":
            out = self._result.add_stream("srt")
            out.codec_context.subtitle_header = track.codec_context.subtitle_header or b""
            way = _Retyping(track, out)
        else:
            self.remarks.append(f"{where} cannot hold a {what} track ({name}): it was left out")
            return
        out.metadata.update(kept(track.metadata))
        out.disposition = track.disposition
        self._ways[track.index] = out, way

    def write(self, until: Fraction | None = None) -> None:
        """Write what comes before a time in seconds, or all of the rest."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            if packet.stream.index not in self._ways:
                continue
            if until is not None and packet.dts is not None and packet.dts * packet.time_base > until:
                self._waiting = packet
                return
            out, way = self._ways[packet.stream.index]
            try:
                for made in way(packet):
                    self._mux(out, made)
            except av.FFmpegError as error:
                if isinstance(error, OSError):
                    raise
                self.damaged += 1

    def _mux(self, out: Stream, packet: av.Packet) -> None:
        end = self._ends.get(out.index)
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else end
        if packet.dts is None:
            return  # nothing says when it is heard
        # A muxer refuses a track that goes back in time, even by a tick.
        if end is not None and packet.dts < end:
            packet.dts = end
        packet.pts = packet.dts if packet.pts is None or packet.pts < packet.dts else packet.pts
        self._ends[out.index] = packet.dts + 1
        packet.stream = out
        self._result.mux(packet)


def _as_it_is(packet: av.Packet) -> list[av.Packet]:
    if not packet.size:  # the last ones, for decoders
        return []
    if packet.has_sidedata("new_extradata"):  # a change of codec, often by damage: a header has been written already
        bare = av.Packet(bytes(packet))
        bare.pts, bare.dts, bare.time_base = packet.pts, packet.dts, packet.time_base
        bare.duration, bare.is_keyframe = packet.duration, packet.is_keyframe
        packet = bare
    return [packet]


def _without_pauses(packet: av.Packet) -> list[av.Packet]:
    return [packet] if packet.size > 2 else []  # an empty text between two others, which the muxer writes itself


class _Recoding:
    """Sound in another codec."""

    def __init__(self, track: Stream, out: Stream) -> None:
        self.track, self.out = track, out

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        made = [out for frame in packet.decode() for out in self.out.encode(frame)]
        return made if packet.size else made + self.out.encode(None)


class _Retyping:
    """Text of subtitles in another form."""

    def __init__(self, track: Stream, out: Stream) -> None:
        self.track, self.out = track, out

    def __call__(self, packet: av.Packet) -> list[av.Packet]:
        text = self.track.codec_context.decode2(packet) if packet.size else None
        if text is None:
            return []
        made = self.out.codec_context.encode_subtitle(text)
        made.time_base, made.pts, made.dts, made.duration = packet.time_base, packet.pts, packet.pts, packet.duration
        return [made]


def _copied(result: OutputContainer, track: Stream) -> Stream:
    return result.add_stream_from_template(track)


def _recoded(result: OutputContainer, track: Stream) -> Stream:
    codec, sound = LOSSLESS[result.format.name], track.codec_context
    out = result.add_stream(codec, rate=sound.sample_rate)
    wide = sound.format.name.rstrip("p") in ("s32", "s64")
    out.codec_context.layout = sound.layout
    out.codec_context.format = ("s32" if wide else "s16") + ("p" if codec == "alac" else "")
    return out


def _works(muxer: str, add: Callable[[OutputContainer, Stream], Stream], track: Stream) -> bool:
    """Say whether a container takes a track: some are refused only when the header is written."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            add(trial, track)
            trial.start_encoding()
    except (ValueError, AttributeError, av.FFmpegError):  # a track without a decoder has no codec to speak of
        return False
    return True
