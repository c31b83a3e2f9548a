"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.evaluation.accuracy_table import AccuracyTable


@dataclass
class Outcome:
    """How a run ended.

    Attributes
    ----------
    state : str
        ``finished``, ``failed`` or ``killed``.
    folder : Path
        The run folder.
    reason : str or None
        Why it did not finish, in one sentence.
    table : AccuracyTable or None
        The last accuracy table.
    summary : dict of float
        The last value of each evaluated measure.
    further_tables : dict
        Last printable table of each of the protocol's own evaluators.
    """

    state: str
    folder: Path
    reason: str | None = None
    table: AccuracyTable | None = None
    summary: dict[str, float] = field(default_factory=dict)
    further_tables: dict[str, Any] = field(default_factory=dict)

    def tables(self) -> list[Any]:
        """Return what is to be printed at the end: the accuracy table and those of the protocol's evaluators."""
        own = [] if self.table is None else [self.table.render()]
        return own + list(self.further_tables.values())
