"""Fetches a Debian package by name with apt-get, without root, and keeps what was prepared from it whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError, in_words

MANIFEST = "manifest.json"
"""Stands in every prepared folder: what it was made from."""
TIMEOUT = 900.0


def download_and_unpack(package: str, folder: Path, advice: str) -> Path:
    """Fetch a package with ``apt-get download`` and unpack it, which needs neither root nor an installation.

    Parameters
    ----------
    folder : Path
        An empty folder to work in.
    advice : str
        What to do on a machine without these programs, for the message.

    Returns
    -------
    Path
        Folder that holds the package's files, ``usr/share/...``.

    Raises
    ------
    UserError
        When apt-get or dpkg-deb is missing or fails.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UserError(f"this machine has no {program}, with which {package} is fetched; {advice}")
    _run(["apt-get", "download", package], folder, "; if apt-get knows no package lists, run apt-get update")
    packages = sorted(folder.glob(f"{package}_*.deb"))
    if not packages:
        raise UserError(f"apt-get download {package} left no package; run apt-get update and try again")
    unpacked = folder / "unpacked"
    _run(["dpkg-deb", "-x", str(packages[-1]), str(unpacked)], folder, "")
    return unpacked


def refuse_foreign_folder(destination: Path) -> None:
    """Refuse to replace a folder that was not prepared by oldrestore."""
    if destination.is_dir() and any(destination.iterdir()) and not (destination / MANIFEST).is_file():
        raise UserError(f"{destination} holds something other than prepared photographs; give another folder")
    if destination.exists() and not destination.is_dir():
        raise UserError(f"{destination} is a file; give a folder for the prepared photographs")


def write_prepared(
    destination: Path,
    photographs: Iterable[tuple[str, bytes]],
    licences: Iterable[tuple[str, bytes]],
    manifest: Mapping[str, Any],
) -> None:
    """Write a prepared folder in one step, so that it is always a whole one.

    Parameters
    ----------
    destination : Path
        Replaced when it is there.
    photographs : iterable of (str, bytes)
        File names and contents.
    licences : iterable of (str, bytes)
        Names and texts that say whose the photographs are; they go into ``licences/NAME.txt``.
    manifest : mapping
        What `MANIFEST` says, plain values.

    Raises
    ------
    UserError
        When the disk refuses.
    """
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".preparing-", dir=destination.parent) as temporary:
            new = Path(temporary) / "new"
            (new / "licences").mkdir(parents=True)
            for name, data in photographs:
                (new / name).write_bytes(data)
            for name, data in licences:
                (new / "licences" / f"{name}.txt").write_bytes(data)
            (new / MANIFEST).write_text(json.dumps(dict(manifest), indent=2) + "\n", encoding="utf-8")
            if destination.exists():
                destination.replace(Path(temporary) / "old")
            new.replace(destination)
    except OSError as error:
        raise UserError(f"the prepared photographs cannot be written to {destination} ({in_words(error)})") from error


def _run(command: list[str], folder: Path, advice: str) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{' '.join(command[:3])} did not run ({error}){advice}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{' '.join(command[:3])} failed ({lines[-1].strip()}){advice}")
