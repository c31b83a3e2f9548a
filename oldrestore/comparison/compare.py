"""Compares runs: each design's figures with intervals, the best one, and those not significantly different from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from oldrestore.comparison.designs import Design, designs_of, differences_between, names_of
from oldrestore.comparison.measures import Measure, Table, chosen_measures, table_of
from oldrestore.comparison.sameness import protocol_hash, protocol_label, refuse_incomparable, stored_protocol
from oldrestore.errors import UserError
from oldrestore.plain import plain
from oldrestore.records.design_names import named
from oldrestore.records.run import Run
from oldrestore.statistics import (
    Estimate,
    PairedDifference,
    Scored,
    bca_interval,
    compare_designs,
    compare_with,
    holm,
    mean_singles,
    resampled_values,
    seeds_and_images,
    share_over_seeds,
    weighted_mean,
    wilson_interval,
)

LEVEL = 0.05
RESAMPLES = 10_000


@dataclass(frozen=True)
class Cell:
    """One figure of one design."""

    value: float  # mean over seeds
    low: float  # ends of its 95% interval: over photographs for one seed, over seeds and photographs for several
    high: float
    n: int  # photographs
    seeds: int  # that have the figure
    mark: str = ""  # best of its column, tied (not significantly different from it), or ""
    against_best: PairedDifference | None = None  # this design minus the best
    p_holm: float | None = None  # the p-value of that, adjusted for all pairs of designs in the column


@dataclass(frozen=True)
class Compared:
    """Designs side by side."""

    designs: list[Design]
    names: list[str]  # of the designs, no two alike
    measures: list[Measure]
    cells: list[dict[str, Cell]]  # for each design, by measure name; a missing figure has no entry
    seconds: list[float | None]  # mean training time over the seeds of each design
    differences: dict[str, list[Any]]  # settings that differ, and each design's value
    measured_on: dict[str, Any]  # fingerprints, counts, judge and protocol that all runs share
    notes: list[str] = field(default_factory=list)  # for the reader

    @property
    def unnamed(self) -> dict[str, list[Any]]:
        """The differences, unless the names say them all."""
        said = all(
            name == named({key: values[index] for key, values in self.differences.items()})
            for index, name in enumerate(self.names)
        )
        return {} if said else self.differences

    @property
    def photographs(self) -> dict[str, int]:
        """Number of photographs in each set that was measured."""
        counts: dict[str, int] = {}
        for cells in self.cells:
            for measure in self.measures:
                if measure.name in cells:
                    counts[measure.set_name] = max(counts.get(measure.set_name, 0), cells[measure.name].n)
        return counts

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``; what is not finite is ``"NaN"``."""
        designs = []
        for index, design in enumerate(self.designs):
            designs.append(
                {
                    "design": index + 1,
                    "name": self.names[index],
                    "runs": [run.run_id for run in design.runs],
                    "folders": [str(run.folder) for run in design.runs],
                    "seeds": list(design.seeds),
                    "differences": {name: values[index] for name, values in self.differences.items()},
                    "training_seconds": self.seconds[index],
                    "figures": {name: asdict(cell) for name, cell in self.cells[index].items()},
                }
            )
        better = {measure.name: measure.better for measure in self.measures}
        return plain({"measured_on": self.measured_on, "better": better, "designs": designs, "notes": self.notes})


