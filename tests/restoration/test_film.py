"""Films: every frame once at its own time, all else as it was, nothing left behind by one that fails."""

import subprocess
import sys
from contextlib import closing
from fractions import Fraction
from itertools import pairwise

import av
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from oldrestore.data.codecs.encode import Label
from oldrestore.restoration.film import film_ending, is_film, open_film, read_frames
from oldrestore.restoration.film_file import UnreadableFilm
from oldrestore.restoration.film_writer import write_film
from oldrestore.restoration.steady_color import SteadyColor
from tests.restoration.films import encode_film, make_film, moving, sound_of


def through(source, folder, label=None, quality=4):
    """The film that results with all stages off, and what is said of it."""
    path = folder / f"result{film_ending(source)}"
    with (
        open_film(source) as film,
        write_film(path, film, quality, label) as write,
        closing(film.frames()) as frames,
    ):
        for frame in frames:
            write(frame)
    return path, film.remarks


def facts_of(path):
    """By PyAV's own reading: times of frames, aspect, colour, sounds, texts, chapters and tags."""
    with av.open(str(path)) as film:
        pictures, sounds, texts = film.streams.video[0], film.streams.audio, film.streams.subtitles
        encoder = pictures.codec_context
        facts = {
            "aspect": pictures.sample_aspect_ratio,
            "color": (encoder.colorspace, encoder.color_range, encoder.color_primaries, encoder.color_trc),
            "languages": [track.metadata.get("language") for track in (*sounds, *texts)],
            "chapters": [
                (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
                for c in film.chapters()
            ],
            "tags": {key: film.metadata[key] for key in ("title", "creation_time") if key in film.metadata},
            "texts": [],
            "field_order": encoder.field_order,
            "timecode": pictures.metadata.get("timecode"),
        }
        facts["times"] = []
        for packet in film.demux(*film.streams.video[:1], *texts):
            text = bytes(packet) if packet.size else b""
            text = text[2:] if packet.stream in texts and packet.stream.codec_context.name == "mov_text" else text
            if packet.stream in texts and text:
                facts["texts"].append((packet.pts * packet.time_base, packet.duration * packet.time_base, text))
            elif packet.stream is pictures:
                facts["times"] += [frame.pts * frame.time_base for frame in packet.decode()]
    facts["sounds"] = [sound_of(path, track) for track in range(len(sounds))]
    return facts


IRREGULAR = [0, 40, 100, 105, 300, 340, 341, 700, 1900, 2000]
SD, HD, PAL = (6, 1, 1, 6), (1, 1, 1, 1), (5, 1, 5, 6)
CASES = {
    "anamorphic.mp4": {"prepare": lambda p: setattr(p.codec_context, "sample_aspect_ratio", Fraction(64, 45))},
    "anamorphic.mkv": {"prepare": lambda p: setattr(p.codec_context, "sample_aspect_ratio", Fraction(4, 3))},
    "late.mkv": {"ticks": [800 + 40 * n for n in range(10)], "sounds": ["aac"]},
    "late.mp4": {"ticks": [800 + 40 * n for n in range(10)], "sounds": ["aac"]},
    "irregular.mkv": {"ticks": IRREGULAR, "sounds": ["flac"]},
    "irregular.mp4": {"ticks": IRREGULAR, "sounds": ["aac"]},
    "irregular.mov": {"ticks": IRREGULAR, "sounds": ["pcm_s16le"]},
    "ntsc.mov": {"rate": Fraction(30000, 1001)},
    "ntsc.mkv": {"rate": Fraction(30000, 1001)},
    "cinema.mp4": {"rate": Fraction(24000, 1001), "sounds": ["ac3"]},
    "cinema.mkv": {"rate": Fraction(24000, 1001)},
    "camera.mov": {"codec": "mjpeg", "pix_fmt": "yuvj422p", "sounds": ["pcm_mulaw"], "sound_rate": 8000},
    "disc.m2ts": {"sounds": ["pcm_bluray"], "muxer": "mpegts"},
    "two.mp4": {"sounds": ["aac", "ac3"], "subtitles": "mov_text", "chapters": [0, 1]},
    "two.mkv": {"sounds": ["libopus", "flac"], "subtitles": "subrip", "chapters": [0, 1]},
    "phone.3gp": {"sounds": ["flac"], "subtitles": "mov_text", "muxer": "mp4"},
    "tags.mp4": {"tags": {"title": "Ein Fest", "creation_time": "1999-01-02T03:04:05.000000Z"}},
    "timecode.mov": {"tags": {"timecode": "01:00:00:00"}},
    "tags.mkv": {"tags": {"title": "Ein Fest", "creation_time": "1999-01-02T03:04:05.000000Z"}},
    "ten_bits.mkv": {"pix_fmt": "yuv420p10le", "color": HD},
    "pal.mp4": {"pix_fmt": "yuv420p", "color": PAL},
    "full.mp4": {"pix_fmt": "yuvj420p", "color": (5, 2, 5, 6)},
    "full.mkv": {"pix_fmt": "yuvj420p", "color": (1, 2, 1, 13)},
    "bframes.avi": {"codec": "mpeg4", "pix_fmt": "yuv420p", "options": {"bf": "2"}, "sounds": ["libmp3lame"]},
    "old.wmv": {"codec": "wmv2", "pix_fmt": "yuv420p", "muxer": "asf"},
    "net.flv": {"sounds": ["aac"]},
    "net.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}, "sounds": ["libopus"]},
    "net.ogv": {"codec": "libvpx", "pix_fmt": "yuv420p", "muxer": "ogg", "sounds": ["flac"]},
    "broadcast.ts": {"muxer": "mpegts", "sounds": ["aac"]},
    "tape.vob": {"codec": "mpeg2video", "pix_fmt": "yuv420p", "muxer": "vob", "sounds": ["ac3"]},
}


@pytest.mark.parametrize("name", CASES)
def test_all_but_the_pictures_is_as_it_was(name, tmp_path):
    frames = moving(50 if name.startswith("two") else 10)
    source = encode_film(tmp_path / name, frames, **CASES[name])
    result, remarks = through(source, tmp_path)
    old, new = facts_of(source), facts_of(result)
    assert len(new["times"]) == len(old["times"]) == len(frames)
    zero = Fraction(0)
    if source.suffix in (".ts", ".m2ts", ".vob"):  # a clock's time starts anywhere
        with av.open(str(source)) as film:
            zero = Fraction(film.start_time, av.time_base)
    exact = 0 if source.suffix in (".mp4", ".mov", ".mkv") else Fraction(1, 1000)  # Matroska has milliseconds
    assert max(abs(b - (a - zero)) for a, b in zip(old["times"], new["times"], strict=True)) <= exact
    for (was, many, start), (now, as_many, begins) in zip(old["sounds"], new["sounds"], strict=True):
        assert (now, as_many, begins) == (was, many, pytest.approx(start - float(zero), abs=1e-3))
    assert [text for *_, text in new["texts"]] == [text for *_, text in old["texts"]]
    assert [text[:2] for text in new["texts"]] == [text[:2] for text in old["texts"]]
    for key in ("aspect", "languages", "chapters", "tags", "timecode"):
        assert new[key] == old[key], key
    tagged = CASES[name].get("color")
    assert new["color"] == {"camera.mov": (5, 2, 1, 6), "net.ogv": (5, 1, 1, 6)}.get(name, tagged or SD)
    assert remarks == {
        "camera.mov": ["MP4 cannot hold pcm_mulaw sound: it was converted to ALAC, without loss"],
        "disc.m2ts": ["Matroska cannot hold pcm_bluray sound: it was converted to FLAC, without loss"],
    }.get(name, [])
    errors = [
        np.abs(a.rgb_hw3.astype(int) - b.rgb_hw3).mean()
        for a, b in zip(read_frames(source), read_frames(result), strict=True)
    ]
    assert max(errors) < 2.5


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_another_ffmpeg_reads_the_result(ending, tmp_path):
    make_film(tmp_path / f"film{ending}")
    path, _ = through(tmp_path / f"film{ending}", tmp_path)
    counted = [imageio_ffmpeg.count_frames_and_secs(str(film)) for film in (path, tmp_path / f"film{ending}")]
    assert counted[0] == counted[1]


def woven(top_first=True, count=12):
    """Frames of two moments each: a bar that moves 4 columns from one field to the next."""
    frames = []
    for number in range(count):
        fields = []
        for moment in (2 * number, 2 * number + 1):
            picture = np.full((64, 128, 3), 60, np.uint8)
            picture[:, 8 + 4 * moment : 24 + 4 * moment] = 200
            fields.append(picture)
        first, second = fields
        frame = second.copy()
        frame[(0 if top_first else 1) :: 2] = first[(0 if top_first else 1) :: 2]
        frames.append(frame)
    return frames


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mpg"])
def test_interlaced_frames_become_whole(name, tmp_path):
    mpeg2 = {"codec": "mpeg2video", "muxer": "vob", "options": {"flags": "+ildct+ilme", "b": "8000000"}}
    h264 = {"options": {"x264-params": "tff=1", "crf": "4"}}
    source = encode_film(tmp_path / name, woven(), pix_fmt="yuv420p", **(mpeg2 if name == "a.mpg" else h264))
    old = facts_of(source)
    result, remarks = through(source, tmp_path)
    new = facts_of(result)
    assert remarks == ["interlaced: frames were deinterlaced (bwdif), each to one frame"]
    assert len(new["times"]) == len(old["times"]) == 12
    start = old["times"][0] if name == "a.mpg" else 0
    assert max(abs(b - a + start) for a, b in zip(old["times"], new["times"], strict=True)) < Fraction(1, 1000)
    assert new["field_order"] == 1  # progressive
    for frame in list(read_frames(result))[1:-1]:
        # Where fields of two moments are woven, each row differs from the next by 140.
        rows = frame.rgb_hw3[8:-8, :, 1].astype(int)
        assert (np.abs(np.diff(rows, axis=0)) > 70).mean() < 0.01


def test_a_tape_in_dv(tmp_path):
    picture = np.ascontiguousarray(np.kron(moving(1)[0], np.ones((12, 12, 1), np.uint8))[:, :720])
    source = encode_film(tmp_path / "tape.dv", [picture] * 3, codec="dvvideo", pix_fmt="yuv420p", muxer="dv")
    result, _ = through(source, tmp_path)
    assert result.suffix == ".mkv"
    assert facts_of(result)["times"] == [0, Fraction(1, 25), Fraction(2, 25)]
    assert np.abs(next(read_frames(result)).rgb_hw3.astype(int) - picture).mean() < 4


def nits_to_pq(nits):
    """SMPTE ST 2084."""
    y = (np.asarray(nits) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def frame_of_2020(signal_n3):
    """A frame of columns, 16 wide, of R'G'B' in 0..1, as ten bits of BT.2020's matrix."""
    y = signal_n3 @ [0.2627, 0.6780, 0.0593]
    planes = y * 876 + 64, (signal_n3[:, 2] - y) / 1.8814 * 896 + 512, (signal_n3[:, 0] - y) / 1.4746 * 896 + 512
    frame = av.VideoFrame(16 * len(y), 16, "yuv444p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        row = np.repeat(np.round(values).astype(np.uint16), 16)
        np.frombuffer(plane, np.uint16).reshape(16, -1)[:, : row.size] = row
    frame.colorspace, frame.color_range = 9, 1
    return frame


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        (16, "high dynamic range (PQ) was tone-mapped to BT.709"),
        (18, "high dynamic range (HLG) was tone-mapped to BT.709"),
        (14, "BT.2020 colours were converted to BT.709"),
    ],
)
def test_wide_and_bright_colours_are_known_by_their_tags(transfer, said, tmp_path):
    options = {"x265-params": "log-level=none:bframes=0"}
    color = (9, 1, 9, transfer)
    source = encode_film(
        tmp_path / "a.mp4", moving(2), codec="libx265", pix_fmt="yuv420p10le", color=color, options=options
    )
    with open_film(source) as film:
        assert (film.color, film.remarks) == (HD, [said])


@pytest.mark.slow  # libswscale prepares a table for some seconds
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (14, None)])
def test_wide_and_bright_colours_are_brought_to_srgb(transfer, name, tmp_path):
    gray = np.repeat([[0.0], [0.1], [0.3], [0.5], [0.75], [1.0]], 3, axis=1)
    if name == "PQ":
        gray = nits_to_pq(gray / gray.max() * 1000)
    # BT.709's red in BT.2020's primaries (BT.2087), at a tenth of the linear range
    red = np.array([0.6274, 0.0691, 0.0164]) * 0.1
    signals = {"PQ": nits_to_pq(red * 1000), "HLG": np.sqrt(3 * np.minimum(red, 1 / 12)), None: red ** (1 / 2.4)}
    frame = frame_of_2020(np.vstack([gray, signals[name]]))
    options = {"x265-params": "log-level=none:lossless=1:bframes=0"}
    color = (9, 1, 9, transfer)
    source = encode_film(
        tmp_path / "a.mkv", [frame] * 3, codec="libx265", pix_fmt="yuv444p10le", color=color, options=options
    )
    result, remarks = through(source, tmp_path)
    tones = f"high dynamic range ({name}) was tone-mapped to BT.709"
    assert remarks == [tones if name else "BT.2020 colours were converted to BT.709"]
    assert facts_of(result)["color"] == HD
    shown = [frame.rgb_hw3[8, 8::16].astype(int) for frame in read_frames(result)][1]
    assert np.ptp(shown[:6], axis=1).max() <= 3  # gray is gray
    assert shown[0].max() <= 2
    assert shown[5].min() >= (200 if name else 253)  # white
    assert all(b > a for a, b in pairwise(shown[:6, 1]))
    if name is None:
        np.testing.assert_allclose(shown[1:5, 1], 255 * gray[1:5, 1], atol=2)
        assert shown[6][0] == pytest.approx(255 * 0.1 ** (1 / 2.4), abs=6)  # shown as BT.1886 has it
    assert shown[6][1:].max() < 0.45 * shown[6][0]  # a red that is not washed out


