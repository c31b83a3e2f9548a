"""The report at a sweep's end: what it holds, that nothing it does wrong hurts the sweep, and a real sweep's."""

from __future__ import annotations

from pathlib import Path

import pytest

from oldrestore.report import contents
from oldrestore.report.shelf import list_reports, reports_folder
from oldrestore.sweeps.ledger import Entry
from oldrestore.sweeps.report import report_on
from tests.comparison.synthetic import make_designs, make_run


def entry(key: str, seed: int, state: str, folder: Path | None) -> Entry:
    place = None if folder is None else str(folder)
    return Entry(key, f"i {key[:1]}", seed, "c", {"loss": key[:1]}, state, None, None, key, place, None, 1, None)


@pytest.fixture
def entries(tmp_path) -> list[Entry]:
    """Two designs of two seeds that are done, one job that failed and one that waits."""
    runs = make_designs(tmp_path, {"a": 0.0, "b": 0.05}, (0, 1))
    names = ("a0", "a1", "b0", "b1")
    found = [entry(name, run.seed, "done", run.folder) for name, run in zip(names, runs, strict=True)]
    broken = make_run(tmp_path, "failed-run", {"seed": 2}, state="failed")
    return [*found, entry("b2", 2, "failed", broken), entry("a2", 2, "queued", None)]


def test_jobs_that_are_done_are_in_it_and_the_others_are_said_to_be_left_out(tmp_path, entries):
    made = report_on("my_sweep", entries, tmp_path, photographs=0)
    assert made.path == tmp_path / "reports" / "my_sweep.html"
    assert made.line == f"{made.path} (4 runs, 2 of 6 jobs left out: not done, or without scores)"
    (listed,) = list_reports(reports_folder(tmp_path))
    assert (listed.title, listed.runs, listed.name) == ("my_sweep", 4, "my_sweep.html")
    page = made.path.read_text()
    assert f"oldrestore reproduce {tmp_path / 'e' / 'd1-1'}" in page
    assert "failed-run" not in page, "a failed run is no result"
    # Again, with all done: the page is replaced, and nothing is said to be missing.
    again = report_on("my_sweep", entries[:4], tmp_path, photographs=0)
    assert again.line == f"{made.path} (4 runs)"
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["index.html", "my_sweep.html"]
    assert 'href="my_sweep.html"' in (made.path.parent / "index.html").read_text()


def test_a_sweep_over_the_protocol_has_groups_apart(tmp_path, entries):
    other = make_run(tmp_path, "c0", {"evaluation.size": 64}, choices={"loss": "c"})
    made = report_on("s", [*entries[:4], entry("c0", 0, "done", other)], tmp_path, photographs=0)
    assert made.line == f"{made.path} (5 runs)"
    assert f"oldrestore reproduce {other}" in made.path.read_text()


def test_whatever_goes_wrong_is_said_and_not_raised(tmp_path, entries, monkeypatch):
    assert report_on("s", entries[4:], tmp_path).line == "none, for no job is done"
    bare = make_run(tmp_path, "bare", scored={})
    gone = entry("gone", 0, "done", tmp_path / "removed")
    assert report_on("s", [entry("bare", 0, "done", bare), gone], tmp_path).line.startswith(
        "none, for no run has scores"
    )
    (tmp_path / "reports").write_text("a file stands where the folder should be")
    refused = report_on("s", entries, tmp_path, photographs=0)
    assert refused.path is None
    assert refused.line.startswith("none: the report cannot be written to")
    for error, words in (
        (RuntimeError("a bug\nof two lines"), "none: RuntimeError: a bug of two lines"),
        (MemoryError(), "none: MemoryError: no reason given"),
        (KeyboardInterrupt(), "none: it was stopped"),
    ):

        def fail(*_: object, error=error, **__: object) -> None:
            raise error

        monkeypatch.setattr(contents, "gather", fail)
        made = report_on("s", entries, tmp_path, photographs=0)
        assert (made.path, made.line) == (None, words)
