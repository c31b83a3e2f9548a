"""Compares typed settings with those of a run to resume: which agree, which may change, which may not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.aliases import with_current_targets
from oldrestore.config.compose import compose_unchecked
from oldrestore.config.location import GROUP_FOLDERS, choices_of, is_group
from oldrestore.config.overrides import parse_overrides
from oldrestore.config.roles import Role, is_free, is_place, role_of
from oldrestore.errors import UserError
from oldrestore.plain import flatten
from oldrestore.records.parsing import read_overrides

# What a resumed run may change; the places of photographs, and some lengths, under conditions.
MAY_CHANGE = Role.FREE | Role.BITS
_ABSENT = object()


def choices_meant(choices: Mapping[str, str], overrides: Sequence[str]) -> list[str]:
    """Return, as overrides, the choices of a run to resume in the groups that typed settings (``loss.gamma=2``) are of.

    Without them, such a setting would be looked up in the group's default. A group that is typed, that a recorded
    experiment may choose, or whose choice may change (trackers) is left out.
    """
    typed = [override.key_or_group for override in parse_overrides(overrides)]
    if any(name in GROUP_FOLDERS for name in typed):
        return []
    return [
        f"{group}={choice}"
        for group, choice in choices.items()
        if group not in typed
        and not is_free(group)
        and isinstance(choice, str)
        and choice in choices_of(group)
        and any(name.startswith(f"{group.replace('/', '.')}.") for name in typed)
    ]


def asked_for(composed: DictConfig, overrides: Sequence[str], choices: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings, by dotted name, that were typed: alone, by a group, or by a recorded experiment.

    `choices` are overrides that `composed` has too and nobody typed.
    """
    asked = leaves(composed)
    default = leaves(compose_unchecked(choices))
    places = [override.package or override.key_or_group.replace("/", ".") for override in parse_overrides(overrides)]
    return {
        name: value
        for name, value in asked.items()
        if default.get(name, _ABSENT) != value or any(name == at or name.startswith(f"{at}.") for at in places)
    }


def asked_of_any(composed: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings that a run must have for ``auto`` to resume it.

    These are all settings of this command, typed or not: two commands that differ in one word are two runs. If nothing
    is typed but an experiment's name, any run of it will do.
    """
    typed = [override.key_or_group for override in parse_overrides(overrides)]
    if all(name == "experiment" or is_free(name) for name in typed):
        return asked_for(composed, overrides)
    return leaves(composed)


def leaves(config: DictConfig) -> dict[str, Any]:
    """Return a configuration's settings by dotted name, without those that are required and missing."""
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    selectors, names = ("hydra", "experiments", "sweeps"), ("run_id", "design")
    kept = {n: value for n, value in plain.items() if n not in selectors and (value or n not in names)}
    return with_current_targets({name: value for name, value in flatten(kept).items() if value != "???"})


def agreed(
    asked: Mapping[str, Any],
    composed: DictConfig,
    config: DictConfig,
    folder: Path,
    may_move: Callable[[str], bool] = is_place,
) -> tuple[DictConfig, dict[str, list]]:
    """Return a run's configuration with the asked values of settings that may change, and each [before, after].

    `UserError` names a setting that a resumed run cannot change; the caller checks photographs that moved.
    """
    settings = leaves(config)
    result = OmegaConf.create(OmegaConf.to_container(config))
    changed: dict[str, list] = {}
    for name, wanted in asked.items():
        before = settings.get(name)
        if name not in settings and not wanted and Role.OPTIONAL in role_of(name):
            continue
        if before == wanted and name in settings:
            continue
        if wanted == "auto" and Role.BITS in role_of(name):
            continue  # what it chose when the run began stays
        if name == "trainer.max_iterations":
            _check_raised(wanted, before, config, folder)
        elif not (role_of(name) & MAY_CHANGE or (may_move(name) and name in settings)):
            then = before if name in settings else "not there"
            raise UserError(
                f"{name} is {then} in run '{folder.name}' and cannot become {wanted}: a resumed run keeps its settings"
            )
        if before == wanted:
            continue
        changed[name] = [before, wanted]
        if name.partition(".")[0] == "tracking":
            # Replaced as a whole, so that no sink stays that was not asked for.
            tracking = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)["tracking"]
            OmegaConf.update(result, "tracking", tracking, merge=False, force_add=True)
        else:
            OmegaConf.update(result, name, wanted, merge=False, force_add=True)
    return result, changed


def _check_raised(wanted: int, before: int, config: DictConfig, folder: Path) -> None:
    if wanted < before:
        raise UserError(
            f"trainer.max_iterations of run '{folder.name}' is {before} and can only be raised, not become {wanted}"
        )
    followers = _follow_max_iterations(config, folder)
    if followers:
        raise UserError(
            f"trainer.max_iterations of run '{folder.name}' cannot be raised: {', '.join(followers)} follows it, and "
            "what was trained so far would have been trained otherwise"
        )


def _follow_max_iterations(config: DictConfig, folder: Path) -> list[str]:
    """Return the settings that are computed from ``trainer.max_iterations``, as a schedule's length is."""
    most = config.trainer.max_iterations
    overrides = [text for text in read_overrides(folder) if not text.startswith("trainer.max_iterations=")]
    try:
        one, other = (leaves(compose_unchecked([*overrides, f"trainer.max_iterations={n}"])) for n in (most, most + 1))
        return [name for name in one if one[name] != other.get(name) and name != "trainer.max_iterations"]
    except UserError:
        # The configuration files have changed since: whatever has the same length may follow.
        schedules = {name: value for name, value in leaves(config).items() if name.startswith(("schedule.", "loss."))}
        return [name for name, value in schedules.items() if value == most and not isinstance(value, bool)]


def group_choices(choices: Mapping[str, Any]) -> dict[str, str]:
    """Return the choice of each of the project's own groups, without Hydra's and without empty ones."""
    return {
        group: str(choice)
        for group, choice in choices.items()
        if choice is not None
        and not group.startswith("hydra/")
        and (group in GROUP_FOLDERS or is_group(group.partition("@")[0]))
    }


def as_override(name: str, value: bool | float | str | None) -> str:
    """Return a setting as it would be typed."""
    if value is None or isinstance(value, bool):
        return f"{name}={'null' if value is None else str(value).lower()}"
    if isinstance(value, str) and not re.fullmatch(r"[\w./+-]+", value):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"{name}='{quoted}'"
    return f"{name}={value!r}" if isinstance(value, float) else f"{name}={value}"


def with_typed(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return the overrides of a run's beginning, with those typed now replacing those of the same name."""
    names = {text.partition("=")[0] for text in now}
    return [text for text in before if text.partition("=")[0] not in names] + list(now)