@pytest.mark.parametrize(
    ("degrees", "mirrored", "expected"),
    [
        (0, {}, lambda p: p),
        (90, {}, np.rot90),
        (180, {}, lambda p: np.rot90(p, 2)),
        (-90, {}, lambda p: np.rot90(p, 3)),
        (0, {"hflip": True}, lambda p: p[:, ::-1]),
        (90, {"vflip": True}, lambda p: np.rot90(p)[::-1]),
    ],
)
def test_frames_are_upright(degrees, mirrored, expected, tmp_path):
    def turn(pictures):
        pictures.codec_context.sample_aspect_ratio = Fraction(4, 3)
        pictures.set_display_rotation(degrees, **mirrored)

    frames = moving(3)
    result, _ = through(encode_film(tmp_path / "a.mp4", frames, options={"crf": "4"}, prepare=turn), tmp_path)
    shown = next(read_frames(result)).rgb_hw3
    upright = expected(frames[0])
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 3
    assert facts_of(result)["aspect"] == (Fraction(3, 4) if abs(degrees) == 90 else Fraction(4, 3))
    with av.open(str(result)) as film:
        assert next(film.decode(video=0)).rotation == 0


@pytest.mark.parametrize("name", ["broadcast.ts", "tape.vob"])
def test_joined_pieces_follow_one_another(name, tmp_path):
    piece = encode_film(tmp_path / name, moving(20), **CASES[name])
    whole = tmp_path / f"joined{piece.suffix}"
    whole.write_bytes(piece.read_bytes() * 2)
    result, _ = through(whole, tmp_path)
    new = facts_of(result)
    steps = np.diff(np.array(new["times"], float))
    assert len(new["times"]) == 40
    assert steps.min() > 0.02
    assert steps.max() < 0.11
    assert new["sounds"][0][1] == 2 * sound_of(piece)[1]


