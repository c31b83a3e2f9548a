"""A copy of the package that a test may change, as somebody does who adds a thing to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import oldrestore

REPOSITORY = Path(oldrestore.__file__).parents[1]


class Throwaway:
    """Package and configuration in a folder of their own.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("oldrestore", "conf", "experiments", "sweeps"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(self, path: str, before: str, inserted: str) -> None:
        """Insert a text before another that stands once in a file."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert text.count(before) == 1, (path, before)
        file.write_text(text.replace(before, inserted + before), encoding="utf-8")

    def run(self, program: str) -> str:
        """Run a Python program with the copy, from its folder, and return what it prints."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout
