"""Outputs take their names whole, and never in place of a file that came meanwhile unless that was asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oldrestore.photographs.film import carry_film
from oldrestore.photographs.new_files import ExistingOutput, NewFiles
from oldrestore.photographs.photo_list import Task, reason_of
from oldrestore.restoration.film import read_frames
from tests.restoration.test_film import make_film


def _no_links(*_):
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_came_meanwhile_is_kept(has_links, monkeypatch, tmp_path):
    if not has_links:  # as on FAT
        monkeypatch.setattr(os, "link", _no_links)
    files, path = NewFiles(replace=False), tmp_path / "deep" / "a.png"
    files.write(path, b"ours")
    assert path.read_bytes() == b"ours"
    with pytest.raises(ExistingOutput) as error:
        NewFiles(replace=False).write(path, b"another's")
    assert reason_of(error.value) == f"'{path}' exists already: --overwrite replaces it"
    assert path.read_bytes() == b"ours"
    NewFiles(replace=True).write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]  # nothing unfinished is left


@pytest.mark.parametrize("has_links", [True, False])
def test_of_files_that_belong_together_all_are_made_or_none(has_links, monkeypatch, tmp_path):
    if not has_links:
        monkeypatch.setattr(os, "link", _no_links)
    (tmp_path / "b.png").write_bytes(b"another's")
    files = NewFiles(replace=False)
    with pytest.raises(ExistingOutput), files.all_or_none():
        files.write(tmp_path / "a.png", b"ours")
        files.write(tmp_path / "b.png", b"ours")
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]
    assert (tmp_path / "b.png").read_bytes() == b"another's"
    with pytest.raises(KeyboardInterrupt), files.all_or_none():
        files.write(tmp_path / "a.png", b"ours")
        files.keep()
        raise KeyboardInterrupt
    assert (tmp_path / "a.png").read_bytes() == b"ours"


def test_a_film_that_came_meanwhile_is_kept(tmp_path):
    source, frames = make_film(tmp_path / "film.mp4")
    outputs = tmp_path / "out" / "one.mp4", tmp_path / "out" / "two.mp4"
    task = Task(source, outputs, tmp_path / "out" / "film-panel.jpg", is_film=True)

    def make(frame):
        outputs[0].write_bytes(b"another's")
        return [frame, frame]

    files = NewFiles(replace=False)
    with pytest.raises(ExistingOutput, match=r"one\.mp4' exists already"), files.all_or_none():
        carry_film(task, make, ["Original", "A", "B"], 18, files)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.mp4"]
    assert outputs[0].read_bytes() == b"another's"
    assert carry_film(task, lambda frame: [frame] * 2, ["Original", "A", "B"], 18, NewFiles(replace=True))[0] == 24
    assert len(list(read_frames(outputs[0]))) == len(frames)


def test_what_is_written_unfinished_has_a_name_of_its_process(monkeypatch, tmp_path):
    # Two processes that write one file at once do not write into each other's.
    seen = []
    place = NewFiles.place
    monkeypatch.setattr(NewFiles, "place", lambda self, whole, path: (seen.append(whole), place(self, whole, path)))
    NewFiles(replace=False).write(tmp_path / "a.png", b"1")
    source, _ = make_film(tmp_path / "film.mp4")
    task = Task(source, (Path(tmp_path / "b.mp4"),), tmp_path / "p.jpg", is_film=True)
    carry_film(task, lambda frame: [frame], ["Original", "A"], 18, NewFiles(replace=False))
    assert len(seen) == 2
    assert all(f".{os.getpid()}." in path.name for path in seen)
