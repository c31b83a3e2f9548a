"""Scores as rows of a run's files and as scalars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.evaluation.scores import ImageScore


def rows_of(scores: Iterable[ImageScore], trained_iterations: int, set_name: str) -> list[dict[str, Any]]:
    """Rows of ``per_image.csv``."""
    return [{"trained_iterations": trained_iterations, "set": set_name, **score._asdict()} for score in scores]


def judged_values(table: AccuracyTable) -> dict[str, float]:
    """Figures of an accuracy table's last row as scalars; a gap that does not exist is left out."""
    final = table.as_dicts()[-1]
    return {
        f"judged/{name}": float(value) for name, value in final.items() if value is not None and name != "iteration"
    }
