"""Photographs are told by content; outputs are named after them alone and replace neither inputs nor other files."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.errors import UserError
from oldrestore.photographs.output_files import PARTS, RESTORED
from oldrestore.photographs.output_names import name_outputs
from oldrestore.photographs.photo_list import InputFile, find_photographs
from tests.restoration.test_film import make_film

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def save(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).save(path, format=kind)
    return path


def test_outputs_have_the_photographs_names_networks_and_parts(tmp_path):
    found = [
        InputFile(Path("x/a.jpg"), Path("deep")),
        InputFile(Path("x/a.png"), Path("deep")),
        InputFile(Path("f.mov"), Path(), is_film=True),
        InputFile(Path("no.txt"), Path(), "not a photograph"),
    ]
    first, second, film, refused = name_outputs(found, tmp_path, ["p", "q"], False, RESTORED, {"mask": PARTS["mask"]})
    assert first.outputs == (tmp_path / "deep" / "a-restored-p.jpg", tmp_path / "deep" / "a-restored-q.jpg")
    assert (first.panel, first.parts) == (tmp_path / "deep/a-panel.jpg", {"mask": tmp_path / "deep/a-mask.jpg.png"})
    assert second.outputs[0] == tmp_path / "deep" / "a-restored-p.png"
    assert (second.panel, second.parts["mask"]) == (tmp_path / "deep/a-panel.png.jpg", tmp_path / "deep/a-mask.png")
    assert (film.is_film, film.parts, film.outputs[0]) == (True, {}, tmp_path / "f-restored-p.mov.mp4")
    assert (refused.refused, refused.written) == ("not a photograph", ())


NAMES = [
    "a.jpg",
    "a.JPG",
    "a.jpeg",
    "a.png",
    "a.tif",
    "a.TIF",
    "a.tiff",
    "a.jfif",
    "a",
    "a.data",
    "a-png.jpg",
    "a.png.jpg",
]
NAMES += [
    "a-panel.jpg",
    "a-p2.tif",
    "a-p3.tif",
    "a-p2-p1.tif",
    "a.mp4",
    "a.mov",
    "a-tif.png",
    "a.tif.png",
    "a-mask.jpg",
]
NAMES += [f"{'n' * 245}{end}" for end in ("1.png", "2.png", "1.jpg")] + [f"b.{'x' * 240}{end}" for end in "12"]


def written(*names: str) -> list[list[Path]]:
    """What is written of photographs, each with its second page."""
    found = [InputFile(Path(name), Path(), is_film=name.endswith(("mp4", "mov"))) for name in names]
    tasks = name_outputs(found, Path("out"), ["one"], False, RESTORED, PARTS)
    assert not any(task.refused for task in tasks)
    return [[*task.written, *task.of_page(1).written] for task in tasks]


def test_a_name_does_not_depend_on_the_neighbours_and_none_is_anothers():
    together = written(*NAMES)
    assert together == [written(name)[0] for name in NAMES]
    assert together[::-1] == written(*NAMES[::-1])
    for one, other in combinations(together, 2):
        assert not {*one} & {*other}
    assert max(len(path.name.encode()) for paths in together for path in paths) <= 255 - 20
    by_name = dict(zip(NAMES, together, strict=True))
    assert [path.name for path in (by_name["a.JPG"][0], by_name["a.tif"][0], by_name["a.tif"][-5])] == [
        "a-restored.JPG",
        "a-restored.tif.png",
        "a-p2-restored.tif.png",
    ]


def test_masks_are_neither_photographs_nor_overwritten(tmp_path):
    for name in ("a.png", "a-panel.png.jpg", "mask.png"):
        (tmp_path / name).write_bytes(b"")
    masks = [tmp_path / "a-panel.png.jpg", tmp_path / "mask.png"]
    found = find_photographs([tmp_path], never=masks)
    assert found == [InputFile(tmp_path / "a.png", Path())]
    with pytest.raises(UserError, match="is one of the photographs and would be overwritten"):
        name_outputs(found, tmp_path, ["one"], overwrite=True, never=masks)


def test_what_is_read_is_a_photograph_whatever_its_name_and_the_rest_is_counted(tmp_path):
    photographs = {"web.jfif": "JPEG", "old.jpe": "JPEG", "a.gif": "GIF", "b.pgm": "PPM", "c.jp2": "JPEG2000"}
    photographs |= {
        "d.avif": "AVIF",
        "e": "PNG",
        "f.bak": "TIFF",
        "g.tmp": "WEBP",
        "h.1999": "BMP",
        "deep/i.txt": "JPEG",
    }
    for name, kind in photographs.items():
        save(tmp_path / name, kind)
    make_film(tmp_path / "film.mp4")[0].rename(tmp_path / "film.part")
    (tmp_path / "broken.heic").write_bytes(b"no photograph")
    other = {
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        "a.xmp": b"<x/>",
        "b.XMP": b"<x/>",
        "i.csv": b"",
        "README": b"P1 and more",
    }
    other |= {".DS_Store": b"\0", "._web.jfif": b"\0\5\x16\7", "song.mp3": b"ID3\3", "BMW.txt": b"BMW 2002, 1971, red"}
    for name, content in other.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    over = Counter()
    found = {one.photo.relative_to(tmp_path).as_posix(): one for one in find_photographs([tmp_path], (), over)}
    assert found.keys() == {*photographs, "film.part", "broken.heic", "gone.jpg"}
    assert [name for name, one in found.items() if one.is_film] == ["film.part"]
    assert [name for name, one in found.items() if one.refused] == ["gone.jpg"]
    kinds = {".db": 1, ".xmp": 2, ".csv": 1, "without ending": 1, "hidden": 2, ".mp3": 1, ".txt": 2}
    assert over == kinds
    for name in photographs.keys() | {"film.part", "broken.heic", "gone.jpg"}:
        (tmp_path / name).unlink()
    with pytest.raises(
        UserError, match=r"there is no photograph in .*, only 1 \.csv, 1 \.db, 1 \.mp3, 2 \.txt, 2 \.xmp"
    ):
        find_photographs([tmp_path])


def test_results_of_earlier_calls_are_known_by_their_record_and_not_by_their_name(tmp_path):
    for name in ("a.png", "grandma-colorized.jpg", "out/a-colorized.png", "out/a-panel.png.jpg", "out/b.png"):
        save(tmp_path / name)
    for name in (
        "older/c-restored.png",
        "older/c-panel.jpg",
        "older/c-mask.png",
        "older/c-mask.jpg",
        "older/d-mask.png",
    ):
        save(tmp_path / name)
    files = {"a-colorized.png": "0", "a-panel.png.jpg": "1"}
    for record, entries in {
        "out/colorize.json": {"a-colorized.png": {"files": files}},
        "older/restore.json": {"c-restored.png": {"photograph": "c.tif"}},  # as older versions wrote
        "colorize.json": ["not a record"],
    }.items():
        (tmp_path / record).write_text(json.dumps({"files": entries}))
    over = Counter()
    expected = {"a.png", "grandma-colorized.jpg", "out/b.png", "older/d-mask.png"}
    found = find_photographs([tmp_path], (), over)
    assert {one.photo.relative_to(tmp_path).as_posix() for one in found} == expected
    assert over == {"results of earlier calls": 6}
    # A folder within that of the record, and a result that is named by itself.
    (tmp_path / "colorize.json").write_text(json.dumps({"files": {"out/b.png": {}}}))
    with pytest.raises(UserError, match="only 3 results of earlier calls"):
        find_photographs([tmp_path / "out"])
    assert len(find_photographs([tmp_path / "out" / "b.png"])) == 1


@pytest.mark.parametrize(
    ("named", "places"),
    [
        ("one", {"one/x.png": ".", "one/in/x.png": "in"}),
        ("one one/x.png one/in", {"one/x.png": ".", "one/in/x.png": "in"}),
        ("one two", {"one/x.png": "one", "one/in/x.png": "one/in", "two/x.png": "two"}),
        ("one/in deep/in", {"one/in/x.png": "one/in", "deep/in/x.png": "deep/in"}),
        ("y.png two", {"y.png": ".", "two/x.png": "two"}),
        ("y.png one/x.png", {"y.png": ".", "one/x.png": "."}),
        ("y.png one/x.png two/x.png", {"y.png": ".", "one/x.png": "one", "two/x.png": "two"}),
    ],
)
def test_several_things_that_are_named_are_kept_apart(named, places, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("one/x.png", "one/in/x.png", "two/x.png", "deep/in/x.png", "y.png"):
        save(Path(name))
    found = find_photographs([Path(name) for name in named.split()])
    assert {str(one.photo): str(one.place) for one in found} == places
    assert len(found) == len(places)
