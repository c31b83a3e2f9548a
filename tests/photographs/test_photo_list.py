"""Photographs are found first and their outputs named afterwards; outputs of earlier calls are not photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from oldrestore.errors import UserError
from oldrestore.photographs.photo_list import PARTS, RESTORED, Found, find_photographs, name_outputs


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_folder_that_holds_the_outputs_gives_its_photographs_only(tmp_path):
    out = tmp_path / "out"
    touch(tmp_path / "a.png", tmp_path / "b-mask.png", tmp_path / "deep" / "c.jpg", tmp_path / "d.txt")
    touch(*(out / f"a-{end}" for end in ("colorized.png", "restored-net.png", "panel.jpg", "mask.png", "evened.png")))
    touch(out / "restore.json")
    refused = "neither a photograph nor a film by its name ('.txt')"
    found = find_photographs([tmp_path], out, never=[tmp_path / "b-mask.png"])
    assert sorted(found, key=lambda one: one.photo) == [
        Found(tmp_path / "a.png", Path()),
        Found(tmp_path / "d.txt", Path(), refused),
        Found(tmp_path / "deep" / "c.jpg", Path("deep")),
    ]
    # Named by itself, any file is a photograph.
    assert find_photographs([out / "a-mask.png"], out) == [Found(out / "a-mask.png", Path())]


def test_outputs_have_the_photographs_names_networks_and_parts(tmp_path):
    out = tmp_path / "out"
    found = [
        Found(Path("x/a.jpg"), Path("deep")),
        Found(Path("x/a.png"), Path("deep")),
        Found(Path("f.mov"), Path()),
        Found(Path("no.txt"), Path(), "not a photograph"),
    ]
    first, second, film, refused = name_outputs(found, out, ["p", "q"], False, RESTORED, {"mask": PARTS["mask"]})
    assert first.outputs == (out / "deep" / "a-restored-p.jpg", out / "deep" / "a-restored-q.jpg")
    assert first.panel == out / "deep" / "a-panel.jpg"
    assert first.parts == {"mask": out / "deep" / "a-mask.png"}
    assert second.outputs == (out / "deep" / "a-png-restored-p.png", out / "deep" / "a-png-restored-q.png")
    assert film.is_film
    assert film.parts == {}
    assert film.outputs == (out / "f-restored-p.mp4", out / "f-restored-q.mp4")
    assert (refused.refused, refused.written) == ("not a photograph", ())


def test_inputs_are_never_outputs_and_outputs_that_exist_are_named(tmp_path):
    photo, out = tmp_path / "a.png", tmp_path / "out"
    touch(photo, out / "a-colorized.png", out / "a-panel.jpg")
    found = find_photographs([photo], out)
    with pytest.raises(UserError, match=r"a-colorized\.png' and 1 more output exist already"):
        name_outputs(found, out, ["one"], overwrite=False)
    assert name_outputs(found, out, ["one"], overwrite=True)[0].outputs == (out / "a-colorized.png",)
    with pytest.raises(UserError, match="is one of the photographs and would be overwritten"):
        name_outputs(found, out, ["one"], overwrite=True, never=[out / "a-panel.jpg"])
