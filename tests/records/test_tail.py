"""A run folder is told as it grows: everything once, in order, as it was recorded, and nothing that is half written."""

import json
import os
from datetime import UTC, datetime

import numpy as np

from oldrestore.records.tail import MOST_AT_ONCE, Tail, times_of


def values(tail: Tail) -> list[tuple[int, dict]]:
    return [(line.iteration, line.values) for lines in tail.scalars() for line in lines]


def test_scalars_come_once_and_whole(folder):
    tail = Tail(folder.path)
    assert values(tail) == []
    folder.scalars(0, {"loss": 1 / 3})
    folder.scalars(1, {"bad": float("inf")})
    assert values(tail) == [(0, {"loss": 1 / 3}), (1, {"bad": float("inf")})]
    assert values(tail) == []
    folder.scalars(2, {"loss": 0.25})
    path = folder.path / "metrics.jsonl"
    line = json.dumps({"iteration": 3, "time": 9.5, "values": {"ä": 1.0}}, ensure_ascii=False).encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        file.write(line[:-4])
        assert values(tail) == [(2, {"loss": 0.25})]
        file.write(line[-4:])
    (((late,)),) = tail.scalars()
    assert (late.iteration, late.seconds, late.values) == (3, 9.5, {"ä": 1.0})
    for iteration in range(4, MOST_AT_ONCE + 5):
        folder.scalars(iteration, {"loss": 1.0})
    assert [len(lines) for lines in tail.scalars()] == [MOST_AT_ONCE, 1]


def test_rows_of_the_table_come_once_with_their_columns(folder, rows):
    tail = Tail(folder.path)
    assert tail.accuracy() == []
    folder.accuracy(rows[:1], 100)
    assert tail.accuracy() == [{"trained_iterations": 100, **rows[0]}]
    assert tail.accuracy() == []
    folder.accuracy(rows, 400)
    assert tail.accuracy() == [{"trained_iterations": 400, **row} for row in rows]
    assert Tail(folder.path).accuracy()[1:] == [{"trained_iterations": 400, **row} for row in rows]


def test_pictures_and_notes_come_once(folder, picture):
    tail = Tail(folder.path)
    assert (list(tail.panels()), list(tail.texts())) == ([], [])
    folder.panel("holes-size/64", 1200, picture, "Input | Output")
    folder.panel("holes-size/64", 600, 255 - picture)
    folder.text("note", "# Hello")
    (folder.path / "samples" / ".half-000700.png.7.tmp").write_bytes(b"half")
    first, second = tail.panels()
    assert (first.name, first.iteration, first.caption) == ("holes-size-64", 600, "")
    assert (second.name, second.iteration, second.caption) == ("holes-size-64", 1200, "Input | Output")
    np.testing.assert_array_equal(first.rgb, 255 - picture)
    assert list(tail.texts()) == [("note", "# Hello\n")]
    assert (list(tail.panels()), list(tail.texts())) == ([], [])
    folder.text("note", "# Hello again")
    assert list(tail.texts()) == [("note", "# Hello again\n")]


def test_when_a_run_began_and_ended(folder):
    def milliseconds(text: str) -> int:
        return round(datetime.fromisoformat(text).timestamp() * 1000)

    folder.status("running")
    status = json.loads((folder.path / "status.json").read_text())
    began = milliseconds(status["started"])
    assert times_of(folder.path) == (began, began)
    folder.scalars(1, {"loss": 1.0})  # the last sign of one that is killed
    last = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    os.utime(folder.path / "metrics.jsonl", (last, last))
    assert times_of(folder.path) == (began, round(last * 1000))
    folder.status("finished")
    status = json.loads((folder.path / "status.json").read_text())
    assert times_of(folder.path) == (began, milliseconds(status["ended"]))
