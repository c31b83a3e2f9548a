"""Exports of networks in the user's cache folder: written once, read only if whole, and bounded."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import paddle
from omegaconf import OmegaConf

from oldrestore import batch, color, models
from oldrestore.data.cache import cache_directory
from oldrestore.engines import export_rewriting, inference_export
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.files import sha256_of, whole_folder, write_atomically

LAYOUT = 1  # of the folder; another number makes other keys
MOST_BYTES = 2 * 2**30  # of all exports together; the least recently used go first
# Seconds after which the remains of a killed process are removed, and an export that failed is tried again.
STALE = 86_400
RECORD = "export.json"
FILES = ("network.json", "network.pdiparams")


def key_of(chosen: ChosenNetwork) -> str:
    """Hash all that an export's numbers depend on: weights, configuration, code and Paddle."""
    digest = hashlib.sha256(sha256_of(chosen.weights).encode())
    digest.update(OmegaConf.to_yaml(chosen.model, resolve=True, sort_keys=True).encode())
    digest.update(_code_of(type(chosen.network)))
    return digest.hexdigest()[:32]


@cache
def _code_of(network: type) -> bytes:
    """Hash the code that makes an export of a network, with Paddle's version."""
    digest = hashlib.sha256(f"{LAYOUT} {paddle.__version__} {network.__qualname__}".encode())
    sources = (batch, inference_export, export_rewriting, network)
    files = {Path(inspect.getfile(source)) for source in sources} | {Path(__file__).with_name("fast_network.py")}
    for package in (models, color):
        files.update(Path(package.__path__[0]).glob("*.py"))
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.digest()


def exports_folder() -> Path:
    """Return the folder of all exports, which need not exist yet."""
    return cache_directory() / "inference"


def find(key: str) -> tuple[Path, dict[str, Any]] | None:
    """Return an export's folder and record; None if it is missing, or its files are not those that were written."""
    folder = exports_folder() / key
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = all(sha256_of(folder / name) == sha256 for name, sha256 in record["files"].items())
        old = time.time() - (folder / RECORD).stat().st_mtime > STALE
        # A failure is tried again another day: the machine may have been short of memory.
        if not whole or ("failed" in record and old):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if "failed" not in record:
        with suppress(OSError):  # a folder that cannot be written can be read
            os.utime(folder / RECORD)  # used now
    return folder, record


def keep(key: str, write: Callable[[Path], Mapping[str, Any]]) -> Path:
    """Put an export into its place with its record, whole or not at all; make room; return its folder.

    `write` writes the export's files into a folder, and returns what to record.
    """
    folder = exports_folder() / key
    with whole_folder(folder) as neighbour:
        facts = write(neighbour)
        neighbour.mkdir(exist_ok=True)
        files = {name: sha256_of(neighbour / name) for name in FILES if (neighbour / name).exists()}
        (neighbour / RECORD).write_text(json.dumps({"files": files, **facts}, indent=1) + "\n", encoding="utf-8")
    _make_room(but=folder)
    return folder


def note(folder: Path, record: Mapping[str, Any]) -> None:
    """Replace an export's record."""
    write_atomically(folder / RECORD, json.dumps(record, indent=1) + "\n")


def _make_room(but: Path) -> None:
    """Remove the least recently used exports until the rest fits, and what killed processes left."""
    kept: list[tuple[float, int, Path]] = []
    for folder in exports_folder().iterdir():
        try:
            if folder.name.startswith("."):
                if time.time() - folder.stat().st_mtime > STALE:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            size = sum(file.stat().st_size for file in folder.iterdir())
            kept.append(((folder / RECORD).stat().st_mtime, size, folder))
        except OSError:
            continue  # another process removes too
    total = sum(size for _, size, _ in kept)
    for _, size, folder in sorted(kept):
        if total <= MOST_BYTES:
            return
        if folder != but:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
