"""Whether runs were measured on the same photographs, by the same judge and protocol; if not, how they differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from oldrestore.config.aliases import with_current_targets, with_first_targets
from oldrestore.config.roles import Role, role_of
from oldrestore.errors import UserError
from oldrestore.evaluation.protocol import EARLIER, label_of
from oldrestore.plain import flatten, plain
from oldrestore.records.run import Run

SPLITS = {"val": "validation photographs", "judged": "judged photographs", "train": "training photographs"}


def protocol_settings(run: Run) -> dict[str, Any]:
    """Return the settings that a run was scored under, by dotted name."""
    return {
        name: value
        for name, value in flatten(run.config).items()
        if role_of(name) & (Role.SCORE | Role.COMPARED) and not (name in EARLIER and EARLIER[name] == value)
    }


def protocol_hash(run: Run) -> str:
    """Return the hash stored with the scores; for runs without one, sha256 of `protocol_settings`."""
    stored = stored_protocol(run)
    if stored:
        return stored["hash"]
    settings = plain(with_first_targets(protocol_settings(run)))
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def protocol_label(run: Run) -> str:
    """Return the protocol in a few words: ``photos 1``, or ``photos 1, changed: size``."""
    stored = stored_protocol(run)
    name = stored.get("name") or (run.config.get("evaluation") or {}).get("name") or "unnamed"
    return label_of(str(name), stored.get("version"), stored.get("changed") or ())


def stored_protocol(run: Run) -> dict[str, Any]:
    """Return name, version and hash of the protocol in ``data.json``; empty for runs that did not store it."""
    stored = run.data.get("protocol")
    return with_current_targets(stored) if isinstance(stored, Mapping) and stored.get("hash") else {}


def mismatch(one: Run, other: Run) -> str | None:
    """Say what keeps two runs from being compared; None if nothing does.

    Training photographs count too, unless the settings ask for different ones: then these are what is compared.
    """
    for split, what in SPLITS.items():
        if split == "train" and (_dataset(one) != _dataset(other) or one.is_evaluation or other.is_evaluation):
            continue
        ours, theirs = (run.data.get(split) or {} for run in (one, other))
        if ours.get("fingerprint") != theirs.get("fingerprint"):
            return (
                f"the {what} of '{other.run_id}' are not those of '{one.run_id}' "
                f"({_count(theirs)} and {_count(ours)}{_first_other(ours, theirs)})"
            )
    judges = [(run.data.get("judge") or {}) for run in (one, other)]
    if all(judges) and judges[0].get("fingerprint") != judges[1].get("fingerprint"):
        names = [judge.get("name", "unnamed") for judge in judges]
        return f"the judge of '{other.run_id}' is {names[1]}, and that of '{one.run_id}' is {names[0]} (other weights)"
    further, others = (run.data.get("further_judges") or {} for run in (one, other))
    for name in further.keys() & others.keys():
        if further[name] != others[name]:
            return f"the further judge {name} of '{other.run_id}' has other weights than that of '{one.run_id}'"
    return _protocol_mismatch(one, other)


def comparable_groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that can be compared, in the order given."""
    groups: list[list[Run]] = []
    for run in runs:
        fitting = next((group for group in groups if _mismatch_with(group, run) is None), None)
        if fitting is None:
            groups.append([run])
        else:
            fitting.append(run)
    return groups


def refuse_incomparable(runs: Sequence[Run]) -> None:
    """Raise `UserError` that names the first two runs that cannot be compared, and how they differ."""
    for number, run in enumerate(runs):
        problem = _mismatch_with(runs[:number], run)
        if problem:
            raise UserError(f"{problem}; leave one out, or see them apart with --anyway")


def _mismatch_with(group: Sequence[Run], run: Run) -> str | None:
    """Compare a run with the first of a group, and with the first that has the same dataset settings."""
    same = next((other for other in group if _dataset(other) == _dataset(run)), None)
    problems = (mismatch(other, run) for other in [*group[:1], same] if other is not None)
    return next((sentence for sentence in problems if sentence), None)


def _protocol_mismatch(one: Run, other: Run) -> str | None:
    ours, theirs = stored_protocol(one), stored_protocol(other)
    both = bool(ours and theirs)
    if protocol_hash(one) == protocol_hash(other) if both else protocol_settings(one) == protocol_settings(other):
        return None
    mine, its = ((r.get("settings") if both else None) for r in (ours, theirs))
    if not mine or not its:
        mine, its = protocol_settings(one), protocol_settings(other)
    changed = sorted(name for name in mine.keys() | its.keys() if mine.get(name) != its.get(name))
    how = "; ".join(f"{name} is {its.get(name, 'not there')} and {mine.get(name, 'not there')}" for name in changed[:3])
    how += f"; and {len(changed) - 3} more" if len(changed) > 3 else ""
    labels = [protocol_label(run) for run in (other, one)]
    if both and ours.get("name") != theirs.get("name"):
        # Two protocols differ in most settings: their names say more.
        return f"the protocol of '{other.run_id}' is {labels[0]}, and that of '{one.run_id}' is {labels[1]}"
    return (
        f"the protocol of '{other.run_id}' ({labels[0]}) is not that of '{one.run_id}' ({labels[1]}): "
        f"{how or 'their hashes are not the same'}"
    )


def _dataset(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.settings.items() if name.startswith("dataset.")}


def _count(described: Mapping[str, Any]) -> str:
    return str(described.get("count", "none"))


def _first_other(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Name one photograph that differs, if both runs recorded the names."""
    mine, its = ours.get("photographs"), theirs.get("photographs")
    if not mine or not its:
        return ""
    changed = sorted(name for name in mine.keys() & its.keys() if mine[name] != its[name])
    if changed:
        return f"; '{changed[0]}' has other contents or another label"
    lone = sorted(mine.keys() ^ its.keys())
    return f"; '{lone[0]}' is in one of them only" if lone else ""
