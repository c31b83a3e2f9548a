"""The report at the end of a sweep: of the jobs that are done, and never in the sweep's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.sweeps.ledger import Entry


@dataclass(frozen=True)
class SweepReport:
    """How the report came out.

    Attributes
    ----------
    path : Path or None
        The page; None if there is none.
    line : str
        What to tell the user.
    """

    path: Path | None
    line: str


def report_on(name: str, entries: Sequence[Entry], outputs: Path, photographs: int = 24) -> SweepReport:
    """Write ``outputs/reports/NAME.html`` of a sweep's jobs that are done; whatever goes wrong is said, not raised.

    Jobs that were measured otherwise than others (a sweep may vary that too) stand in groups apart.

    Parameters
    ----------
    name : str
        Of the sweep.
    entries : sequence of Entry
        Lines of its ledger.
    outputs : Path
        The root of run folders.
    photographs : int
        Of the gallery.
    """
    done = [Path(entry.folder) for entry in entries if entry.state == "done" and entry.folder]
    if not done:
        return SweepReport(None, "none, for no job is done")
    try:
        from oldrestore.records.run import Run
        from oldrestore.report.contents import gather
        from oldrestore.report.page import write_page
        from oldrestore.report.shelf import reports_folder

        found = [Run(folder) for folder in done if (folder / "config.yaml").is_file()]
        runs = [run for run in found if not run.scores.empty]
        if not runs:
            return SweepReport(None, "none, for no run has scores of photographs")
        path = reports_folder(outputs) / f"{name}.html"
        report = gather(runs, title=name, anyway=True, photographs=photographs)
        write_page(report, path)
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
