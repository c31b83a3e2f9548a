"""What is known by eye of ai-benchmark's classification photographs: class, certainty, unnatural colours."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class EyeLabel:
    """One row of ``ai_benchmark_labels.csv``, which was labelled for this project.

    Attributes
    ----------
    file : str
        File name under ``ai_benchmark/data/classification``.
    class_index : int or None
        ImageNet class 0..999; None where no class fits.
    certainty : str
        "sure", "likely" or "none".
    note : str
        What is particular; ``NATURE:`` introduces what makes the colours unnatural (render, composite,
        toning, almost no colour).
    """

    file: str
    class_index: int | None
    certainty: str
    note: str

    @property
    def natural(self) -> bool:
        """Whether nothing speaks against its colours."""
        return "NATURE" not in self.note

    @property
    def judged(self) -> bool:
        """Whether it belongs to `labelled_photos`, and therefore never to a training set."""
        return self.certainty == "sure" and self.natural

    @property
    def why_unnatural(self) -> str:
        """What follows ``NATURE:`` in the note."""
        return self.note.partition("NATURE:")[2].strip() or self.note


def eye_labels() -> tuple[EyeLabel, ...]:
    """Return the 100 rows, in the file's order."""
    text = resources.files("oldrestore.data").joinpath("ai_benchmark_labels.csv").read_text(encoding="utf-8")
    return tuple(
        EyeLabel(
            file=row["file"],
            class_index=int(row["class_index"]) if row["class_index"] else None,
            certainty=row["certainty"],
            note=row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    )
