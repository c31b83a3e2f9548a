"""Lists runs from their folders; imports neither Paddle nor a tracker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.tracking.reader import read_accuracy, read_status, state_in_words


@dataclass(frozen=True)
class RunSummary:
    """One run as a list shows it."""

    run_id: str
    experiment: str
    state: str
    started: str | None
    iter_accuracy: float | None
    orig_accuracy: float | None
    gray_accuracy: float | None
    n: int | None
    folder: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)


def list_runs(outputs: Path) -> list[RunSummary]:
    """Every run under an outputs folder, oldest first."""
    folders = (path.parent for path in outputs.glob("*/*/status.json"))
    return sorted((summarise(folder) for folder in folders), key=lambda run: (run.started or "", run.run_id))


def summarise(folder: Path) -> RunSummary:
    """Read what a list shows of one run; what is damaged leaves its fields empty."""
    try:
        status = read_status(folder)
        state = state_in_words(status)
    except UserError:
        status, state = {}, "unreadable"
    try:
        rows = read_accuracy(folder)
    except (UserError, ValueError, OSError):
        rows = []
    accuracy = rows[-1] if rows else {}
    return RunSummary(
        run_id=folder.name,
        experiment=folder.parent.name,
        state=state,
        started=status.get("started"),
        iter_accuracy=accuracy.get("iter_accuracy"),
        orig_accuracy=accuracy.get("orig_accuracy"),
        gray_accuracy=accuracy.get("gray_accuracy"),
        n=accuracy.get("n"),
        folder=str(folder),
    )
