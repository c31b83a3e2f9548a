"""docs/reliability.md says what the tests recorded, and every row names a test that exists."""

import re
from pathlib import Path

import pytest

from tests.reliability import ledger as ledgers
from tests.reliability.ledger import PAGE, Ledger, Line, page, read_lines, table

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_what_is_recorded():
    lines, text = read_lines(), PAGE.read_text()
    assert page(text, lines) == text, "run python docs/reliability_table.py"
    assert len({line.key for line in lines}) == len(lines) > 100
    for line in lines:
        file, _, name = line.test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), f"{line.test} is gone: record anew"
    assert {line.section for line in lines} == set(re.findall(r"<!-- table: (.*) -->", text))


def test_a_test_that_counts_otherwise_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(ledgers, "RECORD", tmp_path / "record.json")
    monkeypatch.delenv(ledgers.WRITE, raising=False)
    ledger = Ledger("Files", "tests/x.py::test_y", slow=False)
    found = {"through": "decoding", "right": 1, "said": 2, "sentence": "no | more"}
    with pytest.raises(AssertionError, match="has no line"):
        ledger.record("cut", **found)
    monkeypatch.setenv(ledgers.WRITE, "1")
    ledger.record("cut", **found)
    ledger.record("flipped", **found, varies=True)
    monkeypatch.delenv(ledgers.WRITE)
    ledger.record("cut", **found)
    ledger.record("flipped", **{**found, "right": 3, "said": 0, "varies": True})
    for wrong, sentence in (
        ({"right": 2, "said": 1}, "recorded right 1, now 2"),
        ({"right": 2}, "recorded tried 3, now 4"),
        ({"right": 0, "said": 0}, "nothing was tried"),
    ):
        with pytest.raises(AssertionError, match=sentence):
            ledger.record("cut", **{**found, **wrong})
    with pytest.raises(AssertionError, match=r"recorded test tests/x\.py::test_y"):
        Ledger("Files", "tests/x.py::test_z", slow=False).record("cut", **found)


def test_tables_stand_where_the_page_has_a_place_for_them():
    lines = [
        Line(section="Files", what="cut", through="decoding", right=1, said=2, sentence="“no | more”", test="t"),
        Line(section="Files", what="odd", through="decoding", right=4, test="t"),
        Line(section="Files", what="odd", through="restore", right=3, said=1, sentence="“odd”", test="t", slow=True),
        Line(section="Files", what="old", through="decoding", right=1, test="t"),
        Line(section="Faults", what="disk full", through="train", right=1, test="t"),
    ]
    places = (
        "<!-- table: Files -->\nold\n<!-- end of table -->\n\nMore.\n<!-- table: Faults -->\n<!-- end of table -->\n"
    )
    made = page(places, lines)
    assert made == page(made, lines)
    assert "\n\nMore.\n" in made and "\nold\n" not in made
    assert made.endswith(f"<!-- table: Faults -->\n\n{table(lines[4:])}\n\n<!-- end of table -->\n")
    assert "Through: decoding, unless a row names another way.\n\n| what |" in made
    assert "| cut |  | 3 | 1 | 2 | “no \\| more” |" in made
    assert "| odd | decoding; restore* | 8 | 7 | 1 | “odd” |" in made
    assert "| **all** | | **12** | **9** | **3** | |" in made
    assert "| disk full | train | 1 | 1 | 0 |  |" in made
