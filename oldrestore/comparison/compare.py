"""Compares runs: each design's figures with intervals, the best one, and those not significantly different from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from oldrestore.comparison.baselines import NONE, against_floor, baselines_among
from oldrestore.comparison.columns import RESAMPLES, Cell, cells_of, column_of, scored_by_design
from oldrestore.comparison.designs import Design, designs_of, differences_between, names_of, other_code
from oldrestore.comparison.measures import Measure, Table, chosen_measures, table_of
from oldrestore.comparison.sameness import protocol_hash, protocol_label, refuse_incomparable, stored_protocol
from oldrestore.errors import UserError
from oldrestore.plain import plain
from oldrestore.records.bundle import name_in_bundle
from oldrestore.records.design_names import named
from oldrestore.records.run import Run


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
    baselines: dict[str, dict[str, Cell]] = field(default_factory=dict)  # what needs no network: cells by title
    with_baselines: bool = True  # whether they were asked for

    def below_floor(self, *measures: Measure) -> list[str]:
        """Return the floors that some design is not significantly better than, by any of these measures."""
        cells = (cells.get(measure.name) for measure in measures for cells in self.cells)
        return sorted({cell.against_floor.floor for cell in cells if cell is not None and cell.below_floor})

    @property
    def lacks_floor(self) -> bool:
        """Whether colour was measured, and nobody knows what gray and the best tint have."""
        of_color = [measure.name for measure in self.measures if measure.set_name == "val" and measure.better]
        known = any(name in cells for cells in self.baselines.values() for name in of_color)
        return self.with_baselines and bool(of_color) and not known

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
        """Number of photographs in each set that was measured; judges and their agreement have none of their own."""
        counts: dict[str, int] = {}
        for cells in self.cells:
            for measure in self.measures:
                if measure.name in cells:
                    name = measure.photographs
                    counts[name] = max(counts.get(name, 0), cells[measure.name].n)
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
                    "folders": [name_in_bundle(run.folder) or str(run.folder) for run in design.runs],
                    "seeds": list(design.seeds),
                    "differences": {name: values[index] for name, values in self.differences.items()},
                    "training_seconds": self.seconds[index],
                    "figures": {name: asdict(cell) for name, cell in self.cells[index].items()},
                }
            )
        better = {measure.name: measure.better for measure in self.measures}
        baselines = {
            title: {name: asdict(cell) for name, cell in cells.items()} for title, cells in self.baselines.items()
        }
        return plain(
            {
                "measured_on": self.measured_on,
                "better": better,
                "designs": designs,
                "baselines": baselines,
                "notes": self.notes,
            }
        )


def compare_runs(
    runs: Sequence[Run],
    by_run: bool = False,
    measures: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    baselines: bool = True,
) -> Compared:
    """Compare runs that were measured alike; runs that differ only in the seed are one design unless `by_run`.

    Raises `UserError` if a run has no scores of photographs, or runs differ in data, judge or protocol. `measures` are
    names for `chosen_measures`; `resamples` and `seed` are those of the bootstrap and the sign-flip test: the same runs
    give the same table. With `baselines`, what needs no network stands beside the designs, where its scores are known.
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
    beside = baselines_among([run for design in designs for run in design.runs]) if baselines else NONE
    tables = {run.folder: beside.joined(table_of(run)) for design in designs for run in design.runs}
    chosen = chosen_measures(list(tables.values()), measures)
    cells: list[dict[str, Cell]] = [{} for _ in designs]
    of_baselines: dict[str, dict[str, Cell]] = {title: {} for title in beside.tables}
    for measure in chosen:
        _check_photographs(measure, designs, tables)
        scored = scored_by_design(measure, designs, tables)
        others = beside.scored(measure, _images(measure, tables))
        floor = against_floor(measure, scored, others, resamples, seed)
        for index, cell in column_of(measure, scored, resamples, seed).items():
            cells[index][measure.name] = replace(cell, against_floor=floor.get(index))
        of_each = cells_of(measure, {title: [one] for title, one in others.items()}, resamples, seed)
        for title, cell in of_each.items():
            of_baselines[title][measure.name] = cell
    return Compared(
        designs,
        names,
        chosen,
        cells,
        [_training_seconds(design) for design in designs],
        differences,
        _measured_on(unique[0]),
        [*_notes(designs, names), *_not_finite(chosen, designs, names, tables)],
        {title: of_each for title, of_each in of_baselines.items() if of_each},
        baselines,
    )


def _images(measure: Measure, tables: dict[Any, Table]) -> tuple[str, ...]:
    return next((measure.images(table) for table in tables.values() if measure.of(table) is not None), ())


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
    further = list(run.data.get("further_judges") or {})
    return {**kept, "judge": run.data.get("judge"), "further_judges": further, "protocol": protocol}


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
        for plugin, versions in other_code(design).items():
            notes.append(
                f"the seeds of {called} ran different code of the plugin {plugin}: {versions}; train them again"
            )
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
