"""Outputs are named after photographs, networks and parts, and replace neither inputs nor, unasked, other files."""

from pathlib import Path

import pytest

from oldrestore.errors import UserError
from oldrestore.photographs.photo_list import PARTS, RESTORED, InputFile, find_photographs, name_outputs


def test_outputs_have_the_photographs_names_networks_and_parts(tmp_path):
    found = [
        InputFile(Path("x/a.jpg"), Path("deep")),
        InputFile(Path("x/a.png"), Path("deep")),
        InputFile(Path("f.mov"), Path()),
        InputFile(Path("no.txt"), Path(), "not a photograph"),
    ]
    first, second, film, refused = name_outputs(found, tmp_path, ["p", "q"], False, RESTORED, {"mask": PARTS["mask"]})
    assert first.outputs == (tmp_path / "deep" / "a-restored-p.jpg", tmp_path / "deep" / "a-restored-q.jpg")
    assert (first.panel, first.parts) == (tmp_path / "deep/a-panel.jpg", {"mask": tmp_path / "deep/a-mask.png"})
    assert second.outputs[0] == tmp_path / "deep" / "a-png-restored-p.png"
    assert (film.is_film, film.parts, film.outputs[0]) == (True, {}, tmp_path / "f-restored-p.mp4")
    assert (refused.refused, refused.written) == ("not a photograph", ())


def test_masks_are_neither_photographs_nor_overwritten(tmp_path):
    for name in ("a.png", "a-panel.jpg", "mask.png"):
        (tmp_path / name).write_bytes(b"")
    masks = [tmp_path / "a-panel.jpg", tmp_path / "mask.png"]
    found = find_photographs([tmp_path], tmp_path / "out", never=masks)
    assert found == [InputFile(tmp_path / "a.png", Path())]
    with pytest.raises(UserError, match="is one of the photographs and would be overwritten"):
        name_outputs(found, tmp_path, ["one"], overwrite=True, never=masks)
