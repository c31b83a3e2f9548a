"""Replaces run folder and trackers in the processes of a run that record nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Unrecorded:
    """Accepts what a run emits and keeps nothing: only rank 0 records.

    Parameters
    ----------
    path : Path
        The run folder, written by rank 0.
    """

    patience = 0.0

    def __init__(self, path: Path) -> None:
        self.path = path

    def marks(self) -> dict[str, int]:
        """Return no lengths: there are no records here."""
        return {}

    def nothing(self, *arguments: Any, **more: Any) -> None:
        """Keep nothing."""

    scalars = accuracy = per_image = panel = log = start = finish = write_table = nothing
