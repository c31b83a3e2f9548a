"""The report at the end of a sweep: it covers the jobs that are done, and its failure is not the sweep's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oldrestore.errors import UserError
from oldrestore.sweeps.ledger import Entry

if TYPE_CHECKING:
    from oldrestore.report.searched import Searched


class SweepReport(NamedTuple):
    """The page, if there is one, and the line that tells the user."""

    path: Path | None
    line: str


def report_on(
    name: str,
    entries: Sequence[Entry],
    outputs: Path,
    photographs: int = 24,
    notes: Sequence[str] = (),
    searched: Callable[[], Searched | None] = lambda: None,
) -> SweepReport:
    """Write ``outputs/reports/NAME.html`` about the jobs that are done; whatever goes wrong is said, not raised.

    Jobs that were measured differently (a sweep may vary that too) are shown as separate groups. `notes` are sentences
    below its title; `searched` gives the trials of a search.
    """
    done = [Path(entry.folder) for entry in entries if entry.state == "done" and entry.folder]
    if not done:
        return SweepReport(None, "none, for no job is done")
    try:
        from oldrestore.records.run import Run
        from oldrestore.report.contents import gather
        from oldrestore.report.page import write_page
        from oldrestore.report.shelf import report_path, write_index

        runs = [run for folder in done if (folder / "config.yaml").is_file() and not (run := Run(folder)).scores.empty]
        failed = [entry for entry in entries if entry.state == "failed"]
        notes = (*notes, *(f"{e.in_words()} failed ({e.reason or 'no reason is recorded'})" for e in failed))
        if not runs:
            return SweepReport(None, "none, for no run has scores of photographs")
        path = report_path(outputs, name)
        gathered = gather(runs, title=name, anyway=True, photographs=photographs)
        write_page(replace(gathered, notes=tuple(notes), searched=searched()), path)
        write_index(outputs)
    except UserError as error:
        return SweepReport(None, f"none: {error}")
    except KeyboardInterrupt:
        return SweepReport(None, "none: it was stopped")
    # The jobs are done; a page that cannot be drawn must not make a failure of them.
    except Exception as error:  # noqa: BLE001
        return SweepReport(None, f"none: {type(error).__name__}: {' '.join(str(error).split()) or 'no reason given'}")
    left_out = len(entries) - len(runs)
    rest = f", {left_out} of {len(entries)} jobs left out: not done, or without scores" if left_out else ""
    return SweepReport(path, f"{path} ({len(runs)} run{'s' if len(runs) > 1 else ''}{rest})")
