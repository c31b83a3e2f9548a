"""A copy of the package that a test may change, as somebody does who adds a thing to it."""

import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import oldrestore

REPOSITORY = Path(oldrestore.__file__).parents[1]
PARTS = ("oldrestore", "conf", "experiments", "sweeps")


class Throwaway:
    """Package and configuration in a folder of their own, which is also the working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PARTS:
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def write(self, path: str, text: str) -> None:
        """Add a file."""
        assert not (self.folder / path).exists(), path
        (self.folder / path).write_text(text, encoding="utf-8")

    def insert(self, path: str, inserted: str, after: str = "", before: str = "") -> None:
        """Insert a text after or before another that stands once in a file."""
        file, place = self.folder / path, after + before
        text = file.read_text(encoding="utf-8")
        assert text.count(place) == 1, (path, place)
        file.write_text(text.replace(place, after + inserted + before), encoding="utf-8")

    def changed(self) -> set[str]:
        """Files that are not in the repository as they are here."""
        files = (path for part in PARTS for path in (self.folder / part).rglob("*") if path.is_file())
        names = {path.relative_to(self.folder).as_posix() for path in files}
        return names - set(filecmp.cmpfiles(self.folder, REPOSITORY, names, shallow=False)[0])

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``oldrestore`` from the copy, which must end with this exit code."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "oldrestore", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
        if code == 2:
            assert re.fullmatch(r"oldrestore: [^\n]+\n", done.stderr), done.stderr
        return done
