"""Chooses the photographs of a report: the worst, the best, those designs disagree on, and others evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from oldrestore.comparison.designs import Design
from oldrestore.comparison.measures import Measure, table_of


@dataclass(frozen=True)
class ImageScores:
    """Scores of single photographs by one measure."""

    measure: Measure
    images: tuple[str, ...]  # sorted
    by_design: np.ndarray  # float64 (D, N), mean over the seeds of each design; NaN if a design has no score
    by_run: dict[str, np.ndarray]  # float64 (N,) by run id

    @property
    def goodness(self) -> np.ndarray:
        """Mean over designs, float64 (N,), negated if lower is better."""
        return self._over_designs(np.mean) * (-1.0 if self.measure.better == "min" else 1.0)

    @property
    def disagreement(self) -> np.ndarray:
        """Largest difference between two designs, float64 (N,)."""
        return self._over_designs(np.ptp)

    def _over_designs(self, of) -> np.ndarray:
        complete = self.by_design[np.isfinite(self.by_design).all(axis=1)]
        return of(complete, axis=0) if len(complete) else np.zeros(len(self.images))


def image_scores(designs: Sequence[Design], measures: Sequence[Measure]) -> list[ImageScores]:
    """Scores of validation photographs, for those of `measures` that are a mean over photographs."""
    tables = {run.folder: table_of(run) for design in designs for run in design.runs}
    scores = []
    for measure in measures:
        if measure.set_name != "val" or len(measure.metrics) != 1:
            continue
        key = (measure.set_name, measure.metrics[0])
        columns = {run.run_id: tables[run.folder].get(key) for design in designs for run in design.runs}
        columns = {run: column for run, column in columns.items() if column is not None}
        if not columns:
            continue
        images = next(iter(columns.values())).images
        by_design = np.full((len(designs), len(images)), np.nan)
        for row, design in zip(by_design, designs, strict=True):
            scored = [columns[run.run_id].values for run in design.runs if run.run_id in columns]
            if scored:
                row[:] = np.mean(scored, axis=0)
        scores.append(ImageScores(measure, images, by_design, {run: c.values for run, c in columns.items()}))
    return scores


def chosen_photographs(names: Sequence[str], scores: Sequence[ImageScores], count: int) -> list[str]:
    """Choose `count` of the photographs, in the order of `names`.

    A third are evenly spread, so that not only the remarkable is shown. The others are taken in turn: the worst, the
    best and the most disputed by the first measure with a better direction, then by the next, then the second of each.
    """
    if len(names) <= count:
        return list(names)
    chosen = dict.fromkeys(evenly_spread(names, max(1, count // 3)))
    orders = []
    for each in scores:
        if each.measure.better is None or not set(each.images) <= set(names):
            continue
        good = np.argsort(each.goodness, kind="stable")
        orders += [good, good[::-1]]
        if len(each.by_design) > 1:
            orders.append(np.argsort(-each.disagreement, kind="stable"))
        orders[-1] = orders[-1][: len(names)]
    images = scores[0].images if scores else ()
    for rank in zip_longest(*orders):
        for index in rank:
            if index is not None and len(chosen) < count:
                chosen[images[index]] = None
    for name in evenly_spread(names, count):
        if len(chosen) < count:
            chosen[name] = None
    return [name for name in names if name in chosen]


def evenly_spread(names: Sequence[str], count: int) -> list[str]:
    """Take `count` names evenly spread: neighbours by name often show the same place on the same day."""
    if len(names) <= count:
        return list(names)
    return [names[index * len(names) // count] for index in range(count)]
