"""Compares what a run was made with and what is here now: code, packages, machine, photographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.run import Run


def compare_provenance(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list]:
    """Return what a run's numbers may depend on and is not the same: name to [then, now]."""
    differences = {}
    for name in ("code_hash", "commit", "python", "platform", "processor", "device"):
        if then.get(name) != now.get(name):
            differences[name] = [then.get(name), now.get(name)]
    several, now_several = (len(of.get("processes") or [0]) for of in (then, now))
    if several != now_several:
        differences["processes"] = [several, now_several]
    for part in ("environment", "packages"):
        before, after = then.get(part) or {}, now.get(part) or {}
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                differences[name] = [before.get(name), after.get(name)]
    return differences


def check_data(folder: Path, now: Mapping[str, Any]) -> None:
    """Refuse photographs or a judge that are not those of a run.

    Parameters
    ----------
    folder : Path
        The run folder; its ``data.json`` is compared by fingerprints.
    now : mapping
        The same, as it would be written now.

    Raises
    ------
    UserError
        Naming one photograph that differs, where the run has kept their names.
    """
    try:
        then = Run(folder).data
    except UserError:
        return  # killed before it was written down, and so before anything was trained
    for part, described in now.items():
        before = then.get(part, {})
        # The protocol follows from the settings, which a resumed run keeps: it has no photographs of its own.
        if part == "protocol" or before.get("fingerprint") == described["fingerprint"]:
            continue
        if part == "judge":
            raise UserError(f"the judge {described['name']} is not the network that run '{folder.name}' was judged by")
        raise UserError(
            f"the photographs of '{part}' are not those of run '{folder.name}' ({before.get('count', 'none')} then, "
            f"{described['count']} now; {_first_other(before, described)}): put them back, or start a new run"
        )


def _first_other(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name one photograph that is not as it was; runs of earlier versions have not kept their names."""
    then, here = before.get("photographs"), now.get("photographs") or {}
    if not then:
        return "other contents or labels"
    changed = sorted(name for name in then.keys() & here.keys() if then[name] != here[name])
    gone, new = sorted(then.keys() - here.keys()), sorted(here.keys() - then.keys())
    for names, what in ((changed, "has other contents or another label"), (gone, "is missing"), (new, "is new")):
        if names:
            return f"'{names[0]}' {what}"
    return "other contents or labels"
