"""Imports run one way: each part of the package may use the parts below it, and nothing beside or above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import oldrestore

PACKAGE = Path(oldrestore.__file__).parent
SHARED = {"errors", "batch", "runtime", "parallel", "color", ""}
LIBRARY = {"data", "models", "losses", "tracking"}
# What each part may import, beside itself and what is shared.
ALLOWED: dict[str, set[str]] = {
    "color": set(),
    "errors": set(),
    "runtime": {"errors"},
    "parallel": set(),
    "terminal": set(),
    "batch": {"color"},
    "config": {"errors"},
    **dict.fromkeys(LIBRARY, SHARED),
    "evaluation": SHARED | LIBRARY,
    "training": SHARED | LIBRARY,
    "restoration": SHARED | LIBRARY,
    "runs": SHARED | LIBRARY | {"evaluation", "training", "restoration", "config"},
    "commands": SHARED | LIBRARY | {"evaluation", "training", "restoration", "config", "runs"},
    "api": {"errors", "runs"},
    "cli": {"errors", "terminal", "commands", ""},
    "__main__": {"cli"},
    "": set(),
}


def imports_of(path: Path) -> Iterator[str]:
    """Parts of oldrestore that a file imports, wherever in the file; "" is the package itself (its version)."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if node.module == "oldrestore":
                names = [
                    f"oldrestore.{alias.name}" if alias.name != "__version__" else node.module for alias in node.names
                ]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "oldrestore":
                yield rest.partition(".")[0]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    part = "" if part == "__init__" else part
    wrong = {name for name in imports_of(path) if name != part} - ALLOWED[part]
    assert not wrong, f"{part} must not import {sorted(wrong)}"


def test_the_package_can_be_imported_without_what_is_heavy():
    import subprocess
    import sys

    program = "import sys, oldrestore.color, oldrestore.cli; print({'paddle', 'mlflow', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
