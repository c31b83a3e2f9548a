"""Composes the configuration with Hydra and turns what Hydra refuses into one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from oldrestore.config.build import causes_of, refuse_interpolations
from oldrestore.config.folders import is_group_folder, register_search_path
from oldrestore.config.judges import with_judges
from oldrestore.config.location import GROUP_FOLDERS, choices_of, configuration_root, is_group
from oldrestore.config.overrides import TOO_DEEP, parse_overrides
from oldrestore.config.schema import LONGEST_NAME, check_config
from oldrestore.config.signature import nearest, unknown_name
from oldrestore.errors import UserError

CONFIG_NAME = "config"
HYDRA_ERRORS = (HydraException, OmegaConfBaseException)


def is_choice(name: str) -> bool:
    """Say whether an override of this name chooses from a group."""
    return is_group_folder(name) or is_group(name)


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """Compose, resolve and check the configuration of a run for a list of Hydra overrides, as typed."""
    return resolve_and_check(compose_unchecked(overrides))


def compose_unchecked(overrides: Sequence[str], config_name: str = CONFIG_NAME) -> DictConfig:
    """Compose a configuration, neither resolved nor checked, without importing anything heavy."""
    overrides = check_choices(overrides)
    try:
        return composed(overrides, config_name)
    except HYDRA_ERRORS as error:
        raise UserError(explain(error, overrides, config_name)) from None
    except RecursionError:
        raise UserError(TOO_DEEP) from None


def composed(overrides: Sequence[str], config_name: str = CONFIG_NAME, with_hydra: bool = False) -> DictConfig:
    """Compose as Hydra does, `with_hydra`'s own settings if wanted; it raises `HYDRA_ERRORS`."""
    register_search_path()
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(configuration_root() / "conf")):
        return compose(config_name, overrides=list(overrides), return_hydra_config=with_hydra)


