"""Where the configuration folders stand: beside the package in a clone, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
GROUP_FOLDERS = ("experiments", "sweeps")


def configuration_root() -> Path:
    """Folder that holds ``conf/``, ``experiments/`` and ``sweeps/``."""
    installed = PACKAGE / "_configuration"
    return installed if installed.is_dir() else PACKAGE.parent


def repository_root() -> Path | None:
    """Top of the git clone that the package runs from, or None for an installed wheel."""
    root = PACKAGE.parent
    return root if (root / ".git").exists() and (root / "conf").is_dir() else None


def user_root() -> Path | None:
    """Current folder, where it holds ``experiments/`` or ``sweeps/`` of the user's own; else None."""
    here = Path.cwd()
    if here == configuration_root():
        return None
    return here if any((here / name).is_dir() for name in GROUP_FOLDERS) else None
