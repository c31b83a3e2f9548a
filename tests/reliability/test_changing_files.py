"""Files that change, vanish or may not be read while a folder is being worked on."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.cli import main
from oldrestore.data.codecs import decode
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo, read_photo_file
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.loading.loader import training_loader
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.errors import UserError
from oldrestore.photographs import treatment
from oldrestore.photographs.photo_list import find_photographs
from tests.reliability.cases import NO_STAGE, blocks, jpeg

SECTION = "Folders and files that change"


def fill(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(blocks(number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def album(tmp_path) -> Path:
    return fill(tmp_path / "album")


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "x.jpg"
    path.write_bytes(jpeg(1))
    return path


@pytest.fixture
def change(monkeypatch) -> Callable[..., None]:
    """Change something at the next call of a function: before it, or after it."""

    def arrange(owner: object, name: str, action: Callable[[], object], after: bool = False) -> None:
        original = getattr(owner, name)

        def once(*arguments, **named):
            monkeypatch.setattr(owner, name, original)
            found = original(*arguments, **named) if after else None
            action()
            return found if after else original(*arguments, **named)

        monkeypatch.setattr(owner, name, once)

    return arrange


def assert_shows(path: Path, seed: int, tolerance: int = 0) -> None:
    assert np.abs(decode_photo(path).astype(int) - blocks(seed)).max() <= tolerance


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        read_photo_file(path)
    return caught.value.reason


def test_a_file_that_changes_while_it_is_read(photo, tmp_path, change, ledger):
    """The file is written to between its first byte and its last."""
    whole = photo.read_bytes()
    changes = {
        "grows": lambda: photo.write_bytes(whole + bytes(10_000)),
        "shrinks": lambda: os.truncate(photo, 100),
        "is emptied": lambda: os.truncate(photo, 0),
        "is overwritten": lambda: (photo.write_bytes(bytes(len(whole))), os.utime(photo, ns=(1, 1))),
    }
    for action in changes.values():
        photo.write_bytes(whole)
        change(decode.os, "fstat", action, after=True)
        assert reason_of(photo) == "changed while it was read"
    # One that is replaced by another, as editors do, was read whole.
    photo.write_bytes(whole)
    (tmp_path / "new").write_bytes(jpeg(2))
    change(decode.os, "fstat", lambda: (tmp_path / "new").replace(photo), after=True)
    assert_shows(photo, 1, 4)
    what = "a file that grows, shrinks, is emptied, overwritten or replaced while it is read"
    ledger.record(what, through="decoding", right=1, said=len(changes), sentence="“changed while it was read”")


def test_a_file_that_is_being_written_all_the_time(photo):
    """A writer in another thread: every reading is the whole photograph or a sentence."""
    whole = photo.read_bytes()
    stop = threading.Event()

    def write():
        while not stop.is_set():
            with photo.open("wb", buffering=0) as file:
                for start in range(0, len(whole), 50):
                    file.write(whole[start : start + 50])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            try:
                assert_shows(photo, 1, 4)
            except UnreadablePhoto as problem:
                assert re.search("changed while it was read|empty file|truncated|not an image|corrupt", problem.reason)
    finally:
        stop.set()
        writer.join()


def test_a_file_that_becomes_a_pipe_between_looking_and_opening(photo, change):
    change(decode.os, "open", lambda: (photo.unlink(), os.mkfifo(photo)))
    assert reason_of(photo) == "not a file but a pipe, socket or device"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        pytest.param(Path.unlink, "no such file", id="vanishes"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), "a folder, not a file", id="becomes a folder"),
        pytest.param(lambda path: os.truncate(path, 60), "truncated file", id="is cut"),
    ],
)
def test_a_file_that_changes_after_it_was_listed(album, tmp_path, change, capsys, action, reason):
    """Between the listing and its turn; the others come out."""
    victim = album / "1.png"
    change(treatment, "read_photo_file", lambda: action(victim))
    assert main(["restore", str(album), "-o", str(tmp_path / "out"), *NO_STAGE]) == 1
    assert f"failed    {victim}: {reason}" in capsys.readouterr().out
    for number in (0, 2):
        assert_shows(tmp_path / "out" / f"{number}-restored.png", number)


def test_outputs_whose_folder_vanishes(album, tmp_path, change):
    """The folder of the outputs is made again; nothing of the batch is lost."""
    change(treatment, "read_photo_file", lambda: shutil.rmtree(tmp_path / "out"))
    assert main(["restore", str(album / "0.png"), "-o", str(tmp_path / "out"), *NO_STAGE]) == 0
    assert_shows(tmp_path / "out" / "0-restored.png", 0)


def test_training_on_a_photograph_that_vanished_ends_in_a_sentence(tmp_path):
    folder = fill(tmp_path / "set", 4)
    crops = Crops(size=32, crop=16)
    split = ImageFolder(crops, str(folder), validation_fraction=0).split("train")
    (folder / "2.png").unlink()
    with pytest.raises(UserError, match=r"2\.png.*no such file|2\.png.*can no longer be read"):
        for _ in training_loader(split, crops, batch_size=4, seed=0, iterations=2):
            pass


def test_links_to_folders_are_followed_once(album, tmp_path, ledger):
    """Loops of folders end; the same folder under two names is taken once, by both readers of folders."""
    (album / "again").symlink_to(album)
    (album / "up").symlink_to(tmp_path)
    inner = tmp_path / "elsewhere"
    inner.mkdir()
    for number in (70, 71, 72):
        Image.fromarray(blocks(number)).save(inner / f"{number}.png")
    (album / "linked").symlink_to(inner)
    (album / "linked-2").symlink_to(inner)
    found = find_photographs([album])
    assert [one.refused for one in found] == [""] * 6
    split = ImageFolder(Crops(size=32, crop=16), str(album), validation_fraction=0).split("train")
    assert len(split.photos) == 6
    what = "links to folders: to itself, to its parent, twice to another"
    ledger.record(what, through="image folder, restore", right=4, sentence="each folder is read once")


def test_folders_nested_more_deeply_than_pythons_calls(tmp_path):
    here = tmp_path / "album"
    here.mkdir()
    descriptor = os.open(here, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
    Image.fromarray(blocks(1)).save(here / "x.png")
    assert len(find_photographs([here])) == 1
    subprocess.run(["rm", "-rf", here], check=True)  # shutil's own way has Python's limit


def test_what_may_not_be_read(tmp_path, nursery, ledger):
    """A file, a subfolder and a folder without permission, a folder of outputs that may only be read."""
    folder = fill(tmp_path / "album", 12)  # so many that a split by hash has photographs in both parts
    fill(folder / "closed")
    fill(folder / "listed-only")
    (tmp_path / "shut").mkdir()
    out = ["-o", tmp_path / "out", "--json", *NO_STAGE]
    halves = ["dataset=image_folder", f"dataset.root={folder}", "dataset.validation_fraction=0.5"]
    modes = {folder / "1.png": 0, folder / "closed": 0, tmp_path / "shut": 0, folder / "listed-only": 0o444}
    for path, mode in {**modes, folder: 0o555}.items():
        path.chmod(mode)
    try:
        restored, described, refused, nowhere = (
            nursery.run(verb, [("drop_capabilities",)], {"OLDRESTORE_CACHE": tmp_path})[0]
            for verb in (
                ["restore", folder, *out],
                ["data", "describe", "--json", *halves],
                ["restore", tmp_path / "shut", *out],
                ["colorize", folder / "0.png", "-o", folder / "out", "--json"],
            )
        )
    finally:
        for path in (folder, *modes):
            path.chmod(0o755)
    failed = {entry["photograph"]: entry["reason"] for entry in restored.json["failed"]}
    assert failed == {
        f"{folder}/1.png": "no permission",
        f"{folder}/closed": "a folder that cannot be listed (no permission)",
        **{f"{folder}/listed-only/{number}.png": "no permission" for number in range(3)},
    }
    done = {Path(entry["photograph"]).name for entry in restored.json["done"]}
    assert done == {f"{n}.png" for n in range(12) if n != 1}
    assert restored.code == 1
    left = {item["name"]: item["reason"] for split in described.json.values() for item in split["left_out"]}
    assert left == {str(Path(name).relative_to(folder)): reason for name, reason in failed.items()}
    assert sum(len(split["photographs"]) for split in described.json.values()) == 11
    assert (refused.code, nowhere.code) == (2, 2)
    assert refused.err == f"oldrestore: the folder '{tmp_path}/shut' cannot be listed (no permission)\n"
    assert "outputs cannot be written to" in nowhere.err and "(no permission)" in nowhere.err
    through, sentence = "data describe, restore, colorize", "“a folder that cannot be listed (no permission)”"
    what = "files and folders that may not be read or written"
    ledger.record(what, through=through, right=22, said=12, sentence=sentence)
