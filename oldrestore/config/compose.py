"""Composes the configuration with Hydra and turns what Hydra refuses into one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from oldrestore.config.build import refuse_interpolations
from oldrestore.config.location import GROUP_FOLDERS, configuration_root, user_root
from oldrestore.config.schema import check_config
from oldrestore.config.signature import unknown_name
from oldrestore.errors import UserError

CONFIG_NAME = "config"
HYDRA_ERRORS = (HydraException, OmegaConfBaseException)
TOO_DEEP = "an override holds lists or tables within each other too deeply to be read"
LONGEST_NAME = 200  # bytes; with an ending it must be a file's name


class GroupFolders(FileConfigSource):
    """A folder of which Hydra may see ``experiments/`` and ``sweeps/`` and nothing else.

    The repository's root as a whole would make every folder in it a group: ``outputs=FOLDER`` would then choose
    from a group of that name instead of setting a value.
    """

    @staticmethod
    def scheme() -> str:
        """Prefix of such a folder in Hydra's search path."""
        return "groups"

    def available(self) -> bool:
        """Say whether the folder exists."""
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is one of the two folders, or within."""
        return _is_group_folder(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is a file within one of the two folders."""
        return _is_group_folder(config_path) and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Names within a path."""
        if not config_path:
            names = [name for name in GROUP_FOLDERS if super(GroupFolders, self).is_group(name)]
            return [] if results_filter == ObjectType.CONFIG else names
        return super().list(config_path, results_filter) if _is_group_folder(config_path) else []


def _is_group_folder(config_path: str) -> bool:
    return config_path.partition("/")[0] in GROUP_FOLDERS


def _is_group(name: str) -> bool:
    # A name that no folder can have is no group: `Path.is_dir` would raise.
    return os.path.isdir(f"{configuration_root()}/conf/{name}")  # noqa: PTH112


class ConfigurationFolders(SearchPathPlugin):
    """Lets ``experiments=NAME`` and ``sweeps=NAME`` find the folders beside ``conf/``, and the user's own.

    The folders of the current directory come after the project's, so that a recorded experiment keeps its
    meaning wherever the command is typed.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders; Hydra calls this."""
        search_path.append(provider="oldrestore", path=f"groups://{configuration_root()}")
        if user_root() is not None:
            search_path.append(provider="user", path=f"groups://{user_root()}")


def register_search_path() -> None:
    """Make Hydra find ``experiments/`` and ``sweeps/``; calling it again does nothing."""
    if ConfigurationFolders not in Plugins.instance().discover(SearchPathPlugin):
        Plugins.instance().register(ConfigurationFolders)
        Plugins.instance().register(GroupFolders)


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """Compose and check the configuration that a list of Hydra overrides asks for.

    Parameters
    ----------
    overrides : sequence of str
        As typed: ``experiments=quickstart``, ``trainer.max_iterations=600``, ...

    Returns
    -------
    DictConfig
        Resolved; without the keys that only select (``experiments``, ``sweeps``).

    Raises
    ------
    UserError
        One sentence that names the override or setting, and the valid choices.
    """
    return resolve_and_check(compose_unchecked(overrides))


def compose_unchecked(overrides: Sequence[str]) -> DictConfig:
    """Compose what a list of overrides asks for, neither resolved nor checked; nothing heavy is imported for it.

    Raises
    ------
    UserError
        One sentence that names the override, and the valid choices.
    """
    check_choices(overrides)
    try:
        return _compose(overrides)
    except HYDRA_ERRORS as error:
        raise UserError(explain(error, overrides)) from None
    except RecursionError:
        raise UserError(TOO_DEEP) from None


def _compose(overrides: Sequence[str]) -> DictConfig:
    register_search_path()
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(configuration_root() / "conf")):
        return compose(CONFIG_NAME, overrides=list(overrides))


def override_config(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Change a run's logged configuration by overrides: settings, and whole groups from ``conf/``.

    Raises
    ------
    UserError
        When an override cannot be read or names what is not there.
    """
    changed = OmegaConf.create(OmegaConf.to_container(config))
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HYDRA_ERRORS as error:
        raise UserError(explain(error)) from None
    # Groups first, as Hydra has it: a setting changes the choice that is made, wherever it is typed.
    groups = [_is_group(override.key_or_group) for override in parsed]
    in_order = sorted(zip(groups, parsed, overrides, strict=True), key=lambda item: not item[0])
    for _, override, text in in_order:
        if override.is_sweep_override():
            raise UserError(f"'{text}' gives several values: give one, and evaluate once for each")
    # Composed together, as one choice may be a part of another (evaluation=restoration and its detector).
    chosen = compose_config([text for is_group, _, text in in_order if is_group]) if any(groups) else None
    typed = {override.key_or_group for is_group, override, _ in in_order if is_group}
    if "evaluation" in typed and "judge" not in typed and chosen.judge != compose_unchecked([]).judge:
        changed.judge = chosen.judge  # a protocol that names its judge brings it along
    for is_group, override, _ in in_order:
        name, value = override.key_or_group, override.value()
        if is_group:
            place = override.package or name.replace("/", ".")
            OmegaConf.update(changed, place, OmegaConf.select(chosen, place), merge=False)
            continue
        parent, _, key = name.rpartition(".")
        section = OmegaConf.select(changed, parent) if parent else changed
        if not isinstance(section, DictConfig) or key not in section:
            raise UserError(_unknown_setting(name, changed))
        OmegaConf.update(changed, name, value, merge=False)
    return resolve_and_check(changed)


