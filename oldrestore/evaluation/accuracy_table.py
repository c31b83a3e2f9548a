"""The accuracy table's rows, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from oldrestore.evaluation.scores import ImageScore
from oldrestore.statistics import wilson_interval
from oldrestore.tables import percent, plain_table

if TYPE_CHECKING:
    from rich.table import Table

# Recoloured by the model, unmodified, lightness alone.
VERSIONS = ("iter", "orig", "gray")


class JudgedPhoto(NamedTuple):
    """What the judge said of one version of one photograph.

    `label` is the true class, `top1` the one the judge thinks likeliest, and `probability` the judge's of the true
    class, 0..1. Where a photograph has further true classes (`also`), any of them is right, and their probabilities
    add up.
    """

    image: str
    version: str
    label: int
    top1: int
    probability: float
    also: tuple[int, ...] = ()

    @property
    def correct(self) -> int:
        """1 if the judge is right, else 0."""
        return int(self.top1 == self.label or self.top1 in self.also)


@dataclass(frozen=True)
class AccuracyRow:
    """Cumulative accuracy after the first `n` photographs.

    Accuracies are top-1, 0..1, of recoloured, unmodified and gray photographs. Probabilities are means of the true
    class's: they move where accuracy only jumps by photographs. The gap closed is (iter - gray) / (orig - gray) by
    either: 0 is no better than gray, 1 as good as the original; below 0, colour that harms. None if orig and gray are
    equal: there is no gap then.
    """

    iteration: int  # as `n`: photographs judged so far
    iter_accuracy: float
    orig_accuracy: float
    gray_accuracy: float
    n: int
    iter_probability: float
    orig_probability: float
    gray_probability: float
    gap_closed: float | None
    gap_closed_probability: float | None


def gap_closed(ours: float, original: float, gray: float) -> float | None:
    """Share of the gap between gray and original that is closed; None if there is no gap."""
    return None if original == gray else (ours - gray) / (original - gray)


def accuracy_row(judged: Sequence[JudgedPhoto], n: int) -> AccuracyRow:
    """Compute the row after the first `n` photographs; `judged` holds the three versions of each in turn."""
    by_version = [judged[start : n * len(VERSIONS) : len(VERSIONS)] for start in range(len(VERSIONS))]
    accuracy = [sum(photo.correct for photo in photos) / n for photos in by_version]
    probability = [sum(photo.probability for photo in photos) / n for photos in by_version]
    return AccuracyRow(n, *accuracy, n, *probability, gap_closed(*accuracy), gap_closed(*probability))


@dataclass(frozen=True)
class AccuracyTable:
    """What a judge said of a set of photographs: of each, in order, its three versions (iter, orig, gray)."""

    judge: str
    rows: list[AccuracyRow]
    judged: list[JudgedPhoto]

    @property
    def final(self) -> AccuracyRow:
        """The last row: the whole set."""
        return self.rows[-1]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Rows as dicts, for CSV and for trackers."""
        return [asdict(row) for row in self.rows]

    def values(self) -> dict[str, float]:
        """Return the last row as scalars; a gap that does not exist is left out."""
        final = self.as_dicts()[-1]
        return {name: float(value) for name, value in final.items() if value is not None and name != "iteration"}

    def per_image(self) -> list[ImageScore]:
        """Rows for per_image.csv: VERSION_correct (0 or 1), VERSION_probability, VERSION_top1 (class)."""
        return [
            ImageScore(photo.image, f"{photo.version}_{name}", float(getattr(photo, name)))
            for photo in self.judged
            for name in ("correct", "probability", "top1")
        ]

    def interval(self, version: str) -> tuple[float, float]:
        """95% Wilson interval of a version's accuracy on the whole set, 0..1."""
        photos = [photo for photo in self.judged if photo.version == version]
        return wilson_interval(sum(photo.correct for photo in photos), len(photos))

    def render(self, whole_set_only: bool = False) -> Table:
        """Lay out a table for the terminal (80 columns): percent, and under it each accuracy's 95% interval."""
        intervals = ", ".join(
            f"{version} {percent(low).rstrip('%')}-{percent(high)}"
            for version, (low, high) in ((version, self.interval(version)) for version in VERSIONS)
        )
        table = plain_table(
            f"judge {self.judge}, n = {self.final.n}",
            f"95% intervals: {intervals}\np: mean probability of the true class; closed: (iter - gray) / (orig - gray)",
            numbers=("photos", "iter", "orig", "gray", "closed", "p iter", "p orig", "p gray", "closed"),
        )
        for row in self.rows[-1:] if whole_set_only else self.rows:
            table.add_row(
                str(row.iteration),
                *map(percent, (row.iter_accuracy, row.orig_accuracy, row.gray_accuracy)),
                _gap(row.gap_closed),
                *(f"{p:.3f}" for p in (row.iter_probability, row.orig_probability, row.gray_probability)),
                _gap(row.gap_closed_probability),
            )
        return table


def _gap(share: float | None) -> str:
    return "none" if share is None else percent(share)
