"""What a narrator prints and records: tables without trailing blanks, and lines that only the log is given."""

import io
import os

from rich.console import Console
from rich.table import Table

from oldrestore.narrator import Narrator
from oldrestore.tables import plain_table


def table() -> Table:
    made = Table(title="Scores", title_justify="left", box=None)
    made.add_column("name")
    made.add_column("what it is")
    made.add_row("a", "[bold]one[/bold]")
    made.add_row("b", "")
    return made


def test_a_table_is_printed_and_recorded_without_trailing_blanks():
    out, recorded = io.StringIO(), []
    Narrator(recorded.append, Console(file=out, width=40)).show(table())
    lines = out.getvalue().splitlines()
    assert [line.split() for line in lines] == [["Scores"], ["name", "what", "it", "is"], ["a", "one"], ["b"]]
    assert recorded == lines == [line.rstrip() for line in lines]


def test_a_table_ends_with_its_last_line():
    out = io.StringIO()
    Narrator(console=Console(file=out, width=40)).show(plain_table("Scores", None, texts=("name",)))
    assert out.getvalue().splitlines() == ["Scores", "", " name", " ────"]


def test_colours_of_a_terminal_stay():
    out = io.StringIO()
    Narrator(console=Console(file=out, width=40, force_terminal=True, color_system="standard")).show(table())
    assert "\x1b[1mone\x1b[0m\n" in out.getvalue()


def test_what_is_only_recorded_is_not_printed():
    out, recorded = io.StringIO(), []
    Narrator(recorded.append, Console(file=out, width=40)).record_only("first", table(), "", "last")
    assert (recorded[0], recorded[-2:], len(recorded)) == ("first", ["", "last"], 7)
    Narrator(console=Console(file=out)).record_only("nobody keeps it")
    assert out.getvalue() == ""


def test_a_reader_that_leaves_does_not_end_what_is_watched(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    recorded: list[str] = []
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        narrator = Narrator(recorded.append)
        narrator.say("one")
        narrator.say("two")
        print("three", flush=True)
    assert recorded == ["one", "two"]
