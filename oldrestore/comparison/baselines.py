"""What needs no network, beside the designs: its scores, and which designs do not beat it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from oldrestore import runtime
from oldrestore.comparison.measures import Column, Measure, Table, table_of
from oldrestore.errors import UserError
from oldrestore.evaluation.baseline_scores import CEILINGS, TITLES, cache_path
from oldrestore.evaluation.metric_table import is_agreement
from oldrestore.records.run import Run, read_baselines
from oldrestore.statistics import PairedDifference, Scored, compare_designs, compare_with, holm

if TYPE_CHECKING:
    import pandas as pd

GRAY, MEAN, TINT, _, _, ORIGINAL = TITLES.values()
# The mean colour is one more tint; the others have the originals' own colours.
NO_FLOORS = (MEAN, *CEILINGS, ORIGINAL)
# Evaluators that measure something else beside the network name its figures so.
OF_EVALUATORS = {
    "nothing_": "damaged photographs",
    "classical_": "classical",
    "mean_": "filled with the mean",
    "biharmonic_": "biharmonic",
    "pasted_": "hints pasted",
}
LEVEL = 0.05
FEW = 400  # photographs that baselines are measured on at once, for a comparison of runs that lack them


@dataclass(frozen=True)
class AgainstFloor:
    """A design minus the floor of a column: the better of what it must beat to be worth anything."""

    floor: str  # title of the baseline
    difference: PairedDifference
    p_holm: float  # adjusted for the designs of the column
    beaten: bool  # the design is better, and significantly


@dataclass(frozen=True)
class Baselines:
    """Scores of what needs no network, by title, in the order of tables."""

    tables: Mapping[str, Table]

    def joined(self, table: Table) -> Table:
        """Add to a run's scores what each judge says under its best tint, for figures that are counted from it."""
        tint = self.tables.get(TINT, {})
        counted = {"iter_correct": "tint_correct", "iter_probability": "tint_probability"}
        return {**table, **{(s, counted[m]): column for (s, m), column in tint.items() if m in counted}}

    def scored(self, measure: Measure, images: tuple[str, ...]) -> dict[str, Scored]:
        """Return the figure of each baseline that has it, on the same photographs as the designs."""
        found = {}
        for title, table in self.tables.items():
            one = measure.of(table)
            if one is not None and measure.images(table) == images:
                found[title] = one
        return found


NONE = Baselines({})


def baselines_among(runs: Sequence[Run]) -> Baselines:
    """Return the baselines of runs that were measured alike: those of the first that knows them.

    What the judge says of gray and original photographs, and what an evaluator measures beside the network, is among
    the scores of every run. All else is in ``baselines.csv``, or in the cache of this machine.
    """
    frame = next((frame for run in runs if not (frame := known_scores(run)).empty), None)
    tables: dict[str, dict[tuple[str, str], Column]] = {title: {} for title in TITLES.values()}
    if frame is not None:
        for (baseline, set_name, metric), rows in frame.groupby(["baseline", "set", "metric"], sort=False):
            if baseline in TITLES:
                rows = rows.sort_values("image")
                columns = (rows["value"].to_numpy(), rows["weight"].to_numpy())
                tables[TITLES[baseline]][set_name, metric] = Column(tuple(rows["image"]), *columns)
    if not runs:
        return NONE
    ours = table_of(runs[0])
    for title, key, column in _among_own(ours):
        tables.setdefault(title, {}).setdefault(key, column)
    # What no design changes is the same for baselines, and figures are counted from it.
    shared = {
        (set_name, metric): column
        for (set_name, metric), column in ours.items()
        if ((set_name, "iter_correct") in ours and not metric.startswith("iter_"))
        or (is_agreement(set_name) and metric.startswith("gray_"))
    }
    found = Baselines({title: {**shared, **table} for title, table in tables.items() if table})
    return Baselines({title: found.joined(table) for title, table in found.tables.items()})


