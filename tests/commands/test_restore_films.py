"""Films through ``oldrestore restore`` and ``colorize``: every frame, their rate and their sound."""

from __future__ import annotations

import json

import numpy as np

from oldrestore.cli import main
from oldrestore.color.lab import rgb_to_lab
from oldrestore.restoration.film import probe, read_frames
from tests.commands.restoring import NO_DETECTOR, restore
from tests.restoration.test_film import make_film, sound_of


def test_a_film_goes_through_with_its_sound(colorizers, capsys, tmp_path):
    source, frames = make_film(tmp_path / "film.mp4")
    arguments = [source, "-o", tmp_path / "out", NO_DETECTOR, "restore/restore=none", "restore.film.quality=4"]
    arguments += ["restore.colorize.size=32", "restore.film.smoothing=0.5", "--weights", colorizers[0]]
    code, summary, _ = restore(capsys, *arguments)
    assert code == 0
    assert summary["done"][0]["frames"] == len(frames) == 24
    result = tmp_path / "out" / "film-restored.mp4"
    found = list(read_frames(result))
    assert len(found) == 24
    assert found[0].shape == frames[0].shape
    assert sound_of(result) == sound_of(source)
    assert probe(result).rate == probe(source).rate
    assert max(np.ptp(frame.astype(int), axis=-1).mean() for frame in found) > 5  # there is colour
    lightness = [rgb_to_lab(np.ascontiguousarray(frame))[..., 0].mean() for frame in found]
    np.testing.assert_allclose(lightness, [rgb_to_lab(f)[..., 0].mean() for f in frames], atol=4)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {result.name, "film-panel.jpg", "restore.json"}


def test_colorize_takes_films_too(colorizers, capsys, tmp_path):
    source, frames = make_film(tmp_path / "album.mov")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    arguments = [source, tmp_path / "broken.mp4", "-o", tmp_path / "out", "--weights", colorizers[0], "--size", "32"]
    assert main(["colorize", *map(str, arguments), "--json", "--film-smoothing", "0.8"]) == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["failed"] == [{"photograph": str(tmp_path / "broken.mp4"), "reason": "not a film that can be read"}]
    result = tmp_path / "out" / "album-colorized.mp4"
    assert len(list(read_frames(result))) == len(frames)
    assert sound_of(result) == sound_of(source)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {result.name, "album-panel.jpg", "colorize.json"}
