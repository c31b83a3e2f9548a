"""Plugins: packages outside oldrestore whose classes and choices may be used because the user named them.

Only ``--plugins`` and the environment variable `VARIABLE` name them, which the processes that a run starts inherit.
Nothing that a run logged is read for it: a run says which plugins it used, and only the user brings them.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import keyword
import os
import shlex
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError

VARIABLE = "OLDRESTORE_PLUGINS"  # folders and names of installed packages, separated as in PATH
OWN = ("oldrestore", "paddle")  # roots of what is admitted without being named
ENDINGS = (".py", ".yaml", ".yml")  # of the files that a plugin's hash covers


@dataclass(frozen=True)
class Plugin:
    """A package that the user named."""

    name: str  # by which it is imported
    folder: Path

    @property
    def version(self) -> str | None:
        """``__version__`` of its ``__init__.py``, which is not run; otherwise that of the installed distribution."""
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            for node in ast.parse((self.folder / "__init__.py").read_bytes()).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
                    return str(ast.literal_eval(node.value))
        if _installed(self.name) != self.folder:
            return None
        distributions = metadata.packages_distributions().get(self.name)
        return metadata.version(distributions[0]) if distributions else None

    def files(self) -> list[Path]:
        """Python and YAML files, sorted; not those of runs in a folder ``outputs``, nor hidden ones."""
        found = []
        for folder, names, files in os.walk(self.folder):
            names[:] = [name for name in names if not name.startswith((".", "__")) and name != "outputs"]
            found += [Path(folder, name) for name in files if name.endswith(ENDINGS) and not name.startswith(".")]
        return sorted(found)

    def describe(self) -> dict[str, str | None]:
        """Return what a run records: name, version, and a sha256 over names and bytes of its files as they are now."""
        digest = hashlib.sha256()
        for path in self.files():
            digest.update(f"{path.relative_to(self.folder).as_posix()}\0".encode())
            digest.update(path.read_bytes())
        return {"name": self.name, "version": self.version, "hash": digest.hexdigest()}


def use_plugins(*places: str | Path) -> None:
    """Admit plugins, in this process and those that it starts, beside those admitted before.

    Each is a folder, the name of which is the package's, or the name of an installed package. `UserError` if there is
    none, or it has the name of something else. Nothing is imported before a configuration names one of its classes.
    """
    before = os.environ.get(VARIABLE, "")
    named = [str(_find(str(place)).folder) for place in places]
    text = os.pathsep.join(dict.fromkeys([*filter(None, before.split(os.pathsep)), *named]))
    for plugin in _admitted_by(text):
        _forget_another(plugin)
    os.environ[VARIABLE] = text


@contextlib.contextmanager
def for_one_command() -> Iterator[None]:
    """Forget after this block which plugins were named in it."""
    before = os.environ.get(VARIABLE)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def admitted() -> tuple[Plugin, ...]:
    """Return the plugins that the user named; `UserError` if one cannot be admitted."""
    return _admitted_by(os.environ.get(VARIABLE, ""))


def used_by(config: Any) -> list[dict[str, str | None]]:
    """Describe the plugins whose classes a configuration names, as a run records them."""
    roots = set(roots_of(config))
    return [plugin.describe() for plugin in admitted() if plugin.name in roots]


def as_option(config: Any) -> str:
    """Return the option that brings the plugins of a configuration, as it is typed from here; empty if it has none."""
    roots, here = set(roots_of(config)), Path.cwd()
    used = [plugin.folder for plugin in admitted() if plugin.name in roots]
    places = [folder.relative_to(here) if folder.is_relative_to(here) and folder != here else folder for folder in used]
    return "".join(f" --plugins {shlex.quote(str(place))}" for place in places)


def roots_of(node: Any) -> Iterator[str]:
    """Yield the first part of every ``_target_`` in plain containers."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"].partition(".")[0]
        for value in node.values():
            yield from roots_of(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from roots_of(value)


def recorded_in(provenance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the plugins that a provenance describes, which anyone may have written; without what is no description."""
    recorded = provenance.get("plugins")
    return [
        described
        for described in (recorded if isinstance(recorded, list) else ())
        if isinstance(described, dict) and isinstance(described.get("name"), str) and described["name"].isidentifier()
    ]


def in_words(described: Mapping[str, Any]) -> str:
    """Write a recorded plugin's version and hash: ``version 0.1, hash 0123456789ab``."""
    version, digest = (_printable(described.get(name)) for name in ("version", "hash"))
    return f"{'no version' if described.get('version') is None else f'version {version}'}, hash {digest[:12]}"


def _printable(recorded: Any) -> str:
    """Write what anyone may have recorded so that it steers no terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in str(recorded))[:40]


def lacking(config: Any) -> set[str]:
    """Return the roots of the classes that a configuration names and nobody admitted."""
    return set(roots_of(config)) - {plugin.name for plugin in admitted()} - set(OWN)


def require(recorded: Iterable[Mapping[str, Any]], config: Any) -> None:
    """Refuse to work with a run's configuration, or a part of it, without the plugins that it names."""
    for described in recorded:
        if (name := described["name"]) in lacking(config):
            raise UserError(f"this run used the plugin {name} ({in_words(described)}): add --plugins PATH, its folder")


def changes(then: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]]) -> dict[str, list[str | None]]:
    """Return the plugins that differ between two records: ``plugin NAME`` to [then, now], in words."""
    before, after = ({described["name"]: described for described in each} for each in (then, now))
    return {
        f"plugin {name}": [in_words(each[name]) if name in each else None for each in (before, after)]
        for name in sorted(before.keys() | after.keys())
        if before.get(name, {}).get("hash") != after.get(name, {}).get("hash")
    }


