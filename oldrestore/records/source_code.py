"""The code that a job's numbers depend on: the modules that its classes, the training loop and the protocol import."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from oldrestore.config.aliases import current_target
from oldrestore.config.location import PACKAGE
from oldrestore.config.plugins import admitted
from oldrestore.errors import UserError
from oldrestore.files import sha256_of

# From one end of a run to the other: components, training, validation.
ROOT = "run.experiment"
# What a run imports and none of its numbers depends on, with the reason: neither it nor what only it imports counts.
WITHOUT_NUMBERS = {
    "composes and checks settings, which count themselves": "commands cli api config sweeps reproduction",
    "finds or describes a run": "run.provenance run.resuming run.outcome",
    "records, sends and shows numbers": "records tracking report comparison catalogue run.curves run.sync",
    "draws, prints and writes files": "panels narrator tables terminal plain files errors signals",
    "looks for the origin of NaN after a failure": "run.diagnosis training.first_nan",
    "confidence intervals and tests of numbers that are recorded": "statistics",
    "uses networks after their training": "engines photographs",
}
_ROOMS = {f"oldrestore.{room}" for rooms in WITHOUT_NUMBERS.values() for room in rooms.split()}
DISTRIBUTIONS = ("numpy", "paddlepaddle", "paddlepaddle-gpu")


class SourceCode:
    """The modules of the package, and of plugins, as they are now, by their dotted names."""

    def __init__(self, package: Path = PACKAGE) -> None:
        self.package = package
        self._plugins = {plugin.name: plugin.folder for plugin in admitted()}
        self.files = {
            ".".join((root, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): path
            for root, folder, paths in (
                ("oldrestore", package, sorted(package.rglob("*.py"))),
                *((plugin.name, plugin.folder, plugin.files()) for plugin in admitted()),
            )
            for path in paths
            if path.suffix == ".py"
        }
        versions = {name: _version(name) for name in DISTRIBUTIONS}
        self._versions = {f"the version of {name}": version for name, version in versions.items() if version}
        self._needed: dict[frozenset[str], dict[str, str]] = {}

    def imports(self, module: str) -> set[str]:
        """Return the modules that a module imports, wherever in its file."""
        found = set()
        for base, names in self._read(module)[1]:
            # A name that is no module of its own comes out of the module before it.
            found |= names if names <= self.files.keys() else {*names, base}
        return (found & self.files.keys()) - {module}

    def needed(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return what the numbers of a job depend on: files of the package with their hashes, and versions.

        The hash of a module is of its syntax tree without docstrings; weights in a folder that has the name of a module
        (``models/released/``) count with it.
        """
        targets = frozenset(current_target(target).rpartition(".")[0] for target in _targets(config))
        if targets not in self._needed:
            hashes = {}
            for module in self._reached([f"oldrestore.{ROOT}", *targets]):
                path = self.files[module]
                hashes[self._name(path)] = self._read(module)[0]
                for weights in path.with_suffix("").glob("*.safetensors"):
                    hashes[self._name(weights)] = sha256_of(weights)[:16]
            self._needed[targets] = {name: hashes[name] for name in sorted(hashes)} | self._versions
        return self._needed[targets]

    def _reached(self, waiting: list[str]) -> set[str]:
        reached: set[str] = set()
        while waiting:
            module = waiting.pop()
            parents = _and_parents(module)
            if module not in reached and module in self.files and not _ROOMS & set(parents):
                reached.add(module)
                root = module.partition(".")[0]
                waiting += [*self.imports(module), *parents, *([root] if root in self._plugins else [])]
        return reached

    def _name(self, path: Path) -> str:
        for plugin, folder in self._plugins.items():
            if path.is_relative_to(folder):
                return f"{plugin}/{path.relative_to(folder).as_posix()}"
        return path.relative_to(self.package).as_posix()

    def _read(self, module: str) -> tuple[str, list[tuple[str, set[str]]]]:
        path = self.files[module]
        parent = module if path.name == "__init__.py" else module.rpartition(".")[0]
        stat = path.stat()
        return _hash_and_imports(path, parent, stat.st_mtime_ns, stat.st_size)


@cache
def _hash_and_imports(path: Path, parent: str, changed_at: int, size: int) -> tuple[str, list[tuple[str, set[str]]]]:
    """Read a file once in each of its states: its hash, and for each import the base and what may be modules."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not Python: {error}") from None
    imports: list[tuple[str, set[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.append(("", {alias.name for alias in node.names}))
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), parent)
            imports.append((base, {f"{base}.{alias.name}" for alias in node.names}))
    code = ast.unparse(_WithoutDocstrings().visit(tree))
    return hashlib.sha256(code.encode()).hexdigest()[:16], imports


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Remove a text that stands alone, and therefore does nothing."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else node


def hash_of(needed: Mapping[str, str]) -> str:
    """sha256 (hex) over what a job needs."""
    return hashlib.sha256(json.dumps(dict(needed), sort_keys=True).encode()).hexdigest()


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "_target_" and isinstance(value, str):
                yield value
            yield from _targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)


def _and_parents(module: str) -> Iterable[str]:
    """Return a module and the packages that hold it, whose code runs first; not the whole package: its version."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(2, len(parts) + 1)]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
