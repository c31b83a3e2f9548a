"""Files that change, vanish or may not be read while a folder is being worked on."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
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
from tests.reliability.cases import blocks, encoded, jpeg
from tests.reliability.child import run_verbs

SECTION = "Folders and files that change"
NO_STAGE = [word for stage in ("detect", "fill", "restore", "colorize") for word in ("--skip", stage)]


def album(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(blocks(number)).save(folder / f"{number}.png")
    return folder


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        read_photo_file(path)
    return caught.value.reason


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, ledger):
    """The file is written to between its first byte and its last."""
    whole = jpeg(1)
    path = tmp_path / "x.jpg"
    fstat = os.fstat
    changes = {
        "grows": lambda: path.write_bytes(whole + bytes(10_000)),
        "shrinks": lambda: os.truncate(path, 100),
        "is emptied": lambda: os.truncate(path, 0),
        "is overwritten": lambda: (path.write_bytes(bytes(len(whole))), os.utime(path, ns=(1, 1))),
    }
    for change in changes.values():
        path.write_bytes(whole)

        def change_after_first_look(descriptor, change=change):
            found = fstat(descriptor)
            monkeypatch.setattr(decode.os, "fstat", fstat)
            change()
            return found

        monkeypatch.setattr(decode.os, "fstat", change_after_first_look)
        assert reason_of(path) == "changed while it was read"
    # One that is replaced by another, as editors do, was read whole.
    path.write_bytes(whole)

    def replace(descriptor):
        found = fstat(descriptor)
        monkeypatch.setattr(decode.os, "fstat", fstat)
        (tmp_path / "new").write_bytes(jpeg(2))
        (tmp_path / "new").replace(path)
        return found

    monkeypatch.setattr(decode.os, "fstat", replace)
    assert np.abs(decode_photo(path).astype(int) - blocks(1)).max() <= 4
    ledger.record(
        SECTION,
        "a file that grows, shrinks, is emptied, overwritten or replaced while it is read",
        through="decoding",
        tried=len(changes) + 1,
        right=1,
        said=len(changes),
        sentence="“changed while it was read”",
    )


def test_a_file_that_is_being_written_all_the_time(tmp_path):
    """A writer in another thread: every reading is the whole photograph or a sentence."""
    path, whole = tmp_path / "x.jpg", jpeg(1)
    path.write_bytes(whole)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            with path.open("wb") as file:
                for start in range(0, len(whole), 50):
                    file.write(whole[start : start + 50])
                    file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            try:
                rgb = decode_photo(path)
            except UnreadablePhoto as problem:
                assert problem.reason in ("changed while it was read", "empty file", "truncated file") or (
                    "not an image" in problem.reason or "corrupt" in problem.reason
                )
            else:
                assert np.abs(rgb.astype(int) - blocks(1)).max() <= 4
    finally:
        stop.set()
        writer.join()


def test_a_file_that_becomes_a_pipe_between_looking_and_opening(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_bytes(jpeg(1))
    opened = os.open

    def swap(name, flags, *rest):
        path.unlink()
        os.mkfifo(path)
        return opened(name, flags, *rest)

    monkeypatch.setattr(decode.os, "open", swap)
    assert reason_of(path) == "not a file but a pipe, socket or device"


@pytest.mark.parametrize("what", ["vanishes", "becomes a folder", "is cut"])
def test_a_file_that_changes_after_it_was_listed(tmp_path, monkeypatch, capsys, what):
    """Between the listing and its turn; the others come out."""
    folder = album(tmp_path / "album")
    victim = folder / "1.png"
    changes = {
        "vanishes": (victim.unlink, "no such file"),
        "becomes a folder": (lambda: (victim.unlink(), victim.mkdir()), "a folder, not a file"),
        "is cut": (lambda: os.truncate(victim, 60), "truncated file"),
    }
    change, reason = changes[what]
    read = treatment.read_photo_file

    def change_first(path):
        if path == folder / "0.png":
            change()
        return read(path)

    monkeypatch.setattr(treatment, "read_photo_file", change_first)
    assert main(["restore", str(folder), "-o", str(tmp_path / "out"), *NO_STAGE]) == 1
    printed = capsys.readouterr().out
    assert f"failed    {victim}: {reason}" in printed
    for number in (0, 2):
        np.testing.assert_array_equal(decode_photo(tmp_path / "out" / f"{number}-restored.png"), blocks(number))


def test_outputs_whose_folder_vanishes(tmp_path, monkeypatch, capsys):
    """The folder of the outputs is made again; nothing of the batch is lost."""
    folder = album(tmp_path / "album")
    read = treatment.read_photo_file

    def remove_first(path):
        shutil.rmtree(tmp_path / "out")
        return read(path)

    monkeypatch.setattr(treatment, "read_photo_file", remove_first)
    assert main(["restore", str(folder / "0.png"), "-o", str(tmp_path / "out"), *NO_STAGE]) == 0
    np.testing.assert_array_equal(decode_photo(tmp_path / "out" / "0-restored.png"), blocks(0))


def test_training_on_a_photograph_that_vanished_ends_in_a_sentence(tmp_path):
    folder = album(tmp_path / "album", 4)
    crops = Crops(size=32, crop=16)
    split = ImageFolder(crops, str(folder), validation_fraction=0).split("train")
    (folder / "2.png").unlink()
    with pytest.raises(UserError, match=r"2\.png.*no such file|2\.png.*can no longer be read"):
        for _ in training_loader(split, crops, batch_size=4, seed=0, iterations=2):
            pass


def test_links_to_folders_are_followed_once(tmp_path, ledger):
    """Loops of folders end; the same folder under two names is taken once, by both readers of folders."""
    folder = album(tmp_path / "album")
    (folder / "again").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    inner = album(tmp_path / "elsewhere", 5)
    (inner / "0.png").write_bytes(encoded(blocks(70), "PNG"))
    for number in range(1, 3):
        (inner / f"{number}.png").unlink()
    (folder / "linked").symlink_to(inner)
    (folder / "linked-2").symlink_to(inner)
    found = find_photographs([folder], tmp_path / "out")
    assert [one.refused for one in found] == [""] * 6
    split = ImageFolder(Crops(size=32, crop=16), str(folder), validation_fraction=0).split("train")
    assert len(split.photos) == 6
    ledger.record(
        SECTION,
        "links to folders: to itself, to its parent, twice to another",
        through="image folder, restore",
        tried=4,
        right=4,
        sentence="each folder is read once",
    )


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
    assert len(find_photographs([here], tmp_path / "out")) == 1
    subprocess.run(["rm", "-rf", here], check=True)  # shutil's own way has Python's limit


def test_what_may_not_be_read(tmp_path, ledger):
    """A file, a subfolder and a folder without permission, a folder of outputs that may only be read."""
    folder = album(tmp_path / "album", 12)  # so many that a split by hash has photographs in both parts
    album(folder / "closed")
    album(folder / "listed-only")
    shut = [folder / "1.png", folder / "closed", tmp_path / "shut"]
    (tmp_path / "shut").mkdir()
    for path, mode in [*((path, 0) for path in shut), (folder / "listed-only", 0o444)]:
        path.chmod(mode)
    folder.chmod(0o555)
    try:
        restored, described, refused, nowhere = run_verbs(
            ["restore", folder, "-o", tmp_path / "out", "--json", *NO_STAGE],
            [
                "data",
                "describe",
                "--json",
                "dataset=image_folder",
                f"dataset.root={folder}",
                "dataset.validation_fraction=0.5",
            ],
            ["restore", tmp_path / "shut", "-o", tmp_path / "out", "--json", *NO_STAGE],
            ["colorize", folder / "0.png", "-o", folder / "out", "--json"],
            seconds=120,
            cache=tmp_path,
            privileged=False,
        )
    finally:
        for path in [folder, *shut, folder / "listed-only"]:
            path.chmod(0o755)
    failed = {entry["photograph"]: entry["reason"] for entry in restored.json["failed"]}
    listed = {f"{folder}/listed-only/{number}.png": "no permission" for number in range(3)}
    assert failed == {
        f"{folder}/1.png": "no permission",
        f"{folder}/closed": "a folder that cannot be listed (no permission)",
        **listed,
    }
    assert [Path(entry["photograph"]).name for entry in restored.json["done"]] == sorted(
        f"{n}.png" for n in range(12) if n != 1
    )
    assert restored.code == 1
    left = {item["name"]: item["reason"] for split in described.json.values() for item in split["left_out"]}
    assert left == {str(Path(name).relative_to(folder)): reason for name, reason in failed.items()}
    assert sum(len(split["photographs"]) for split in described.json.values()) == 11
    assert (refused.code, nowhere.code) == (2, 2)
    assert refused.err == f"oldrestore: the folder '{tmp_path}/shut' cannot be listed (no permission)\n"
    assert "outputs cannot be written to" in nowhere.err and "(no permission)" in nowhere.err
    ledger.record(
        SECTION,
        "files and folders that may not be read or written",
        through="data describe, restore, colorize",
        tried=34,
        right=22,
        said=12,
        sentence="“a folder that cannot be listed (no permission)”",
    )
