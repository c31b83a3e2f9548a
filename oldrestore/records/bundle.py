"""A bundle of runs: one zip file that is checked like a stranger's, and unpacked once into the cache.

``manifest.json`` comes first: the format, and path, size and sha256 of every file. Below ``outputs/`` stand run folders
and the tables of sweeps. A content that several files share is a member once; the others name it as `stored`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from oldrestore.data.cache import cache_directory
from oldrestore.errors import UserError, in_words
from oldrestore.files import lock, whole_folder
from oldrestore.records.parsing import write_quick_copy

FORMAT, VERSION = "oldrestore bundle", 1
MANIFEST, ROOT, SWEEPS = "manifest.json", "outputs", "sweeps"
KINDS = (".yaml", ".json", ".jsonl", ".csv", ".png", ".safetensors")

# What no bundle of runs needs, and an attack would.
MOST_FILES = 200_000
LARGEST_MANIFEST = 64 * 2**20  # bytes
LARGEST_RECORD = 512 * 2**20  # of anything but a checkpoint
LARGEST_TOTAL = 256 * 2**30
# Unpacked bytes for each byte of the file: tables reach 20.
LARGEST_RATIO, ROOM = 50, 64 * 2**20
LONGEST_NAME, LONGEST_PATH, DEEPEST = 255, 1024, 8
_END = struct.Struct("<4s4H2LH")  # of a zip file, without a comment
_END_64, _LOCATOR_64 = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, UnicodeError)

_opened: dict[Path, Path] = {}  # folders in the cache, and the files that this process opened them from


@dataclass(frozen=True)
class BundledFile:
    """One file of a bundle."""

    path: str  # below the bundle, with / between parts
    size: int  # bytes
    sha256: str  # hex
    stored: str  # path of the member that holds its content


class _RefusedError(Exception):
    """Why an archive is refused, in the middle of a sentence."""


def split_name(name: str) -> tuple[Path, str] | None:
    """Return the bundle that ``FILE`` or ``FILE#RUN`` names, and RUN; None if the name is none of a bundle."""
    for file, run in ((name, ""), name.rpartition("#")[::2]):
        with contextlib.suppress(OSError, ValueError):  # a name that is too long
            if file and Path(file).is_file() and Path(file).suffix != ".safetensors":
                return Path(file), run
    return None


def open_bundle(file: Path) -> Path:
    """Return the outputs folder of a bundle, in the cache: unpacked, with every file checked, when first opened.

    Its name there is the hash of the manifest, which has the hash of every file. `UserError` says why a file is
    refused; then nothing of it stays.
    """
    try:
        with file.open("rb") as handle, _archive(handle) as archive:
            text, files = _read_manifest(archive)
            place = cache_directory() / "bundles" / hashlib.sha256(text).hexdigest()[:32]
            place.parent.mkdir(parents=True, exist_ok=True)
            with lock(place.parent / "lock"):
                if not place.is_dir():
                    _check(archive, files, file.stat().st_size)
                    with whole_folder(place) as folder:
                        _unpack(archive, files, folder)
    except _RefusedError as reason:
        raise UserError(f"the bundle '{file}' is refused: {reason}") from None
    except _BROKEN as error:
        raise UserError(f"the bundle '{file}' is damaged: {' '.join(str(error).split()) or 'it ends early'}") from None
    except OSError as error:
        raise UserError(f"the bundle '{file}' cannot be opened: {in_words(error)}") from None
    _opened[place / ROOT] = file
    return place / ROOT


def is_bundle(file: Path) -> bool:
    """Whether a file says that it is a bundle; whether it is whole, it tells when it is opened."""
    try:
        with file.open("rb") as handle, _archive(handle) as archive:
            return bool(_read_manifest(archive))
    except (OSError, _RefusedError, *_BROKEN):
        return False


def name_in_bundle(folder: Path) -> str | None:
    """Return ``FILE#RUN`` for a run folder of a bundle that this process opened; None for any other folder."""
    for root in folder.parents:
        if root in _opened:
            return f"{_opened[root]}#{Path(*folder.relative_to(root).parts[1:]).as_posix()}"
    return None


