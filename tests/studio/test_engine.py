"""The studio without a server: sessions, pictures, saving."""

import json

import numpy as np
import pytest
from PIL import Image

from oldrestore.engines.chosen_network import network_of_file
from oldrestore.photographs.photo_list import find_photographs
from oldrestore.studio.engine import StaleRevision, Studio
from oldrestore.studio.jobs import JobStopped
from oldrestore.studio.session import BrushStroke, HintPoint, read_session
from tests.commands.restoring import opened

WAIT = 60
HINT = HintPoint(x=60.0, y=50.0, radius=8.0, ab=(50.0, 40.0))


def edit(engine, number, **parts):
    history = engine.photographs[number].history
    settings = history.present.settings.model_copy(update=parts.pop("settings", {}))
    session = history.present.model_copy(update={"settings": settings, **parts})
    return engine.change(number, history.revision, lambda before: before.edited(session))


def picture(engine, number, which):
    return engine.picture(number, which).result(WAIT)[1]


def test_a_photograph_is_opened_with_a_session_of_its_own(engine):
    history = engine.open(0).result(WAIT)
    photograph = history.present.photograph
    assert (photograph.name, photograph.width, photograph.height) == ("a.png", 104, 72)
    assert history.present.settings.colorize and history.present.settings.network.name == "siggraph17"
    assert [one["reads_hints"] for one in engine.describe_networks()] == [True]


def test_hints_and_strokes_change_the_pictures(engine):
    engine.open(0).result(WAIT)
    original = picture(engine, 0, "original")
    assert (picture(engine, 0, "mask")[30:32, 30:70] == 255).all(), "the scratch is not found"
    before = picture(engine, 0, "result")
    edit(engine, 0, hints=(HINT,))
    hinted = picture(engine, 0, "result")
    assert (hinted != before).any()
    edit(engine, 0, settings={"strength": 0.0})
    assert np.ptp(picture(engine, 0, "result").astype(int), axis=2).max() <= 1
    eraser = BrushStroke(tool="eraser", radius=20.0, points=((0.0, 31.0), (104.0, 31.0)))
    edit(engine, 0, strokes=(eraser,), settings={"restore": False})
    assert not picture(engine, 0, "mask")[20:42].any()
    np.testing.assert_array_equal(picture(engine, 0, "mended")[30:32], original[30:32])


def test_undo_and_redo_give_the_pictures_again(engine):
    engine.open(0).result(WAIT)
    before = picture(engine, 0, "result")
    edit(engine, 0, hints=(HINT,))
    hinted = picture(engine, 0, "result")
    history = engine.change(0, 1, lambda history: history.undone())
    np.testing.assert_array_equal(picture(engine, 0, "result"), before)
    engine.change(0, history.revision, lambda history: history.redone())
    np.testing.assert_array_equal(picture(engine, 0, "result"), hinted)


def test_what_is_saved_is_replayed_to_the_same_pixels(engine, photos, hint_network, cli, tmp_path):
    original = (photos / "a.png").read_bytes()
    engine.open(0).result(WAIT)
    brush = BrushStroke(tool="brush", radius=3.0, points=((20.0, 60.0), (50.0, 62.0)))
    edit(engine, 0, hints=(HINT,), strokes=(brush,), settings={"strength": 0.8, "threshold": 1.5})
    written = engine.save(0).future.result(WAIT)
    out = tmp_path / "out"
    assert str(out / "a-restored.png") in written and (photos / "a.png").read_bytes() == original
    session = out / "a-session.png.json"
    assert read_session(session) == engine.photographs[0].history.present
    cli("restore", photos / "a.png", "--session", session, "--weights", hint_network, "-o", tmp_path / "again")
    saved = opened(out / "a-restored.png")
    np.testing.assert_array_equal(saved, opened(tmp_path / "again/a-restored.png"))
    np.testing.assert_array_equal(opened(out / "a-mask.png"), opened(tmp_path / "again/a-mask.png"))
    assert saved.shape == (72, 104, 3) and "compositeWithTrainedAlgorithmicMedia" in str(Image.open(written[0]).info)
    record = json.loads((out / "restore.json").read_text())["files"]
    assert record["a-restored.png"]["hints"] == 1
    edit(engine, 0, hints=())
    engine.save(0).future.result(WAIT)  # over its own results
    assert (opened(out / "a-restored.png") != saved).any()


def test_results_of_others_are_kept(engine, photos, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "out/a-restored.png")
    engine.open(0).result(WAIT)
    with pytest.raises(ValueError, match="exists already"):
        engine.save(0).future.result(WAIT)
    assert opened(tmp_path / "out/a-restored.png").shape == (4, 4, 3)


def test_a_session_is_taken_up_again(engine, photos, hint_network, tmp_path, refusal):
    engine.open(1).result(WAIT)
    changed = edit(engine, 1, hints=(HINT,)).present
    engine.close()
    again = Studio(find_photographs([photos]), tmp_path / "out", lambda: [network_of_file(hint_network)])
    try:
        assert again.open(1).result(WAIT).present == changed
        Image.new("RGB", (64, 64)).save(photos / "b.jpg")
        later = Studio(find_photographs([photos]), tmp_path / "out", lambda: [network_of_file(hint_network)])
        sentence = refusal(later.open(1).result, WAIT)
        assert "is not the photograph of the session" in sentence and "b-session.jpg.json" in sentence
        later.close()
    finally:
        again.close()


def test_a_change_of_what_has_changed_is_refused(engine, refusal):
    assert "has not been opened" in refusal(engine.change, 0, 0, lambda history: history)
    engine.open(0).result(WAIT)
    edit(engine, 0, hints=(HINT,))
    with pytest.raises(StaleRevision):
        engine.change(0, 0, lambda history: history.undone())
    assert engine.photographs[0].history.present.hints == (HINT,)
    far = HINT.model_copy(update={"x": 104.0})
    assert "outside of 'a.png'" in refusal(edit, engine, 0, hints=(far,))
    assert "there is no photograph 2" in refusal(engine.photograph, 2)


def test_a_network_without_a_distribution_has_one_likely_colour(engine):
    engine.open(0).result(WAIT)
    lightness, (color,) = engine.likely(0, 50.0, 40.0).result(WAIT)
    assert 0 < lightness < 100 and color.share == 1.0
    with pytest.raises(ValueError, match="outside of the photograph"):
        engine.likely(0, 104.0, 40.0).result(WAIT)


def test_a_stopped_save_writes_nothing(engine, tmp_path):
    engine.open(0).result(WAIT)
    job = engine.save(0)
    job.stop()
    with pytest.raises(JobStopped):
        job.future.result(WAIT)
    assert not (tmp_path / "out/a-restored.png").exists()
