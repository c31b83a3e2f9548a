"""The record of outputs keeps what other processes add to it, and does not wait for the end."""

from __future__ import annotations

import json
import subprocess
import sys

from oldrestore.photographs.output_record import SECONDS_BETWEEN, OutputRecord

WRITER = """
import sys
from pathlib import Path
from oldrestore.photographs.output_record import OutputRecord
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
