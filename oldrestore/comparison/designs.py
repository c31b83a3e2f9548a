"""Designs: runs that differ only in the seed; and the settings that differ between designs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oldrestore.config.plugins import in_words
from oldrestore.errors import UserError
from oldrestore.plain import plain
from oldrestore.records.design_names import all_equal, names_among
from oldrestore.records.differing_settings import differing_settings
from oldrestore.records.run import Run


@dataclass(frozen=True)
class Design:
    """Runs of one design: one for each seed, smallest seed first.

    `repeats` are further runs of the same seeds; they are no further evidence and are left out.
    """

    runs: tuple[Run, ...]
    repeats: tuple[Run, ...] = ()

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """Seeds of `runs`."""
        return tuple(run.seed for run in self.runs)

    @property
    def chosen_names(self) -> list[str]:
        """Names that were chosen for its runs, each once."""
        return list(dict.fromkeys(run.chosen_design for run in self.runs if run.chosen_design))

    def in_words(self) -> str:
        """Return the runs, each with its seed."""
        return ", ".join(f"{run.run_id} (seed {run.seed})" for run in self.runs)


def designs_of(runs: Sequence[Run], by_run: bool = False) -> list[Design]:
    """Group runs that differ only in the seed, in the order in which designs first occur.

    Such runs have the same photographs and the same settings, except for those that no result depends on, and the same
    of their checkpoints is scored. Of two runs with the same seed, the later in `runs` counts. With `by_run`, every run
    is a design.
    """
    if by_run:
        return [Design((run,)) for run in runs]
    weights, groups = weights_of(runs), {}
    for run in runs:
        groups.setdefault(_identity(run, weights[run]), []).append(run)
    designs = []
    for group in groups.values():
        # (A run counts before its own evaluations, and before its reproductions.)
        last = sorted(group, key=lambda run: not run.is_evaluation and run.kind is None)
        by_seed = {run.seed: run for run in last}
        kept = sorted(by_seed.values(), key=lambda run: (run.seed is None, run.seed))
        designs.append(Design(tuple(kept), tuple(run for run in group if by_seed[run.seed] is not run)))
    return designs


def other_code(design: Design) -> dict[str, str]:
    """Return, in words, the plugins whose code was not the same in all runs of a design, by name."""
    used: dict[str, dict[Run, str]] = {}
    for run in design.runs:
        for plugin in run.plugins:
            used.setdefault(plugin["name"], {})[run] = in_words(plugin)
    return {
        name: ", ".join(f"{words} (seed {run.seed})" for run, words in of_runs.items())
        for name, of_runs in used.items()
        if not all_equal(list(of_runs.values()))
    }


def differences_between(designs: Sequence[Design], by_run: bool = False) -> dict[str, list[Any]]:
    """Return what is not the same in all designs, and its value in each; None if a design lacks it.

    These are settings, as `differing_settings` says, and which checkpoint and training photographs scores depend on.
    """
    first = [design.runs[0] for design in designs]
    columns = differing_settings(first, with_seed=by_run)
    weights = weights_of([run for design in designs for run in (*design.runs, *design.repeats)])
    if not all_equal([weights[run] for run in first]):
        columns["checkpoint"] = [weights[run] for run in first]
    training = [_trained_on(run) for run in first]
    if not all_equal(training) and not any(name == "dataset" or name.startswith("dataset.") for name in columns):
        columns["training photographs"] = [None if print_ is None else print_[:8] for print_ in training]
    return columns


def names_of(designs: Sequence[Design], differences: Mapping[str, Sequence[Any]]) -> list[str]:
    """Name designs, no two alike, as `names_among` says; one alone is called as its run is."""
    if len(designs) == 1:
        return [designs[0].runs[0].design]
    return names_among(differences, [next(iter(design.chosen_names), None) for design in designs])


def weights_of(runs: Sequence[Run]) -> dict[Run, str]:
    """Name the weights that each run's scores are of, as `Run.scored_weights` does.

    If every evaluation here is of the weights that its run ended with, they are all called ``last``.
    """
    ended = all(run.scored_at == _scored_at(run.training) for run in runs if run.is_evaluation)
    return {run: "last" if ended else run.scored_weights for run in runs}


def _scored_at(run: Run) -> int | None:
    try:
        return run.scored_at
    except UserError:  # no run: a weights file was evaluated
        return None


def _trained_on(run: Run) -> str | None:
    try:
        return (run.training.data.get("train") or {}).get("fingerprint")
    except UserError:
        return None


def _identity(run: Run, weights: str) -> str:
    photographs = {split: (run.data.get(split) or {}).get("fingerprint") for split in ("val", "judged")}
    return json.dumps(plain([run.settings, photographs, _trained_on(run), weights]), sort_keys=True)
