"""docs/reliability.md says what the tests recorded, and every row names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reliability import ledger as ledgers
from tests.reliability.ledger import PAGE, Ledger, Line, page, read_lines, table

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_what_is_recorded():
    text = PAGE.read_text()
    assert page(text, read_lines()) == text, "run python docs/reliability_table.py"


def test_the_committed_page_shows_nothing_lost():
    lines = read_lines()
    assert len(lines) > 100
    assert all(line.right + line.said == line.tried for line in lines)
    assert len({line.key for line in lines}) == len(lines)
    for line in lines:
        file, _, name = line.test.partition("::")
        assert f"def {name.rpartition('::')[2]}(" in (ROOT / file).read_text(), f"{line.test} is gone: record anew"
    assert {line.section for line in lines} == set(re.findall(r"<!-- table: (.*) -->", PAGE.read_text()))


@pytest.fixture
def own(tmp_path, monkeypatch) -> Ledger:
    monkeypatch.setattr(ledgers, "RECORD", tmp_path / "record.json")
    monkeypatch.delenv(ledgers.WRITE, raising=False)
    return Ledger("tests/x.py::test_y", slow=False)


def test_a_test_that_finds_other_numbers_fails(own, monkeypatch):
    found = {"through": "decoding", "tried": 3, "right": 1, "said": 2, "sentence": "no | more"}
    with pytest.raises(AssertionError, match="has no line"):
        own.record("Files", "cut", **found)
    monkeypatch.setenv(ledgers.WRITE, "1")
    own.record("Files", "cut", **found)
    own.record("Files", "flipped", **{**found, "varies": True})
    monkeypatch.delenv(ledgers.WRITE)
    own.record("Files", "cut", **found)
    own.record("Files", "flipped", **{**found, "right": 3, "said": 0, "varies": True})
    for wrong, sentence in (
        ({"right": 2, "said": 1}, "recorded Line"),
        ({"tried": 4, "right": 2}, "3 recorded as tried, now 4"),
        ({"said": 1}, "the rest was lost"),
        ({"tried": 0, "right": 0, "said": 0}, "nothing was tried"),
    ):
        with pytest.raises(AssertionError, match=sentence):
            own.record("Files", "cut", **{**found, **wrong})
    with pytest.raises(AssertionError, match=r"recorded by tests/x\.py::test_y"):
        Ledger("tests/x.py::test_z", slow=False).record("Files", "cut", **found)


def test_tables_stand_where_the_page_has_a_place_for_them():
    lines = [
        Line("Files", "cut", "decoding", 3, 1, 2, "“no | more”", "t"),
        Line("Files", "odd", "decoding", 4, 4, 0, "", "t"),
        Line("Files", "odd", "restore", 4, 3, 1, "“odd”", "t", slow=True),
        Line("Faults", "disk full", "train", 1, 1, 0, "", "t"),
    ]
    text = "# Page\n\n## Files\n\nWords.\n\n<!-- table: Files -->\nold\n<!-- end of table -->\n\nMore.\n"
    made = page(text, lines)
    assert made == page(made, lines)
    assert "old" not in made and "\n\nMore.\n" in made
    assert made.endswith(f"## Faults\n\n<!-- table: Faults -->\n\n{table(lines[3:])}\n\n<!-- end of table -->\n")
    assert "| cut | decoding | 3 | 1 | 2 | 0 | “no \\| more” |" in made
    assert "| odd | decoding; restore* | 8 | 7 | 1 | 0 | “odd” |" in made
    assert "| **all** | | **11** | **8** | **3** | **0** | |" in made
