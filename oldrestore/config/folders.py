"""Hydra's folders of choices: ``conf/``, and ``experiments/`` and ``sweeps/`` of the project and of the user."""

from __future__ import annotations

import os
from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from oldrestore.config.location import ENDINGS, GROUP_FOLDERS, at_home, choice_folders, configuration_root, user_root
from oldrestore.config.overrides import PATHS, readable
from oldrestore.config.yaml_file import mapping_of, read_text, shown
from oldrestore.errors import UserError


class ChoiceFolder(FileConfigSource):
    """A folder of files ending in .yaml or .yml; an unreadable file is refused in one sentence."""

    @staticmethod
    def scheme() -> str:
        """Prefix of such a folder in Hydra's search path."""
        return "choices"

    def is_config(self, config_path: str) -> bool:
        """Say whether there is such a file."""
        return self._file(config_path) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file that Hydra has checked to exist."""
        path = self._file(config_path)
        assert path is not None
        text = read_text(path)
        config = mapping_of(text, path)
        try:
            header = self._get_header_dict(text)
        except ValueError:
            raise UserError(f"the first line of '{shown(path)}' cannot be read: write # @package NAME") from None
        self.check(config, path)
        _write_out(config)
        return ConfigResult(config=config, path=f"{self.scheme()}://{self.path}", provider=self.provider, header=header)

    def check(self, config: DictConfig, path: Path) -> None:
        """Refuse a file that hides one of the same name in the folder of a plugin."""
        name = path.relative_to(self.path)
        for folder in choice_folders():
            other = folder / name
            if folder != Path(self.path) and other.is_file():
                raise UserError(f"'{shown(other)}' has the name of '{shown(path)}': rename one of them")

    def _file(self, config_path: str) -> Path | None:
        endings = ("",) if config_path.endswith(ENDINGS) else ENDINGS
        names = [f"{self.path}/{config_path}{ending}" for ending in endings if config_path]
        # A name that no file can have is no file: `Path.is_file` would raise.
        return next((Path(name) for name in names if os.path.isfile(name)), None)  # noqa: PTH113


class GroupFolders(ChoiceFolder):
    """A folder of which Hydra sees only ``experiments/`` and ``sweeps/``.

    Otherwise, every folder beside them would be a group: ``outputs=FOLDER`` would choose from a group of that name
    instead of setting a value. The files apply to the whole configuration, with or without ``# @package _global_``.
    """

    @staticmethod
    def scheme() -> str:
        """Prefix of such a folder in Hydra's search path."""
        return "groups"

    def available(self) -> bool:
        """Say whether the folder exists."""
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        """Say whether a path is one of the two folders or a folder in them."""
        return is_group_folder(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Say whether a path is a file in one of the two folders."""
        return is_group_folder(config_path) and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Names within a path."""
        if not config_path:
            names = [name for name in GROUP_FOLDERS if super(GroupFolders, self).is_group(name)]
            return [] if results_filter == ObjectType.CONFIG else names
        return super().list(config_path, results_filter) if is_group_folder(config_path) else []

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file as a part of the whole configuration."""
        result = super().load_config(config_path)
        if result.header.get("package") is None:
            result.header["package"] = "_global_"
        return result

    def check(self, config: DictConfig, path: Path) -> None:
        """Refuse a file without settings, and a user's file that is hidden by a file of the project."""
        if not config:
            raise UserError(f"'{shown(path)}' is empty: write the settings that it changes, such as seed: 1")
        own = user_root()
        if own is not None and path.is_relative_to(configuration_root()):
            hidden = own / path.relative_to(configuration_root())
            if hidden.is_file() and hidden.read_bytes() != path.read_bytes():
                raise UserError(f"'{shown(hidden)}' has the name of a file of oldrestore: rename it")


def is_group_folder(config_path: str) -> bool:
    """Say whether a path is ``experiments`` or ``sweeps``, or within."""
    return config_path.partition("/")[0] in GROUP_FOLDERS


def _write_out(config: DictConfig) -> None:
    """Read a file's lines as if they were typed: ``~`` in paths, and the values of a sweep."""
    varied = OmegaConf.select(config, "hydra.sweeper.params", throw_on_resolution_failure=False)
    for name, values in varied.items_ex(resolve=False) if isinstance(varied, DictConfig) else ():
        if isinstance(values, str):
            varied[name] = readable([f"{name}={values}"], several=True)[0].partition("=")[2]
    _expand_paths(config)


def _expand_paths(config: DictConfig) -> None:
    for name, value in config.items_ex(resolve=False):
        if isinstance(value, DictConfig):
            _expand_paths(value)
        elif name in PATHS and isinstance(value, str):
            config[name] = at_home(value)


class ConfigurationFolders(SearchPathPlugin):
    """Adds plugins' ``conf/``, ``experiments/`` and ``sweeps/`` beside ``conf/``, and then those of the working folder.

    In this order, a recorded experiment means the same wherever the command is typed.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders; Hydra calls this."""
        for element in search_path.get_path():
            if element.provider == "main":
                element.path = f"{ChoiceFolder.scheme()}://{configuration_root() / 'conf'}"
        for folder in choice_folders()[1:]:
            search_path.append(provider="plugin", path=f"{ChoiceFolder.scheme()}://{folder}")
        search_path.append(provider="oldrestore", path=f"groups://{configuration_root()}")
        if user_root() is not None:
            search_path.append(provider="user", path=f"groups://{user_root()}")


def register_search_path() -> None:
    """Make Hydra find ``experiments/`` and ``sweeps/``; calling it again does nothing."""
    if ConfigurationFolders not in Plugins.instance().discover(SearchPathPlugin):
        for plugin in (ConfigurationFolders, ChoiceFolder, GroupFolders):
            Plugins.instance().register(plugin)
