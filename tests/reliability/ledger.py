"""What the reliability tests tried and what came of it: recorded by the tests, shown in docs/reliability.md.

A test records each class of inputs or faults in one call::

    ledger.record("Photograph files", "truncated JPEG", through="restore", tried=5, right=0, said=5, sentence="...")

The committed record is docs/reliability.json. A test that finds other numbers than are recorded there fails, so that
the page cannot say what the tests do not show. ``python docs/reliability_table.py --record`` runs the tests, keeps what
they find and writes the tables of docs/reliability.md.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
RECORD, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
WRITE = "OLDRESTORE_RECORD_RELIABILITY"  # the environment variable that makes tests record instead of compare


@dataclass(frozen=True)
class Line:
    """One row of the page.

    Attributes
    ----------
    section : str
        Heading of its table.
    what : str
        The class of inputs or faults.
    through : str
        What they were run through.
    tried : int
    right : int
        Came out right; of faults: went on, and nothing was lost.
    said : int
        Were left out, refused or ended with a sentence, and the rest came out.
    sentence : str
        Such a sentence, or what is right about what came out.
    test : str
        File and name of the test.
    slow : bool
        Whether only ``make test-all`` runs it.
    varies : bool
        Whether `right` and `said` depend on the versions of libraries (what a decoder makes of a flipped bit): only
        `tried` is compared then.
    """

    section: str
    what: str
    through: str
    tried: int
    right: int
    said: int
    sentence: str
    test: str
    slow: bool = False
    varies: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it a row of its own."""
        return self.section, self.what, self.through


class Ledger:
    """Takes what one test found.

    Parameters
    ----------
    test : str
        As pytest names it: ``tests/reliability/test_x.py::test_y``.
    slow : bool
    """

    def __init__(self, test: str, slow: bool) -> None:
        self.test = test
        self.slow = slow

    def record(
        self,
        section: str,
        what: str,
        *,
        through: str,
        tried: int,
        right: int = 0,
        said: int = 0,
        sentence: str = "",
        varies: bool = False,
    ) -> None:
        """Record a row, or compare it with the recorded one.

        Raises
        ------
        AssertionError
            When something was neither right nor said, or the page says otherwise.
        """
        assert tried > 0, f"{what}: nothing was tried"
        assert right + said == tried, f"{what}: of {tried}, {right} were right and {said} said: the rest was lost"
        found = Line(section, what, through, tried, right, said, sentence, self.test, self.slow, varies)
        lines = read_lines()
        if os.environ.get(WRITE):
            write_lines([line for line in lines if line.key != found.key] + [found])
            return
        known = {line.key: line for line in lines}.get(found.key)
        how = "run python docs/reliability_table.py --record and look at what changed"
        assert known is not None, f"docs/reliability.json has no line {found.key}: {how}"
        assert known.test == found.test, f"{found.key} is recorded by {known.test}: {how}"
        assert known.tried == found.tried, f"{found.key}: {known.tried} recorded as tried, now {found.tried}: {how}"
        if not varies:
            same = (known.right, known.said) == (found.right, found.said)
            assert same, f"{found.key}: recorded {known}, found {found}: {how}"


def read_lines() -> list[Line]:
    """Return what is recorded."""
    return [Line(**line) for line in json.loads(RECORD.read_text())] if RECORD.exists() else []


def write_lines(lines: list[Line]) -> None:
    """Keep lines, in the order of sections, then as they came."""
    order = {section: number for number, section in enumerate(dict.fromkeys(line.section for line in lines))}
    lines = sorted(lines, key=lambda line: (order[line.section], line.test, line.through))
    RECORD.write_text(json.dumps([asdict(line) for line in lines], indent=1, ensure_ascii=False) + "\n")


def table(lines: list[Line]) -> str:
    """Return the Markdown table of one section: a row for each class, summed over what it went through, and the sum."""
    rows = ["| what | through | tried | right | said | lost | |", "|---|---|--:|--:|--:|--:|---|"]
    for what in dict.fromkeys(line.what for line in lines):
        same = [line for line in lines if line.what == what]
        through = "; ".join(f"{line.through}*" if line.slow else line.through for line in same)
        sentence = next((line.sentence for line in same if line.sentence), "").replace("|", "\\|")
        rows.append(f"| {what} | {through} | " + " | ".join(map(str, _sums(same))) + f" | {sentence} |")
    rows.append("| **all** | | " + " | ".join(f"**{number}**" for number in _sums(lines)) + " | |")
    return "\n".join(rows)


def _sums(lines: list[Line]) -> tuple[int, int, int, int]:
    tried, right, said = (sum(getattr(line, name) for line in lines) for name in ("tried", "right", "said"))
    return tried, right, said, tried - right - said


def page(text: str, lines: list[Line]) -> str:
    """Return the page with its tables as recorded; a section that the page has no place for comes last."""
    for section in dict.fromkeys(line.section for line in lines):
        begin, end = f"<!-- table: {section} -->", "<!-- end of table -->"
        made = f"{begin}\n\n{table([line for line in lines if line.section == section])}\n\n{end}"
        if begin in text:
            before, _, rest = text.partition(begin)
            text = before + made + rest.partition(end)[2]
        else:
            text = text.rstrip("\n") + f"\n\n## {section}\n\n{made}\n"
    return text
