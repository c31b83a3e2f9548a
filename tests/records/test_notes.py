"""Tags and notes of a run: one small file, that no process loses a word of and nothing else reads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.records.listing import list_runs, read_condition, summary_of
from oldrestore.records.notes import FILE, Notes, change_notes, check_note, check_tag, read_notes
from oldrestore.records.run import Run
from tests.records.test_listing import make_run


def test_tags_come_and_go_and_an_empty_file_goes_too(tmp_path):
    run = make_run(tmp_path, "r01")
    assert read_notes(run) == Notes()
    assert change_notes(run, lambda notes: notes.with_tags(["b", "a"]))[1].tags == ("a", "b")
    before, after = change_notes(run, lambda notes: notes.with_tags(["c", "a"]).without_tags(["b", "no"]))
    assert (before.tags, after.tags) == (("a", "b"), ("a", "c"))
    assert json.loads((run / FILE).read_text()) == {"tags": ["a", "c"], "note": None, "archived": False}
    change_notes(run, lambda notes: notes.without_tags(["a", "c"]))
    assert not (run / FILE).exists()


WRITER = """
import sys
from pathlib import Path
from oldrestore.records.notes import change_notes
for number in range(25):
    change_notes(Path(sys.argv[1]), lambda notes: notes.with_tags([f"{sys.argv[2]}{number}"]))
"""


def test_of_several_processes_at_once_none_loses_a_tag(tmp_path):
    run = make_run(tmp_path, "r01")
    started = [subprocess.Popen([sys.executable, "-c", WRITER, str(run), name]) for name in "abc"]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]
    assert set(read_notes(run).tags) == {f"{name}{number}" for name in "abc" for number in range(25)}


def test_runs_are_found_by_tag(tmp_path):
    for name, tags in (("r01", ["paper", "best"]), ("r02", ["draft"]), ("r03", [])):
        change_notes(make_run(tmp_path, name), lambda notes, tags=tags: notes.with_tags(tags))

    def found(*conditions: str) -> list[str]:
        return [run.run_id for run in list_runs(tmp_path, [read_condition(text) for text in conditions])]

    assert found("tag=paper") == found("tag=best") == found("tag=pap*") == ["r01"]
    assert found("tag!=paper") == ["r02", "r03"] and found("tag=null") == []
    assert found("tag=paper", "tag=draft") == []
    assert Run(tmp_path / "e" / "r01").get("tag") == "best, paper"


def test_an_archived_run_is_no_equal_of_others(tmp_path):
    run = make_run(tmp_path, "r01")
    make_run(tmp_path, "r02")
    change_notes(run, lambda notes: Notes(notes.tags, "look here", True))
    assert [one.run_id for one in list_runs(tmp_path, archived=False)] == ["r02"]
    assert Run(run).kind == ("archived", "is archived")
    summary = summary_of(Run(run))
    assert (summary["written"], summary["archived"], summary["tags"]) == ("look here", True, [])


@pytest.mark.parametrize("content", ["[]", "{", '{"tags": "a"}', '{"tags": [1]}', '{"note": 1}', '{"archived": "no"}'])
def test_a_damaged_file_is_named_and_does_not_break_a_list(content, tmp_path, refusal):
    run = make_run(tmp_path, "r01")
    (run / FILE).write_text(content)
    assert str(run / FILE) in refusal(read_notes, run)
    (listed,) = list_runs(tmp_path, archived=False)
    assert summary_of(listed)["tags"] == []


@pytest.mark.parametrize("tag", ["", " a", "a,b", "a=b", "a*", "a\nb", "x" * 61])
def test_what_is_no_tag_is_refused(tag, refusal):
    assert "cannot be a tag: write up to 60 characters" in refusal(check_tag, tag)
    assert check_tag("for the paper, "[:-2]) == "for the paper"


def test_a_note_has_a_length(refusal):
    assert check_note("  ") is None and check_note(" a ") == "a"
    assert "5001 characters" in refusal(check_note, "x" * 5001)


def test_of_a_run_that_is_gone_nothing_is_written(tmp_path, refusal):
    run = make_run(tmp_path, "r01")
    run.rename(tmp_path / "e" / "other")
    assert "is gone" in refusal(change_notes, run, lambda notes: notes)
    assert not Path(run).exists()