def override_config(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Change a run's logged configuration by overrides: settings, and whole groups from ``conf/``."""
    changed = OmegaConf.create(OmegaConf.to_container(config))
    parsed = with_judges(parse_overrides(overrides))
    # Groups first, as in Hydra: a setting changes the chosen node, wherever it is typed.
    with_kinds = [(is_group(override.key_or_group), override) for override in parsed]
    in_order = sorted(with_kinds, key=lambda item: not item[0])
    # Composed together, since one choice may be part of another (evaluation=restoration and its detector).
    groups = [override for whole, override in in_order if whole]
    chosen = compose_config([override.input_line for override in groups]) if groups else None
    typed = {override.key_or_group for override in groups}
    if "evaluation" in typed and "judge" not in typed and chosen.judge != compose_unchecked([]).judge:
        changed.judge = chosen.judge  # the protocol names its own judge
    for whole, override in in_order:
        name, value = override.key_or_group, override.value()
        if whole:
            place = override.package or name.replace("/", ".")
            OmegaConf.update(changed, place, OmegaConf.select(chosen, place), merge=False)
            continue
        parent, _, key = name.rpartition(".")
        section = OmegaConf.select(changed, parent) if parent else changed
        added = parent == "evaluation.evaluators" and override.is_force_add()  # as a list of judges does
        if not isinstance(section, DictConfig) or (key not in section and not added):
            raise UserError(_unknown_setting(name, changed))
        set_value(changed, name, value)
    return resolve_and_check(changed)


def set_value(config: DictConfig, name: str, value: Any) -> None:
    """Set a value as it was typed; raises `UserError` if an interpolation in it cannot be read."""
    try:
        OmegaConf.update(config, name, value, merge=False)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from None


def resolve_and_check(config: DictConfig) -> DictConfig:
    """Resolve every interpolation and check the whole against schema and signatures."""
    return OmegaConf.create(plain_and_checked(config))


def plain_and_checked(config: DictConfig) -> dict[str, Any]:
    """Return what `resolve_and_check` does, as plain containers."""
    plain = resolved(config, throw_on_missing=True)
    plain.pop("hydra", None)
    refuse_interpolations(plain)
    check_config(plain)
    return plain


def resolved(config: DictConfig, throw_on_missing: bool = False) -> dict[str, Any]:
    """Return a configuration as plain containers; raises `UserError` if an interpolation has no value."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=throw_on_missing)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from None


def explain(error: Exception, overrides: Sequence[str] = (), config_name: str = CONFIG_NAME) -> str:
    """Say in one sentence what Hydra or OmegaConf refused, and the choices that would be right."""
    text = str(error)
    if isinstance(error, MissingConfigException):
        missing = error.missing_cfg_file or ""
        group, _, choice = str(missing).rpartition("/")
        folder, _, inner = group.partition("/")
        if folder in GROUP_FOLDERS and inner and is_group(inner):
            right, wrong = f"override /{inner}: {choice}", f"{inner}: {choice}"
            return f"in the defaults of a file of {folder}/ write '{right}', not '{wrong}'"
        if group:
            kind = group.removesuffix("s") if group in GROUP_FOLDERS else group
            right = nearest(choice, error.options or [], "choose one of")
            if group not in GROUP_FOLDERS and not right.startswith("did you mean"):
                right += ", or add --plugins FOLDER if it is your own"
            return f"there is no {kind} '{choice}': {right}"
    group = re.search(r"Could not override '([^']+)'.\s*No match in the defaults list", text)
    if group:
        return _unknown_override(group.group(1), overrides, config_name)
    for cause in causes_of(error):
        if isinstance(cause, InterpolationResolutionError | UnsupportedInterpolationType | GrammarParseError):
            return _broken_reference(cause)
        unknown = re.search(r"Key '([^']+)' is not in struct(?:\s+full_key: (\S+))?", str(cause))
        if unknown:
            return _unknown_override(unknown.group(2) or unknown.group(1), overrides, config_name)
    if isinstance(error, MissingMandatoryValue):
        return f"there is no value for {error.full_key}: add {error.full_key}=VALUE"
    if isinstance(error, ConfigCompositionException) and error.__cause__ is not None:
        text = f"{text}: {error.__cause__}"
    return " ".join(re.sub(r"\s*(full_key|object_type|reference_type): ?\S*", " ", text).split())


def _broken_reference(error: OmegaConfBaseException) -> str:
    """Say which setting has a ``${...}`` without a value, and why."""
    name, text = error.full_key or "a setting", str(error)
    if name == "hydra.sweep.dir":
        name = "outputs"  # it is built from this
    variable = re.search(r"Environment variable '([^']+)' not found", text)
    if variable:
        return f"{name} needs the environment variable {variable.group(1)}, which is not set: set it or write a value"
    missing = re.search(r"Interpolation key '([^']+)' not found", text)
    if missing:
        return f"{name} refers to ${{{missing.group(1)}}}, and there is no setting of that name"
    if "Recursive interpolation" in text or "RecursionError" in text:
        return f"{name} refers to itself: write a value"
    if isinstance(error, GrammarParseError):
        return f"{name} has a ${{ that cannot be read: write ${{NAME}}, or ${{oc.env:VARIABLE}}"
    return f"{name} cannot be resolved: {text.partition(chr(10))[0]}"


def _unknown_override(name: str, overrides: Sequence[str], config_name: str) -> str:
    """Say that an override names no setting of the choices among all overrides, or of the defaults."""
    choices = [
        override.input_line for override in parse_overrides(overrides, several=True) if is_choice(override.key_or_group)
    ]
    try:
        return _unknown_setting(name, composed(choices, config_name))
    except HYDRA_ERRORS:
        return _unknown_setting(name, composed([], config_name))


def _unknown_setting(name: str, chosen: DictConfig) -> str:
    """Name the nearest setting that exists in a configuration, or the settings of its section."""
    parent, _, key = name.rpartition(".")
    # If the section is null or of another choice, name its parent.
    while parent and not isinstance(OmegaConf.select(chosen, parent), DictConfig):
        parent, _, key = parent.rpartition(".")
    known = [str(name) for name in (OmegaConf.select(chosen, parent) if parent else chosen)]
    if not known and parent:
        return f"there is no setting '{name}' here: {parent} is switched off"
    if key in known and parent:
        group = parent if is_group(parent.replace(".", "/")) else parent.partition(".")[0]
        return f"there is no setting '{name}' here: the {group} chosen does not have it"
    if key in known and key != name:
        return f"there is no setting '{name}': {key} is a single value"
    if key in known:
        return f"the configuration cannot do without '{name}'"
    return unknown_name(name, parent, key, known)


def check_choices(overrides: Sequence[str], several: bool = False) -> list[str]:
    """Return overrides as Hydra reads them; a group takes the name of one choice, or of several for several jobs.

    Alone ``judge`` takes a list, see `with_judges`.
    """
    parsed = with_judges(parse_overrides(overrides, several))
    kept = []
    for override in parsed:
        name, value = override.key_or_group, override.value()
        if name not in GROUP_FOLDERS or value is not None or override.is_delete():
            kept.append(override.input_line)  # Hydra knows no group=null, which is what it chooses by default
        if any(len(part.encode()) > LONGEST_NAME for part in name.split("/")):
            raise UserError(f"there is no setting '{name[:40]}...': no name is that long")  # Hydra looks for files
        named = override.is_sweep_override() or isinstance(value, str)
        if name in GROUP_FOLDERS:
            named |= value is None or (isinstance(value, list) and all(isinstance(choice, str) for choice in value))
        if override.is_delete():
            named |= value is None
        if (name in GROUP_FOLDERS or is_group(name)) and not named:
            raise UserError(f"{name} takes the name of one choice: {', '.join(choices_of(name))}")
    return kept
