"""``restore --session``: the pixels of ``restore`` and ``colorize`` with the same mask, hints and settings."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from oldrestore.files import sha256_of
from oldrestore.studio.session import (
    BrushStroke,
    HintPoint,
    Session,
    SessionNetwork,
    SessionPhotograph,
    SessionSettings,
    write_session,
)
from tests.commands.restoring import gray, opened, save_mask

ONLY_COLOR = {"detect": False, "fill": False, "restore": False}
HINTS = (
    HintPoint(x=30.0, y=20.0, radius=6.0, ab=(40.0, -20.0)),
    HintPoint(x=80.0, y=50.0, radius=3.0, ab=(-30.0, 25.0)),
)


@pytest.fixture
def photo(tmp_path):
    """A gray photograph that says who took it."""
    exif = Image.Exif()
    exif[315] = "a photographer"
    Image.fromarray(gray(3)).save(tmp_path / "a.png", exif=exif)
    return tmp_path / "a.png"


@pytest.fixture
def session_file(photo, tmp_path):
    """Write a session of the photograph and return its file."""

    def write(settings, **parts):
        sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
        height, width = opened(photo).shape[:2]
        of = SessionPhotograph(name="a.png", sha256=sha256, width=width, height=height)
        path = tmp_path / "s.json"
        write_session(path, Session(photograph=of, settings=SessionSettings(**settings), **parts))
        return path

    return write


def test_strokes_are_a_mask(photo, session_file, restore, cli, tmp_path):
    stroke = BrushStroke(tool="brush", radius=3.0, points=((10.0, 12.0), (70.0, 40.0)))
    before = photo.read_bytes()
    session = session_file({"detect": False, "colorize": False}, strokes=(stroke,))
    restore(photo, "--session", session)
    made, mask = opened(tmp_path / "out/a-restored.png"), opened(tmp_path / "out/a-mask.png")
    save_mask(mask[..., 0] > 0, tmp_path / "mask.png")
    cli("restore", photo, "-o", tmp_path / "other", "--mask", tmp_path / "mask.png", "--skip", "colorize")
    np.testing.assert_array_equal(made, opened(tmp_path / "other/a-restored.png"))
    assert mask[12, 10].all() and not mask[60, 10].any() and (made != opened(photo)).any()
    assert photo.read_bytes() == before
    written = Image.open(tmp_path / "out/a-restored.png")
    assert written.getexif()[315] == "a photographer" and "algorithmicallyEnhanced" in str(written.info)


def test_hints_and_strength_are_those_of_colorize(photo, session_file, restore, cli, siggraph17, tmp_path):
    _, weights = siggraph17
    network = SessionNetwork(name="siggraph17", sha256=sha256_of(weights))
    session = session_file({**ONLY_COLOR, "strength": 0.6, "network": network}, hints=HINTS)
    restore(photo, "--session", session, "--weights", weights)
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([hint.model_dump() for hint in HINTS]))
    cli("colorize", photo, "-o", tmp_path / "c", "--weights", weights, "--hints", hints, "--strength", "0.6")
    made = opened(tmp_path / "out/a-restored.png")
    np.testing.assert_array_equal(made, opened(tmp_path / "c/a-colorized.png"))
    assert np.ptp(made.astype(int), axis=2).max() > 10
    entry = json.loads((tmp_path / "out/restore.json").read_text())["files"]["a-restored.png"]
    assert entry["hints"] == 2 and entry["strength"] == 0.6


def test_a_variant_is_that_of_colorize(photo, session_file, restore, cli, colorizers, tmp_path):
    session = session_file({**ONLY_COLOR, "variant": 2})
    restore(photo, "--session", session, "--weights", colorizers[0], "--dynamic")
    cli("colorize", photo, "-o", tmp_path / "c", "--weights", colorizers[0], "--dynamic", "--variants", 2)
    made = opened(tmp_path / "out/a-restored.png")
    np.testing.assert_array_equal(made, opened(tmp_path / "c/a-variant2.png"))
    assert (made != opened(tmp_path / "c/a-colorized.png")).any()


def test_what_does_not_belong_to_a_session_is_refused(photo, session_file, cli, siggraph17, colorizers, tmp_path):
    _, weights = siggraph17
    network = SessionNetwork(name="siggraph17", sha256=sha256_of(weights))
    session = session_file({**ONLY_COLOR, "network": network}, hints=HINTS)
    other = tmp_path / "b.png"
    Image.fromarray(gray(4)).save(other)

    def refused(*arguments):
        return cli("restore", *arguments, "--session", session, "-o", tmp_path / "out", code=2).err

    assert "leave --skip out" in refused(photo, "--skip", "fill")
    assert "leave restore/fill=telea out" in refused(photo, "restore/fill=telea")
    assert "for one photograph" in refused(photo, other)
    assert "'b.png' is not the photograph of the session" in refused(other)
    assert "was coloured by siggraph17" in refused(photo, "--weights", colorizers[0])
    session = session_file(ONLY_COLOR, hints=HINTS)
    assert "reads no colour hints" in refused(photo, "--weights", colorizers[0])
    assert not (tmp_path / "out").exists()
