"""Outputs appear whole, never in place of a file that came meanwhile unless asked; the record keeps every entry."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.photographs.output_files import (
    SECONDS_BETWEEN,
    ExistingOutput,
    OutputFiles,
    OutputRecord,
    reason_of,
)
from oldrestore.photographs.output_names import Task
from oldrestore.photographs.restorer import Restorer
from oldrestore.photographs.treatment import treat_film
from oldrestore.restoration.film import read_frames
from oldrestore.restoration.stages import Pipeline
from tests.restoration.films import make_film


class Twice(Restorer):
    """Stages with two results that are the same."""

    def titles(self, colored=True):
        return ["A", "B"]


UNTOUCHED = Twice(Pipeline(), None, only_gray=False)


@pytest.fixture(params=["links", "no links"])
def file_system(request, monkeypatch) -> None:
    """One with hard links, and one without, such as FAT."""

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


def test_a_file_that_came_meanwhile_is_kept(file_system, tmp_path):
    files, path = OutputFiles(replace=False), tmp_path / "deep" / "a.png"
    files.write(path, b"ours")
    assert path.read_bytes() == b"ours"
    with pytest.raises(ExistingOutput) as error:
        OutputFiles(replace=False).write(path, b"another's")
    assert reason_of(error.value) == f"'{path}' exists already: --overwrite replaces it"
    assert path.read_bytes() == b"ours"
    OutputFiles(replace=True).write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]  # nothing unfinished is left


def test_of_files_that_belong_together_all_are_made_or_none(file_system, tmp_path):
    (tmp_path / "b.png").write_bytes(b"another's")
    files = OutputFiles(replace=False)
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


def film_task(folder: Path) -> tuple[Task, list]:
    source, frames = make_film(folder / "film.mp4")
    outputs = folder / "out" / "one.mp4", folder / "out" / "two.mp4"
    return Task(source, outputs, folder / "out" / "film-panel.jpg", is_film=True), frames


def test_a_film_that_came_meanwhile_is_kept(tmp_path):
    task, frames = film_task(tmp_path)
    task.panel.parent.mkdir()

    def write_meanwhile(frame):
        task.outputs[0].write_bytes(b"another's")
        return frame

    files = OutputFiles(replace=False)
    with pytest.raises(ExistingOutput, match=r"one\.mp4' exists already"), files.all_or_none():
        treat_film(task, Twice(Pipeline(restore=[write_meanwhile]), None, only_gray=False), files)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.mp4"]
    assert task.outputs[0].read_bytes() == b"another's"
    treated = treat_film(task, UNTOUCHED, OutputFiles(replace=True))
    assert treated.facts["frames"] == len(list(read_frames(task.outputs[0]))) == len(frames) == 24


def test_what_is_written_unfinished_has_a_name_of_its_process(monkeypatch, tmp_path):
    # Two processes that write one file at once do not write into each other's.
    seen = []
    place = OutputFiles.place
    monkeypatch.setattr(OutputFiles, "place", lambda self, whole, path: (seen.append(whole), place(self, whole, path)))
    OutputFiles(replace=False).write(tmp_path / "a.png", b"1")
    treat_film(film_task(tmp_path)[0], UNTOUCHED, OutputFiles(replace=False))
    assert len(seen) == 3
    assert all(f".{os.getpid()}." in path.name for path in seen)


WRITER = """
import sys
from pathlib import Path
from oldrestore.photographs.output_files import OutputRecord
folder, name = Path(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
for number in range(40):
    record = OutputRecord(folder / "colorize.json")
    (folder / f"{name}{number}.png").write_bytes(b"")
    record.add(folder / f"{name}{number}.png", {"photograph": name})
    record.write()
"""


def test_two_processes_at_once_lose_none_of_each_others_entries(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdin=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdin.close()
    files = json.loads((tmp_path / "colorize.json").read_text())["files"]
    assert files == {f"{name}{number}.png": {"photograph": name} for name in "ab" for number in range(40)}


def test_entries_of_files_that_are_gone_go_and_others_reach_the_disk_after_a_while(tmp_path):
    now = [0.0]
    record = OutputRecord(tmp_path / "restore.json", clock=lambda: now[0])
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"")
    record.add(tmp_path / "a.png", {"lost": 0.1})
    assert record.read() == {}
    now[0] = SECONDS_BETWEEN + 1
    record.add(tmp_path / "b.png", {"lost": 0.2})
    assert record.read() == {"a.png": {"lost": 0.1}, "b.png": {"lost": 0.2}}
    (tmp_path / "a.png").unlink()
    record.add(tmp_path / "c.png", {"lost": 0.3})
    record.write()
    assert set(record.read()) == {"b.png", "c.png"}
    record.path.write_text("no JSON")
    assert record.read() == {}