def resolve_and_check(composed: DictConfig) -> DictConfig:
    """Resolve every interpolation and check the whole against schema and signatures.

    Raises
    ------
    UserError
        On the first setting that is wrong or missing.
    """
    try:
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from None
    plain.pop("hydra", None)
    refuse_interpolations(plain)
    check_config(plain)
    return OmegaConf.create(plain)


def explain(error: Exception, overrides: Sequence[str] = ()) -> str:
    """One sentence for what Hydra or OmegaConf refused of overrides, with the choices that would be right."""
    text = str(error)
    if isinstance(error, MissingConfigException):
        missing = error.missing_cfg_file or ""
        group, _, choice = str(missing).rpartition("/")
        if group:
            choices = ", ".join(error.options or []) or "none exist"
            kind = group.removesuffix("s") if group in GROUP_FOLDERS else group
            return f"there is no {kind} '{choice}': choose one of {choices}"
    if isinstance(error, OverrideParseException):
        typed = str(error.override)
        shown = typed if len(typed) <= LONGEST_NAME else f"{typed[:40]}..."
        return f"the override '{shown}' cannot be read: write NAME=VALUE"
    group = re.search(r"Could not override '([^']+)'.\s*No match in the defaults list", text)
    if group:
        return _unknown_override(group.group(1), overrides)
    cause: BaseException | None = error
    while cause is not None:
        unknown = re.search(r"Key '([^']+)' is not in struct(?:\s+full_key: (\S+))?", str(cause))
        if unknown:
            return _unknown_override(unknown.group(2) or unknown.group(1), overrides)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ConfigCompositionException) and error.__cause__ is not None:
        text = f"{text}: {error.__cause__}"
    return " ".join(text.split())


def _unknown_override(name: str, overrides: Sequence[str]) -> str:
    """Name the nearest setting that exists among the choices that are made, or what its section has."""
    return _unknown_setting(name, _with_choices_alone(overrides))


def _unknown_setting(name: str, chosen: DictConfig) -> str:
    """Name the nearest setting that exists in a configuration, or what its section has."""
    parent, _, key = name.rpartition(".")
    # A setting of something that is null, or of another choice: then name the parent.
    while parent and not isinstance(OmegaConf.select(chosen, parent), DictConfig):
        parent, _, key = parent.rpartition(".")
    section = OmegaConf.select(chosen, parent) if parent else chosen
    known = [str(k) for k in section]
    if key in known and parent:
        return f"there is no setting '{name}' here: the {parent.partition('.')[0]} chosen does not have it"
    if key in known and key != name:
        return f"there is no setting '{name}': {key} is a single value"
    if key in known:
        return f"the configuration cannot do without '{name}'"
    return unknown_name(name, parent, key, known)


def _with_choices_alone(overrides: Sequence[str]) -> DictConfig:
    """Compose the choices of groups among overrides, without their settings; the defaults where that fails."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [
        text
        for override, text in zip(parsed, overrides, strict=True)
        if _is_group_folder(override.key_or_group) or _is_group(override.key_or_group)
    ]
    try:
        return _compose(choices)
    except HYDRA_ERRORS:
        return _compose([])


def check_choices(overrides: Sequence[str]) -> None:
    """Refuse an override that gives a group anything but the name of one choice.

    Raises
    ------
    UserError
        Naming the group and its choices.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HYDRA_ERRORS as error:
        raise UserError(explain(error)) from None
    except RecursionError:
        raise UserError(TOO_DEEP) from None
    for override, text in zip(parsed, overrides, strict=True):
        name, value = override.key_or_group, override.value()
        if not name:
            raise UserError(f"the override '{text}' cannot be read: write NAME=VALUE")
        if any(len(part.encode()) > LONGEST_NAME for part in name.split("/")):
            raise UserError(f"there is no setting '{name[:40]}...': no name is that long")  # Hydra looks for files
        folder = configuration_root() / ("" if name in GROUP_FOLDERS else "conf") / name
        named = override.is_sweep_override() or isinstance(value, str)
        if name in GROUP_FOLDERS:
            named |= value is None or (isinstance(value, list) and all(isinstance(choice, str) for choice in value))
        if override.is_delete():
            named |= value is None
        if (name in GROUP_FOLDERS or _is_group(name)) and not named:
            choices = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
            raise UserError(f"{name} takes the name of one choice: {choices}")
