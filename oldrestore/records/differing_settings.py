"""The settings that differ between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oldrestore.records.design_names import all_equal, choices_first
from oldrestore.records.run import Run


def differing_settings(runs: Sequence[Run], with_seed: bool = False) -> dict[str, list[Any]]:
    """Return each setting that is not the same in all runs, and its value in each; None if a run lacks it.

    If runs chose differently in a group (``loss``), one column shows the choices; settings below it are shown only if
    they differ between runs of the same choice.
    """
    settings = [run.settings for run in runs]
    names = list(dict.fromkeys(name for each in settings for name in each))
    differing = [name for name in names if not all_equal([each.get(name) for each in settings])]
    columns: dict[str, list[Any]] = {}
    if with_seed and not all_equal([run.seed for run in runs]):
        columns["seed"] = [run.seed for run in runs]
    for name in differing:
        group = name.partition(".")[0]
        kinds = _kinds(runs, group)
        if group == name or all_equal(kinds):
            columns[name] = [each.get(name) for each in settings]
            continue
        columns.setdefault(group, kinds)
        same_kind = [[e.get(name) for e, k in zip(settings, kinds, strict=True) if k == kind] for kind in set(kinds)]
        if not name.endswith("._target_") and not all(all_equal(values) for values in same_kind):
            columns[name] = [each.get(name) for each in settings]
    return choices_first(columns)


def _kinds(runs: Sequence[Run], group: str) -> list[str | None]:
    """What each run chose in a group; if a run has not recorded that, each run's class."""
    if all(group in run.choices for run in runs):
        return [run.choices[group] for run in runs]
    nodes = [run.config.get(group) for run in runs]
    targets = [node.get("_target_") if isinstance(node, dict) else None for node in nodes]
    return [target.rpartition(".")[2] if isinstance(target, str) else None for target in targets]
