"""The corpus of bad inputs: made anew by each test run from seeds, never kept as files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.reliability.cases import Case
from tests.reliability.damaged import damaged_files
from tests.reliability.entries import odd_entries
from tests.reliability.pictures import whole_pictures


@cache
def corpus() -> tuple[Case, ...]:
    """Every case, in the order of the table."""
    cases = (*damaged_files(), *whole_pictures(), *odd_entries())
    assert len({case.name for case in cases}) == len(cases), "two cases have one name"
    return cases


def write_cases(cases: Iterable[Case], folder: Path) -> Path:
    """Put cases into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        path = case.path_in(folder)
        if callable(case.content):
            case.content(path)
        else:
            path.write_bytes(case.content)
    return folder
