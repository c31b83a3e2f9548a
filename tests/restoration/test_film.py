"""Films: every frame once, the sound as it was, nothing left behind by one that fails."""

import hashlib
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from oldrestore.restoration.film import SteadyColor, UnreadableFilm, film_ending, probe, read_frames, write_film
from tests.generated_photographs import make_photograph

RATE, SECONDS = 8, 3


def ffmpeg(*arguments):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def make_film(path, height=48, width=64, sound=True, gray=True):
    """Three seconds of a moving photograph with a tone."""
    photo = make_photograph(1, 128)
    photo = np.repeat(photo[..., 1:2], 3, axis=-1) if gray else photo
    frames = [photo[i : i + height, 2 * i : 2 * i + width] for i in range(RATE * SECONDS)]
    raw = path.with_suffix(".raw")
    raw.write_bytes(np.stack(frames).tobytes())
    command = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", RATE, "-i", raw]
    if sound:
        command += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}", "-c:a", "aac"]
    ffmpeg(*command, "-y", "-c:v", "libx264", "-crf", 10, "-pix_fmt", "yuv444p", path)
    raw.unlink()
    return path, frames


def sound_of(path):
    """Hash of the decoded sound."""
    return hashlib.sha256(ffmpeg("-i", path, "-map", "0:a", "-f", "s16le", "-")).hexdigest()


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_film_is_read_and_written(size, ending, tmp_path):
    source, frames = make_film(tmp_path / "in.mp4", *size, gray=False)
    path = tmp_path / "out" / f"out{ending}"
    with write_film(path, size, "8", source, 10) as write:
        for frame in frames:
            write(frame)
    for film in (source, path):
        found = list(read_frames(film))
        assert len(found) == len(frames) == RATE * SECONDS
        assert found[0].shape == (*size, 3)
        assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(found, frames, strict=True)) < 3
        facts = probe(film)
        assert (facts.rate, facts.has_sound, facts.frames) == ("8", True, 24)
        assert facts.seconds == pytest.approx(3, abs=0.1)
    assert sound_of(path) == sound_of(source)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [path.name]


@pytest.mark.parametrize(("name", "rate"), [("a.mp4", "10"), ("a.mkv", "30000/1001")])
def test_colours_and_exact_rates_survive(name, rate, tmp_path):
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[:16], frame[16:, :16], frame[16:, 16:] = (200, 40, 60), (30, 160, 220), (250, 250, 250)
    with write_film(tmp_path / name, (32, 32), rate, None, 4) as write:
        for _ in range(5):
            write(frame)
    found = list(read_frames(tmp_path / name))[1]
    for place in ((4, 4), (26, 5), (26, 26)):
        assert np.abs(found[place].astype(int) - frame[place]).max() <= 6
    facts = probe(tmp_path / name)
    assert (facts.rate, facts.has_sound, facts.frames) == (rate, False, 5)


def test_a_rotated_film_is_upright(tmp_path):
    path, _ = make_film(tmp_path / "a.mp4")
    ffmpeg("-display_rotation", "90", "-i", path, "-c", "copy", tmp_path / "turned.mp4")
    assert next(read_frames(tmp_path / "turned.mp4")).shape == (64, 48, 3)


def test_a_truncated_film_is_refused(tmp_path):
    path, frames = make_film(tmp_path / "a.mkv", sound=False)
    whole = path.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 4 // 5])
    expected = probe(tmp_path / "cut.mkv").frames
    assert expected == len(frames)
    with pytest.raises(UnreadableFilm, match=r"\d+ of about 24 frames could be read"):
        list(read_frames(tmp_path / "cut.mkv", expected))
    assert len(list(read_frames(path, expected))) == len(frames)


def test_a_film_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), write_film(tmp_path / "a.mp4", (32, 32), "10", None, 20) as write:
        write(np.zeros((32, 32, 3), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "ending"), [("a.MP4", ".mp4"), ("a.mov", ".mp4"), ("a.avi", ".mkv")])
def test_endings(name, ending, tmp_path):
    assert film_ending(tmp_path / name) == ending


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