def _among_own(ours: Table) -> Iterator[tuple[str, tuple[str, str], Column]]:
    """Yield what a run's own scores say of baselines: title, set and metric that the network has, and scores."""
    for (set_name, metric), column in ours.items():
        if (set_name, "iter_correct") in ours:  # of the judge, or of a further one
            version, _, what = metric.partition("_")
            if version in ("gray", "orig"):
                yield GRAY if version == "gray" else ORIGINAL, (set_name, f"iter_{what}"), column
        elif is_agreement(set_name):
            if metric.startswith("gray_"):
                key = set_name, metric.removeprefix("gray_")
                yield GRAY, key, column
                agreed = float(key[1] in ("top1", "top5"))
                yield ORIGINAL, key, replace(column, values=np.full(len(column.values), agreed))
        elif set_name != "val":
            condition, _, own = metric.rpartition("/")
            for prefix, title in OF_EVALUATORS.items():
                network = own.removeprefix(prefix) if prefix == "pasted_" else f"network_{own.removeprefix(prefix)}"
                key = set_name, f"{condition}/{network}" if condition else network
                if own.startswith(prefix) and key in ours:
                    yield title, key, column


def measure_missing(runs: Sequence[Run]) -> None:
    """Measure the baselines of runs that were measured alike, if none of them knows any and that takes little.

    Progress goes to stderr. What cannot be measured, as the photographs are elsewhere, is left out of tables.
    """
    if not runs:
        return
    run = runs[0]
    counts = [int((run.data.get(name) or {}).get("count") or 0) for name in ("val", "judged")]
    color = (run.config.get("evaluation") or {}).get("color", True)
    if not color or not (run.data.get("protocol") or {}).get("hash") or not 0 < sum(counts) <= FEW:
        return
    if any(not known_scores(one).empty for one in runs):
        return
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from hydra.errors import HydraException

    from oldrestore.narrator import Narrator
    from oldrestore.scoring.baselines import measure_baselines_of

    # Whatever an old run lacks: a comparison is worth more than its baselines.
    with contextlib.suppress(AttributeError, LookupError, ValueError, TypeError, OSError, HydraException):
        measure_baselines_of(run, Narrator(on_stderr=True))


def known_scores(run: Run) -> pd.DataFrame:
    """Return the rows of ``baselines.csv`` of a run, or those that are kept for its protocol and photographs."""
    if not run.baselines.empty or not (run.data.get("protocol") or {}).get("hash"):
        return run.baselines
    agreement = bool((run.config.get("evaluation") or {}).get("agreement"))
    return read_baselines(cache_path(run.data, training_fingerprint(run), agreement))


def training_fingerprint(run: Run) -> str | None:
    """Return the fingerprint of what a run was trained on; None if it does not say, as a weights file."""
    try:
        return (run.training.data.get("train") or {}).get("fingerprint")
    except UserError:
        return None


def against_floor(
    measure: Measure, designs: Mapping[int, list[Scored]], scored: Mapping[str, Scored], resamples: int, seed: int
) -> dict[int, AgainstFloor]:
    """Compare each design of a column, by number, with the better floor; nothing without a direction or a floor.

    A baseline has no seeds. A design of several is compared as with a design whose seeds all came out the same.
    """
    floors = {title: one for title, one in scored.items() if title not in NO_FLOORS and math.isfinite(one.value)}
    finite = {i: seeds for i, seeds in designs.items() if all(math.isfinite(one.value) for one in seeds)}
    if measure.better is None or not floors or not finite:
        return {}
    sign = 1 if measure.better == "max" else -1
    title = max(floors, key=lambda title: sign * floors[title].value)
    floor = floors[title]
    differences = {}
    for index, seeds in finite.items():
        if len(seeds) > 1 and floor.n > 1:
            pair = compare_designs(seeds, [floor, floor])
        else:
            pair = compare_with(floor, seeds[:1], resamples, resamples, seed=seed)[0]
        differences[index] = replace(pair, seeds=(len(seeds), 1))
    adjusted = holm([pair.p_value for pair in differences.values()])
    return {
        index: AgainstFloor(title, pair, float(p), bool(sign * pair.difference > 0 and p <= LEVEL))
        for (index, pair), p in zip(differences.items(), adjusted, strict=True)
    }