@contextlib.contextmanager
def _archive(handle: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a zip file whose directory is of a size that can be read."""
    if handle.read(4) != b"PK\3\4":
        raise _RefusedError("it is no zip file")
    length = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, length - _END.size))
    end = handle.read(_END.size)
    if len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise _RefusedError("it is cut short, or something follows its end")
    count, size, start = _END.unpack(end)[4:7]
    if count == 0xFFFF or 0xFFFFFFFF in (size, start):
        handle.seek(max(0, length - _END.size - _LOCATOR_64.size))
        handle.seek(_LOCATOR_64.unpack(handle.read(_LOCATOR_64.size))[2])
        count, size = _END_64.unpack(handle.read(_END_64.size))[7:9]
    if count > MOST_FILES or size > length:
        raise _RefusedError(f"it has {count:,} files, and no bundle has more than {MOST_FILES:,}")
    with zipfile.ZipFile(handle) as archive:
        yield archive


def _read_manifest(archive: zipfile.ZipFile) -> tuple[bytes, list[BundledFile]]:
    """Return the bytes of the manifest, and the files that it lists."""
    first = archive.infolist()[:1]
    if not first or first[0].filename != MANIFEST:
        raise _RefusedError(f"it is no bundle of runs: its first file is not {MANIFEST}")
    if first[0].file_size > LARGEST_MANIFEST:
        raise _RefusedError(f"its manifest has {first[0].file_size:,} bytes, which no bundle needs")
    _check_member(first[0])
    with archive.open(first[0]) as member:
        text = member.read(LARGEST_MANIFEST + 1)
    try:
        manifest = json.loads(text.decode())
        is_ours = manifest["format"] == FORMAT and type(manifest["version"]) is int
    except (ValueError, RecursionError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise _RefusedError(f"it is no bundle of runs: its {MANIFEST} does not say so")
    if manifest["version"] != VERSION:
        newer = manifest["version"] > VERSION
        more = "was written by a newer oldrestore: update this one" if newer else "is none that was ever written"
        raise _RefusedError(f"its format, version {manifest['version']}, {more}")
    try:
        files = [
            BundledFile(one["path"], one["size"], one["sha256"], one.get("stored", one["path"]))
            for one in manifest["files"]
        ]
        well_formed = len(files) <= MOST_FILES and all(map(_is_well_formed, files))
    except (KeyError, TypeError, AttributeError):
        well_formed = False
    if not well_formed:
        raise _RefusedError("its manifest does not list files as a bundle does")
    return text, files


def _is_well_formed(file: BundledFile) -> bool:
    texts = (file.path, file.sha256, file.stored)
    return (
        all(isinstance(text, str) for text in texts)
        and type(file.size) is int
        and file.size >= 0
        and re.fullmatch("[0-9a-f]{64}", file.sha256) is not None
    )


def _check(archive: zipfile.ZipFile, files: Sequence[BundledFile], length: int) -> None:
    """Refuse what no bundle has, before anything is unpacked."""
    members = archive.infolist()
    check_names([member.filename for member in members])
    check_names([file.path for file in files])
    for member in members:
        _check_member(member)
    listed = {file.stored: file for file in files}
    if unlisted := sorted({member.filename for member in members} - listed.keys() - {MANIFEST}):
        raise _RefusedError(f"{_quoted(unlisted[0])} is not in its manifest")
    sizes = {member.filename: member for member in members}
    if missing := sorted(listed.keys() - sizes.keys()):
        raise _RefusedError(f"{_quoted(missing[0])} of its manifest is missing")
    by_path = {file.path: file for file in files}
    for file in files:
        _check_place(file)
        held = by_path.get(file.stored)
        if held is None or (held.size, held.sha256, held.stored) != (file.size, file.sha256, file.stored):
            raise _RefusedError(f"{_quoted(file.path)} is said to be stored as a file with another content")
        if sizes[file.stored].file_size != file.size:
            raise _RefusedError(f"{_quoted(file.path)} has another size than its manifest says")
    _check_sizes(members, length)


def _check_member(member: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or member.filename.endswith("/"):
        raise _RefusedError(f"{_quoted(member.filename)} is no file but a link, a folder or a device")
    if member.flag_bits & 0x41:
        raise _RefusedError(f"{_quoted(member.filename)} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError(f"{_quoted(member.filename)} is packed in a way that no bundle is")


def check_names(names: Sequence[str]) -> None:
    """Refuse paths that lead elsewhere, or that are one path on some file system."""
    seen: dict[str, str] = {}
    whole: set[str] = set()
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or re.match("[A-Za-z]:", name):
            raise _RefusedError(f"it has the absolute name {_quoted(name)}")
        if "\\" in name:
            raise _RefusedError(f"it has a backslash in the name {_quoted(name)}")
        if any(part in ("", ".", "..") for part in parts):
            raise _RefusedError(f"it has the name {_quoted(name)}, which leads elsewhere")
        too_long = len(os.fsencode(name)) > LONGEST_PATH or any(len(os.fsencode(p)) > LONGEST_NAME for p in parts)
        if too_long or len(parts) > DEEPEST or not name.isprintable():
            raise _RefusedError(f"it has the name {_quoted(name)}, which no run has")
        if name in whole:
            raise _RefusedError(f"it has {_quoted(name)} twice")
        whole.add(name)
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            same = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
            if same != path:
                raise _RefusedError(f"its names {_quoted(same)} and {_quoted(path)} are one on some file systems")
    for name in names:
        parts = name.split("/")
        if any("/".join(parts[:depth]) in whole for depth in range(1, len(parts))):
            raise _RefusedError(f"{_quoted(name)} is below a file")


def _check_place(file: BundledFile) -> None:
    """Refuse what is neither of a run nor of a sweep: other archives, code, files outside of run folders."""
    parts, kind = file.path.split("/"), Path(file.path).suffix
    if parts[0] != ROOT or len(parts) < 4 or kind not in KINDS:
        raise _RefusedError(f"{_quoted(file.path)} is no file of a run")
    if kind != ".safetensors" and file.size > LARGEST_RECORD:
        raise _RefusedError(f"{_quoted(file.path)} would have {file.size:,} bytes")


def _check_sizes(members: Sequence[zipfile.ZipInfo], length: int) -> None:
    packed, unpacked = (sum(getattr(m, size) for m in members) for size in ("compress_size", "file_size"))
    if packed > length:
        raise _RefusedError("its members overlap")
    if unpacked > min(LARGEST_TOTAL, ROOM + LARGEST_RATIO * length):
        raise _RefusedError(f"its {length:,} bytes would become {unpacked:,}")
    free = shutil.disk_usage(cache_directory()).free
    if unpacked > free:
        where = "name another folder by OLDRESTORE_CACHE"
        raise _RefusedError(f"it would take {unpacked:,} bytes of the cache, and {free:,} are free: {where}")


def _unpack(archive: zipfile.ZipFile, files: Sequence[BundledFile], folder: Path) -> None:
    """Unpack and check every file; those that share a content are one file, with several names."""
    (folder / ROOT).mkdir(parents=True)
    for file in sorted(files, key=lambda file: file.path != file.stored):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.stored == file.path:
            with archive.open(file.stored) as member, path.open("xb") as target:
                _copy(member, target, file)
            continue
        try:
            path.hardlink_to(folder / file.stored)
        except OSError:  # a file system without links
            shutil.copyfile(folder / file.stored, path)
    for config in folder.glob(f"{ROOT}/**/config.yaml"):
        write_quick_copy(config.parent)


def _copy(member: IO[bytes], target: IO[bytes], file: BundledFile) -> None:
    digest, size = hashlib.sha256(), 0
    while part := member.read(2**20):
        digest.update(part)
        size += len(part)
        if size > file.size:
            break
        target.write(part)
    if (size, digest.hexdigest()) != (file.size, file.sha256):
        raise _RefusedError(f"{_quoted(file.path)} is not what its manifest says: its sha256 is another")


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:119]}…")


def manifest_text(files: Sequence[BundledFile], facts: Mapping[str, Any]) -> str:
    """Return the manifest of these files, and what else it is to say."""
    listed = [
        {"path": file.path, "size": file.size, "sha256": file.sha256}
        | ({"stored": file.stored} if file.stored != file.path else {})
        for file in files
    ]
    return json.dumps({"format": FORMAT, "version": VERSION, **facts, "files": listed}, indent=1) + "\n"