def test_colours_of_films_without_tags(tmp_path):
    """As players have it, BT.709 for HD and BT.601 for SD; (200, 40, 60) in limited range, computed by hand."""
    for height, (kr, kb), tags in ((720, (0.2126, 0.0722), HD), (144, (0.299, 0.114), SD)):
        red, green, blue = np.array([200, 40, 60]) / 255
        y = kr * red + (1 - kr - kb) * green + kb * blue
        values = 16 + 219 * y, 128 + 112 * (blue - y) / (1 - kb), 128 + 112 * (red - y) / (1 - kr)
        frame = av.VideoFrame(height * 4 // 3, height, "yuv420p")
        for plane, value in zip(frame.planes, values, strict=True):
            plane.update(np.full(plane.buffer_size, round(value), np.uint8).tobytes())
        source = encode_film(tmp_path / "a.mp4", [frame] * 3, pix_fmt="yuv420p", options={"crf": "1"})
        result, _ = through(source, tmp_path)
        assert facts_of(source)["color"] == (2, 0, 2, 2)
        assert facts_of(result)["color"] == tags
        for film in (source, result):
            for shown in read_frames(film):
                assert np.abs(shown.rgb_hw3.astype(int) - [200, 40, 60]).max() <= 3


def test_the_same_film_twice_is_the_same_bytes_with_its_label(tmp_path):
    source = encode_film(tmp_path / "a.mkv", moving(10), sounds=["flac"], tags={"comment": "of 1962"})
    label = Label("lite_unet", "2026-12-01T09:30:00+00:00")
    for ending in (".mkv", ".mp4"):
        made = []
        for folder in (tmp_path / "1", tmp_path / "2"):
            with open_film(source) as film, write_film(folder / f"a{ending}", film, 20, label) as write:
                for frame in film.frames():
                    write(frame)
            made.append((folder / f"a{ending}").read_bytes())
        assert made[0] == made[1]
        with av.open(str(tmp_path / "1" / f"a{ending}")) as film:
            tags = {key.lower(): value for key, value in film.metadata.items()}
        assert tags["comment"].startswith("of 1962; altered by oldrestore ")
        assert "(lite_unet), 2026-12-01T09:30:00+00:00" in tags["comment"]
        assert tags["comment"].endswith("/compositeWithTrainedAlgorithmicMedia")
        assert ending == ".mp4" or tags["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_frames_survive_in_odd_sizes(size, ending, tmp_path):
    source, frames = make_film(tmp_path / f"in{ending}", *size, gray=False)
    result, _ = through(source, tmp_path / "out", quality=10)
    for film in (source, result):
        found = [frame.rgb_hw3 for frame in read_frames(film)]
        assert len(found) == len(frames) == 24
        assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(found, frames, strict=True)) < 3
    assert [path.name for path in result.parent.iterdir()] == [result.name]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "a.flv"])