def compare_runs(
    runs: Sequence[Run],
    by_run: bool = False,
    measures: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Compared:
    """Compare runs that were measured alike; runs that differ only in the seed are one design unless `by_run`.

    Raises `UserError` if a run has no scores of photographs, or runs differ in data, judge or protocol. `measures` are
    names for `chosen_measures`; `resamples` and `seed` are those of the bootstrap and the sign-flip test: the same runs
    give the same table.
    """
    unique = list({run.folder.resolve(): run for run in runs}.values())
    if not unique:
        raise UserError("there is no run to compare")
    for run in unique:
        if run.scores.empty:
            raise UserError(f"run '{run.run_id}' has no scores of photographs to compare: it is {run.state}")
    refuse_incomparable(unique)
    designs = designs_of(unique, by_run)
    differences = differences_between(designs, by_run)
    names = names_of(designs, differences)
    tables = {run.folder: table_of(run) for design in designs for run in design.runs}
    chosen = chosen_measures(list(tables.values()), measures)
    cells: list[dict[str, Cell]] = [{} for _ in designs]
    for measure in chosen:
        _check_photographs(measure, designs, tables)
        for index, cell in _column(measure, designs, tables, resamples, seed).items():
            cells[index][measure.name] = cell
    return Compared(
        designs,
        names,
        chosen,
        cells,
        [_training_seconds(design) for design in designs],
        differences,
        _measured_on(unique[0]),
        [*_notes(designs, names), *_not_finite(chosen, designs, names, tables)],
    )


def _column(measure: Measure, designs: Sequence[Design], tables: dict, resamples: int, seed: int) -> dict[int, Cell]:
    """Cells of one measure, by the design's number."""
    scored = {}
    for index, design in enumerate(designs):
        scores = [measure.of(tables[run.folder]) for run in design.runs]
        if any(one is not None for one in scores):
            scored[index] = [one for one in scores if one is not None]
    estimates = _estimates(measure, scored, resamples, seed)
    cells = {
        i: Cell(e.value, *np.clip([e.low, e.high], *measure.bounds).tolist(), scored[i][0].n, len(scored[i]))
        for i, e in estimates.items()
    }
    finite = {index: cell.value for index, cell in cells.items() if math.isfinite(cell.value)}
    if measure.better is None or len(finite) < 2:
        return cells
    best = (max if measure.better == "max" else min)(finite, key=finite.get)
    others = [index for index in finite if index != best]
    family = len(finite) * (len(finite) - 1) // 2
    # The smallest p-value must stay below the level when it is multiplied.
    flips = max(resamples, math.ceil(2 * family / LEVEL))
    differences = _against(scored[best], [scored[index] for index in others], resamples, flips, seed)
    adjusted = holm([difference.p_value for difference in differences], family or None)
    marked = {best: replace(cells[best], mark="best")}
    for index, difference, p in zip(others, differences, adjusted, strict=True):
        mark = "" if p <= LEVEL else "tied"
        marked[index] = replace(cells[index], mark=mark, against_best=difference, p_holm=float(p))
    return {index: marked.get(index, cell) for index, cell in cells.items()}


def _estimates(measure: Measure, scored: dict[int, list[Scored]], resamples: int, seed: int) -> dict[int, Estimate]:
    single = {i: seeds[0] for i, seeds in scored.items() if len(seeds) == 1}
    several = {i: seeds for i, seeds in scored.items() if len(seeds) > 1 and seeds[0].n > 1}
    estimates = {i: Estimate(float(np.mean([one.value for one in s])), np.nan, np.nan) for i, s in scored.items()}
    for i, seeds in several.items():
        finite = all(math.isfinite(one.value) for one in seeds)
        estimates[i] = share_over_seeds(seeds) if measure.is_share and finite else seeds_and_images(seeds)
    if measure.is_share:
        for i, one in ((i, one) for i, one in single.items() if math.isfinite(one.value)):
            estimates[i] = Estimate(one.value, *wilson_interval(round(float(one.columns_nk[:, 0].sum())), one.n))
    elif single:
        rows = resampled_values(list(single.values()), resamples, seed)
        for (i, one), row in zip(single.items(), rows, strict=True):
            estimates[i] = Estimate(one.value, *bca_interval(row, one.value, one.left_out))
    return estimates


def _against(
    best: list[Scored], others: list[list[Scored]], resamples: int, flips: int, seed: int
) -> list[PairedDifference]:
    """Each of `others` minus the best: over seeds if both have several, else over photographs alone."""
    differences: dict[int, PairedDifference] = {}
    by_image = []
    for number, other in enumerate(others):
        if len(best) > 1 and len(other) > 1 and best[0].n > 1:
            differences[number] = compare_designs(other, best)
        else:
            by_image.append(number)
    if by_image:
        plain_pairs = len(best) == 1 and all(len(others[number]) == 1 for number in by_image)
        one_of = (lambda seeds: seeds[0]) if plain_pairs else _mean_of_seeds
        compared = compare_with(one_of(best), [one_of(others[i]) for i in by_image], resamples, flips, seed=seed)
        for number, pair in zip(by_image, compared, strict=True):
            differences[number] = replace(pair, seeds=(len(others[number]), len(best)))
    return [differences[number] for number in range(len(others))]


def _mean_of_seeds(seeds: list[Scored]) -> Scored:
    return replace(weighted_mean(np.mean([one.contributions for one in seeds], axis=0)), singles_n=mean_singles(seeds))


def _check_photographs(measure: Measure, designs: Sequence[Design], tables: dict[Any, Table]) -> None:
    """Refuse scores of only some photographs, or under other names: they do not pair even if fingerprints are equal."""
    first = None
    for design in designs:
        for run in design.runs:
            table = tables[run.folder]
            if measure.of(table) is None:
                continue
            first = first or (run, measure.images(table))
            if measure.images(table) != first[1]:
                lone = sorted(set(measure.images(table)) ^ set(first[1]))
                raise UserError(
                    f"'{run.run_id}' and '{first[0].run_id}' have no {measure.name} of the same photographs: "
                    f"'{lone[0]}' is scored in one of them only"
                )


def _training_seconds(design: Design) -> float | None:
    seconds = [run.get("time/training_seconds") for run in design.runs if not run.is_evaluation]
    times = [float(value) for value in seconds if value is not None]
    return sum(times) / len(times) if times else None


def _measured_on(run: Run) -> dict[str, Any]:
    splits = {name: run.data[name] for name in ("val", "judged") if run.data.get(name)}
    kept = {name: {k: s.get(k) for k in ("source", "count", "fingerprint")} for name, s in splits.items()}
    stored = stored_protocol(run)
    protocol = {
        "name": stored.get("name") or (run.config.get("evaluation") or {}).get("name"),
        "version": stored.get("version"),
        "hash": protocol_hash(run),
        "label": protocol_label(run),
    }
    return {**kept, "judge": run.data.get("judge"), "protocol": protocol}


def _not_finite(
    measures: Sequence[Measure], designs: Sequence[Design], names: Sequence[str], tables: dict[Any, Table]
) -> list[str]:
    """Say which photographs have scores that are not finite, so that a run has no figure."""
    notes = []
    for measure in measures:
        for called, design in zip(names, designs, strict=True):
            for run in design.runs:
                scored = measure.of(tables[run.folder])
                if scored is None or math.isfinite(scored.value):
                    continue
                odd = np.flatnonzero(~np.isfinite(scored.columns_nk).all(axis=1))
                if len(odd):
                    name = measure.images(tables[run.folder])[odd[0]]
                    notes.append(
                        f"{called} has no finite {measure.name}: that of {run.run_id} is none on {len(odd)} of "
                        f"{scored.n} photographs ('{name}' is one)"
                    )
    return notes


def _notes(designs: Sequence[Design], names: Sequence[str]) -> list[str]:
    notes = []
    for called, design in zip(names, designs, strict=True):
        if others := design.chosen_names[1:]:
            notes.append(f"{called} is one design, although runs of it are named {' and '.join(map(repr, others))}")
        for run in design.repeats:
            counted = next(one for one in design.runs if one.seed == run.seed)
            if run.training.folder.resolve() == counted.training.folder.resolve():
                what = f"scores the same weights as {counted.run_id}, with the same settings,"
            else:
                what = f"repeats seed {run.seed} of {called}"
            notes.append(f"{run.run_id} {what} and is left out")
        for run in design.runs:
            if run.kind is not None and run.state == "finished":
                notes.append(f"{run.run_id} {run.kind.words}")
            if run.state != "finished":
                at = int(run.scores["trained_iterations"].max())
                wanted = (run.config.get("trainer") or {}).get("max_iterations")
                notes.append(f"{run.run_id} is {run.state}: scored at iteration {at} of {wanted}")
    if any(len(design.runs) == 1 for design in designs):
        notes.append("intervals of one seed are over photographs alone, and say nothing about training again")
    return notes
