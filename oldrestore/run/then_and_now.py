"""Compares what a run was trained with and what is here now: code, packages, machine, photographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from oldrestore.config.build import build
from oldrestore.errors import UserError
from oldrestore.records.run import Run


def compare_provenance(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list]:
    """Return the differences that a run's numbers may depend on: name to [then, now]."""
    differences = {}
    for name in ("code_hash", "commit", "python", "platform", "processor", "device"):
        if then.get(name) != now.get(name):
            differences[name] = [then.get(name), now.get(name)]
    counts = [len(recorded.get("processes") or [0]) for recorded in (then, now)]
    if counts[0] != counts[1]:
        differences["processes"] = counts
    for part in ("environment", "packages"):
        before, after = then.get(part) or {}, now.get(part) or {}
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                differences[name] = [before.get(name), after.get(name)]
    return differences


def check_photographs(folder: Path, config: DictConfig) -> None:
    """Raise `UserError` if the photographs of a configuration are not those of a run; only photographs are read."""
    source = build(config.dataset)
    splits = {"train": source.split("train"), "val": source.split("val")}
    judged = config.evaluation.judged
    if judged is not None:
        judged_source = source if judged == "dataset" else build(judged)
        splits["judged"] = judged_source.split(config.evaluation.judged_split)
    check_data(folder, {name: split.describe() for name, split in splits.items()})


def check_data(folder: Path, now: Mapping[str, Any]) -> None:
    """Raise `UserError` if photographs or judge are not those of a run, naming a photograph that differs.

    Parameters
    ----------
    folder : Path
        The run folder; its ``data.json`` is compared by fingerprints.
    now : mapping
        What would be written there now.
    """
    try:
        then = Run(folder).data
    except UserError:
        return  # killed before it was written, and so before anything was trained
    for part, described in now.items():
        before = then.get(part, {})
        # The protocol follows from the settings, which a resumed run keeps.
        if part == "protocol" or before.get("fingerprint") == described["fingerprint"]:
            continue
        if part == "judge":
            raise UserError(f"the judge {described['name']} is not the network that run '{folder.name}' was judged by")
        raise UserError(
            f"the photographs of '{part}' are not those of run '{folder.name}' ({before.get('count', 'none')} then, "
            f"{described['count']} now; {_first_difference(before, described)}): put them back, or start a new run"
        )


def _first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    then, here = before.get("photographs"), now.get("photographs") or {}
    if not then:  # runs of earlier versions did not record names
        return "other contents or labels"
    changed = sorted(name for name in then.keys() & here.keys() if then[name] != here[name])
    missing, new = sorted(then.keys() - here.keys()), sorted(here.keys() - then.keys())
    for names, what in ((changed, "has other contents or another label"), (missing, "is missing"), (new, "is new")):
        if names:
            return f"'{names[0]}' {what}"
    return "other contents or labels"