@lru_cache(maxsize=16)
def _admitted_by(text: str) -> tuple[Plugin, ...]:
    plugins: dict[str, Plugin] = {}
    for place in filter(None, text.split(os.pathsep)):
        plugin = _find(place)
        if plugins.setdefault(plugin.name, plugin) != plugin:
            raise UserError(f"two plugins are called {plugin.name}: rename the folder of one of them")
    if plugins and _FINDER not in sys.meta_path:
        # First, for a folder of data with a plugin's name would be a package too; it answers for no other names.
        sys.meta_path.insert(0, _FINDER)
    return tuple(plugins.values())


def plugin_in(folder: Path) -> Plugin:
    """Return the plugin of a folder, which need not exist yet; `UserError` if it has the name of something else."""
    _check_name(folder.name)
    if os.pathsep in str(folder):
        raise UserError(f"the plugin '{folder.name}' is in a folder with '{os.pathsep}' in its name: rename that")
    installed = _installed(folder.name)
    if installed not in (None, folder.resolve()):
        raise UserError(
            f"the plugin '{folder.name}' has the name of an installed package ({installed}): rename its folder"
        )
    return Plugin(folder.name, folder)


def _find(place: str) -> Plugin:
    folder = _folder(place)
    if folder is not None:
        return plugin_in(folder)
    installed = None
    if place.isidentifier():
        _check_name(place)
        installed = _installed(place)
    if installed is None:
        raise UserError(f"there is no plugin '{place}': name its folder, or an installed package")
    if not installed.is_dir():
        raise UserError(f"the plugin '{place}' is a single file ({installed}): a plugin is a package, a folder")
    return Plugin(place, installed)


def _check_name(name: str) -> None:
    if name in OWN or name in sys.stdlib_module_names:
        owner = f"of {name} itself" if name in OWN else "of a module of Python"
        raise UserError(f"the plugin '{name}' has the name {owner}: rename its folder")
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise UserError(f"'{name}' cannot be a plugin: a folder is a plugin if Python can import it by its name")


def _folder(place: str) -> Path | None:
    """Return the folder that is meant; None if there is none of that name."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # a name that no folder can have
        folder = Path(place).expanduser().resolve()
        return folder if place and folder.is_dir() else None
    return None


def _forget_another(plugin: Plugin) -> None:
    """Forget what this process imported by a plugin's name from another folder, which it had before."""
    module = sys.modules.get(plugin.name)
    if module is not None and str(plugin.folder) not in map(str, getattr(module, "__path__", ())):
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{plugin.name}.")]:
            del sys.modules[name]


def _installed(name: str) -> Path | None:
    """Return the folder, or the file, that Python itself imports by a name; a folder of data beside it is none."""
    sites = [Path(path).resolve() for path in map(sysconfig.get_path, ("purelib", "platlib"))]
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, None) if find is not None and finder is not _FINDER else None
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin).resolve()
            return origin.parent if origin.name == "__init__.py" else origin
        for place in map(Path, spec.submodule_search_locations or () if spec is not None else ()):
            if any(place.resolve().is_relative_to(site) for site in sites):
                return place.resolve()  # a package without a first file
    return None


class _PluginFinder(MetaPathFinder):
    """Imports plugins from their folders, so that nothing is added to `sys.path`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Answer for the names of plugins only."""
        plugin = next((p for p in admitted() if p.name == fullname), None) if "." not in fullname else None
        if plugin is None:
            return None
        places, code = [str(plugin.folder)], plugin.folder / "__init__.py"
        if code.is_file():
            return spec_from_file_location(fullname, code, submodule_search_locations=places)
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = places
        return spec


_FINDER = _PluginFinder()
