"""Stands for run folder and trackers in the processes of a run that write nothing down."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Unrecorded:
    """Takes what a run emits and keeps nothing: of several processes that train together, only rank 0 records.

    Parameters
    ----------
    path : Path
        The run folder, which rank 0 writes.
    """

    patience = 0.0

    def __init__(self, path: Path) -> None:
        self.path = path

    def marks(self) -> dict[str, int]:
        """No record has a length here."""
        return {}

    def nothing(self, *arguments: Any, **more: Any) -> None:
        """Keep nothing."""

    scalars = accuracy = per_image = panel = log = start = finish = write_table = nothing
