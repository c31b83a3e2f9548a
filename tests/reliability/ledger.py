"""What the reliability tests tried and what came of it: recorded by the tests, shown in docs/reliability.md.

A test records each class of inputs or faults in one call::

    ledger.record("truncated JPEG", through="restore", said=5, sentence="“truncated file”")

The committed record is docs/reliability.json. A test that counts otherwise than is recorded there fails, so that the
page cannot say what the tests do not show. ``python docs/reliability_table.py --record`` runs the tests, keeps what
they count and writes the tables of docs/reliability.md.
"""

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
RECORD, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
WRITE = "OLDRESTORE_RECORD_RELIABILITY"  # the environment variable that makes tests record instead of compare


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the page: what was tried, by which test, and how many came out right or were answered in a sentence.

    `varies` means that `right` and `said` depend on the versions of libraries (what a decoder makes of a flipped bit):
    only their sum is compared then.
    """

    section: str
    what: str
    through: str
    right: int = 0
    said: int = 0
    sentence: str = ""
    test: str
    slow: bool = False
    varies: bool = False

    @property
    def tried(self) -> int:
        return self.right + self.said

    @property
    def key(self) -> tuple[str, str, str]:
        return self.section, self.what, self.through


@dataclass(frozen=True)
class Ledger:
    """Takes what one test counted; the test has pytest's name: ``tests/reliability/test_x.py::test_y``."""

    section: str
    test: str
    slow: bool

    def record(self, what: str, **counted: str | int | bool) -> None:
        """Record a `Line`, or fail if the recorded one counts otherwise."""
        found = Line(section=self.section, what=what, test=self.test, slow=self.slow, **counted)
        assert found.tried > 0, f"{what}: nothing was tried"
        lines = read_lines()
        if os.environ.get(WRITE):
            lines = [line for line in lines if line.key != found.key] + [found]
            order = list(dict.fromkeys(line.section for line in lines))
            lines.sort(key=lambda line: (order.index(line.section), line.test, line.through))
            RECORD.write_text(json.dumps([asdict(line) for line in lines], indent=1, ensure_ascii=False) + "\n")
            return
        known = next((line for line in lines if line.key == found.key), None)
        how = "run python docs/reliability_table.py --record and look at what changed"
        assert known is not None, f"docs/reliability.json has no line {found.key}: {how}"
        for name in ("test", "tried", *(() if found.varies else ("right", "said"))):
            recorded, now = getattr(known, name), getattr(found, name)
            assert recorded == now, f"{found.key}: recorded {name} {recorded}, now {now}: {how}"


def read_lines() -> list[Line]:
    return [Line(**line) for line in json.loads(RECORD.read_text())] if RECORD.exists() else []


def table(lines: list[Line]) -> str:
    """Return the Markdown table of one section: a row for each class, summed over what it went through, and the sum.

    What most rows went through stands once, above it.
    """
    rows = {line.what: [other for other in lines if other.what == line.what] for line in lines}
    through = {
        what: "; ".join(f"{line.through}*" if line.slow else line.through for line in same)
        for what, same in rows.items()
    }
    usual, count = Counter(through.values()).most_common(1)[0]
    written = [f"Through: {usual}, unless a row names another way.\n"] if count > 1 else []
    written += ["| what | through | tried | right | said | |", "|---|---|--:|--:|--:|---|"]
    for what, same in rows.items():
        sentence = next((line.sentence for line in same if line.sentence), "").replace("|", "\\|")
        way = "" if count > 1 and through[what] == usual else through[what]
        written.append(f"| {what} | {way} | {' | '.join(_sums(same))} | {sentence} |")
    written.append("| **all** | | " + " | ".join(f"**{number}**" for number in _sums(lines)) + " | |")
    return "\n".join(written)


def _sums(lines: list[Line]) -> list[str]:
    return [str(sum(getattr(line, name) for line in lines)) for name in ("tried", "right", "said")]


def page(text: str, lines: list[Line]) -> str:
    """Return the page with its tables as recorded."""
    for section in dict.fromkeys(line.section for line in lines):
        begin, end = f"<!-- table: {section} -->", "<!-- end of table -->"
        before, _, rest = text.partition(begin)
        made = f"{begin}\n\n{table([line for line in lines if line.section == section])}\n\n{end}"
        text = before + made + rest.partition(end)[2]
    return text