def test_a_truncated_film_is_refused(name, tmp_path):
    codec = {"codec": "mpeg4", "pix_fmt": "yuv420p"} if name == "a.avi" else {}
    head_first = {"movflags": "+faststart"} if name == "a.mp4" else None
    source = encode_film(tmp_path / name, moving(50), head_first=head_first, sounds=["mp3"], **codec)
    whole = source.read_bytes()
    cut = source.with_stem("cut")
    cut.write_bytes(whole[: len(whole) * 4 // 5])
    with pytest.raises(UnreadableFilm, match=r"\d+ of about 5\d frames could be read: the file is damaged"):
        through(cut, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert len(list(read_frames(source))) == 50


def test_damage_in_the_middle_is_said(tmp_path):
    source = encode_film(tmp_path / "a.mp4", moving(60), options={"g": "10"})
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    source.write_bytes(content)
    result, remarks = through(source, tmp_path)
    assert len(remarks) == 1
    assert remarks[0].startswith("damaged frames: ")
    assert 58 <= len(list(read_frames(result))) <= 60


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_film_that_fails_leaves_nothing(ending, error, tmp_path):
    source, _ = make_film(tmp_path / "a.mp4")
    with (
        pytest.raises(error),
        open_film(source) as film,
        closing(film.frames()) as frames,
        write_film(tmp_path / "out" / f"a{ending}", film, 20) as write,
    ):
        for _ in range(5):
            write(next(frames))
        raise error
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_full_disk_is_named(ending, tmp_path):
    source = encode_film(tmp_path / "a.mp4", moving(100))
    program = """
import resource, sys
from pathlib import Path
from oldrestore.errors import sentence
from oldrestore.restoration.film import open_film
from oldrestore.restoration.film_writer import write_film
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    with open_film(Path(sys.argv[1])) as film, write_film(Path(sys.argv[2]), film, 1) as write:
        for frame in film.frames():
            write(frame)
except OSError as error:
    print(sentence(error))
"""
    path = tmp_path / "out" / f"a{ending}"
    said = subprocess.run([sys.executable, "-c", program, source, path], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == (f"'{path}': the file would be larger than is allowed\n", "")
    assert list(path.parent.iterdir()) == []


def test_films_by_ending_and_content(tmp_path):
    for name, ending in {"a.MP4": ".mp4", "a.mov": ".mp4", "a.avi": ".mkv", "a.vob": ".mkv"}.items():
        assert film_ending(tmp_path / name) == ending
        assert is_film(tmp_path / name)
    film = make_film(tmp_path / "a.mkv")[0].rename(tmp_path / "scene 1")
    assert is_film(film)
    (tmp_path / "notes").write_text("no film")
    assert not is_film(tmp_path / "notes")
    assert not is_film(tmp_path)
    Image.fromarray(moving(1)[0]).save(tmp_path / "a.avif")
    assert not is_film((tmp_path / "a.avif").rename(tmp_path / "picture"))
    (tmp_path / "empty.dat").write_bytes(b"")
    assert not is_film(tmp_path / "empty.dat")


def test_colour_is_steady_where_the_picture_is_and_new_where_it_changes():
    steady = SteadyColor(0.75)
    L = np.full((2, 2), 50, np.float32)
    first, second = np.full((2, 2, 2), 8, np.float32), np.full((2, 2, 2), 16, np.float32)
    np.testing.assert_array_equal(steady(L, first), first)
    moved = L.copy()
    moved[0, 0] += 4  # one unit of change: 0.75 / e of the last colour stays
    moved[1, 1] += 40
    shown = steady(moved, second)
    np.testing.assert_allclose(shown[0, 1], 16 - 0.75 * 8)
    np.testing.assert_allclose(shown[0, 0], 16 - 0.75 / np.e * 8, rtol=1e-6)
    np.testing.assert_allclose(shown[1, 1], 16)
    np.testing.assert_array_equal(SteadyColor(0.0)(L, second), second)
