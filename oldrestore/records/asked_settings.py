"""Compares what was typed with a run to resume: what agrees, what may change, what may not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.aliases import with_current_targets
from oldrestore.config.compose import compose_unchecked
from oldrestore.config.location import configuration_root
from oldrestore.config.overrides import parse_overrides
from oldrestore.config.roles import Role, is_free, is_place, role_of
from oldrestore.errors import UserError
from oldrestore.plain import flatten
from oldrestore.records.parsing import read_overrides

# What a resumed run may change; the places of photographs, and some lengths, under conditions.
MAY_CHANGE = Role.FREE | Role.BITS
_ABSENT = object()


def asked_for(composed: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings that were typed, by dotted name: alone, by a group, or by a recorded experiment.

    Parameters
    ----------
    composed : DictConfig
        What Hydra made of the overrides; not necessarily resolved.
    overrides : sequence of str
    """
    asked = leaves(composed)
    default = leaves(compose_unchecked([]))
    places = [override.package or override.key_or_group.replace("/", ".") for override in parse_overrides(overrides)]
    return {
        name: value
        for name, value in asked.items()
        if default.get(name, _ABSENT) != value or any(name == at or name.startswith(f"{at}.") for at in places)
    }


def asked_of_any(composed: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """Return what a run must have for ``auto`` to take it for the one that was meant.

    That is every setting of this command, typed or not: two commands that differ in one word are two runs. Only where
    nothing is typed but an experiment's name, any run of it is meant.
    """
    typed = [override.key_or_group for override in parse_overrides(overrides)]
    if all(name == "experiment" or is_free(name) for name in typed):
        return asked_for(composed, overrides)
    return leaves(composed)


def leaves(config: DictConfig) -> dict[str, Any]:
    """Return a configuration's settings by dotted name; those that must be given and are not are left out."""
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    selectors = ("hydra", "experiments", "sweeps", "run_id")
    kept = {name: value for name, value in plain.items() if name not in selectors or (name == "run_id" and value)}
    return with_current_targets({name: value for name, value in flatten(kept).items() if value != "???"})


def disagreement(
    asked: Mapping[str, Any], config: DictConfig, folder: Path, may_move: Callable[[str], bool] = is_place
) -> str | None:
    """Say in one sentence what was asked for and cannot be of a run that goes on; None where all of it can."""
    held = leaves(config)
    for name, value in asked.items():
        own = held.get(name, _ABSENT)
        if own == value or role_of(name) & MAY_CHANGE or (may_move(name) and own is not _ABSENT):
            continue
        if name == "trainer.max_iterations":
            problem = _not_raised(value, own, config, folder)
            if problem is None:
                continue
            return problem
        there = "not there" if own is _ABSENT else own
        return f"{name} is {there} in run '{folder.name}' and cannot become {value}: a resumed run keeps its settings"
    return None


def agreed(asked: Mapping[str, Any], composed: DictConfig, config: DictConfig) -> tuple[DictConfig, dict[str, list]]:
    """Return a run's configuration with what may change as it was asked for, and what changed: [before, after].

    Whether the photographs are the same at another place is for the caller to check.
    """
    held = leaves(config)
    result = OmegaConf.create(OmegaConf.to_container(config))
    changed: dict[str, list] = {}
    for name, value in asked.items():
        may_change = role_of(name) & (MAY_CHANGE | Role.PLACE) or name == "trainer.max_iterations"
        if held.get(name) == value or not may_change:
            continue
        changed[name] = [held.get(name), value]
        if name.partition(".")[0] == "tracking":
            # Sinks that were not asked for go: the whole is what was asked.
            tracking = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)["tracking"]
            OmegaConf.update(result, "tracking", tracking, merge=False, force_add=True)
        else:
            OmegaConf.update(result, name, value, merge=False, force_add=True)
    return result, changed


def _not_raised(wanted: int, own: int, config: DictConfig, folder: Path) -> str | None:
    if wanted < own:
        return f"trainer.max_iterations of run '{folder.name}' is {own} and can only be raised, not become {wanted}"
    followers = _follow_max_iterations(config, folder)
    if followers:
        return (
            f"trainer.max_iterations of run '{folder.name}' cannot be raised: {', '.join(followers)} follows it, and "
            "what was trained so far would have been trained otherwise"
        )
    return None


def _follow_max_iterations(config: DictConfig, folder: Path) -> list[str]:
    """Settings that are computed from ``trainer.max_iterations``, as a schedule's length is."""
    most = config.trainer.max_iterations
    overrides = [text for text in read_overrides(folder) if not text.startswith("trainer.max_iterations=")]
    try:
        one, other = (leaves(compose_unchecked([*overrides, f"trainer.max_iterations={n}"])) for n in (most, most + 1))
        return [name for name in one if one[name] != other.get(name) and name != "trainer.max_iterations"]
    except UserError:
        # The choices of then are no longer there: whatever has the same length may follow.
        schedules = {name: value for name, value in leaves(config).items() if name.startswith(("schedule.", "loss."))}
        return [name for name, value in schedules.items() if value == most and not isinstance(value, bool)]


def group_choices(choices: Mapping[str, Any]) -> dict[str, str]:
    """Return what was chosen of each of the project's own groups; Hydra's, and what chose nothing, are left out."""
    conf = configuration_root()
    return {
        group: str(choice)
        for group, choice in choices.items()
        if choice is not None
        and not group.startswith("hydra/")
        and ((conf / "conf" / group.partition("@")[0]).is_dir() or (conf / group).is_dir())
    }


def as_override(name: str, value: bool | float | str | None) -> str:
    """Return a value as it would be typed."""
    if value is None or isinstance(value, bool):
        return f"{name}={'null' if value is None else str(value).lower()}"
    if isinstance(value, str) and not re.fullmatch(r"[\w./+-]+", value):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"{name}='{quoted}'"
    return f"{name}={value!r}" if isinstance(value, float) else f"{name}={value}"


def with_typed(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return overrides of a run's beginning, and after them, or in place of those of the same name, further ones."""
    names = {text.partition("=")[0] for text in now}
    return [text for text in before if text.partition("=")[0] not in names] + list(now)
