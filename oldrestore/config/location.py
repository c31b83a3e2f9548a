"""Where the configuration folders are: beside the package in a clone, inside it in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from oldrestore.config.plugins import admitted

PACKAGE = Path(__file__).resolve().parent.parent
GROUP_FOLDERS = ("experiments", "sweeps")
ENDINGS = (".yaml", ".yml")  # the first takes precedence


def configuration_root() -> Path:
    """Folder that holds ``conf/``, ``experiments/`` and ``sweeps/``."""
    installed = PACKAGE / "_configuration"
    return installed if installed.is_dir() else PACKAGE.parent


def repository_root() -> Path | None:
    """Top of the git clone that the package runs from, or None for an installed wheel."""
    root = PACKAGE.parent
    return root if (root / ".git").exists() and (root / "conf").is_dir() else None


def user_root() -> Path | None:
    """Working folder, if it holds ``experiments/`` or ``sweeps/`` of the user's own; else None."""
    here = Path.cwd()
    if here == configuration_root():
        return None
    return here if any((here / name).is_dir() for name in GROUP_FOLDERS) else None


def choice_folders() -> list[Path]:
    """Folders of the groups: ``conf/``, and that of each plugin which has one."""
    return [configuration_root() / "conf", *(p.folder / "conf" for p in admitted() if (p.folder / "conf").is_dir())]


def is_group(name: str) -> bool:
    """Say whether a name is that of a group of choices."""
    # A name that no folder can have is no group: `Path.is_dir` would raise.
    return any(os.path.isdir(f"{folder}/{name}") for folder in choice_folders())  # noqa: PTH112


def choices_of(group: str) -> dict[str, Path]:
    """Files of a group by the names that choose them, sorted; the user's own experiments and sweeps included."""
    if group in GROUP_FOLDERS:
        folders = [root / group for root in (configuration_root(), user_root()) if root is not None]
    else:
        folders = [folder / group for folder in choice_folders()]
    files: dict[str, Path] = {}
    for folder in folders:
        for ending in ENDINGS:
            for path in folder.glob(f"*{ending}"):
                files.setdefault(path.stem, path)
    return dict(sorted(files.items()))


def unquoted(text: str) -> str:
    """Remove the quotes around a text, if it has them."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def at_home(text: str) -> str:
    """Expand a leading ``~`` or ``~NAME`` as a shell does; unchanged if there is no such user or home."""
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        return text
