"""Packs runs into a bundle: the same runs give the same bytes, and nothing names the machine that they were made on.

Zip, because any tool lists and opens single files of it. Names are sorted, times and permissions fixed; what is
compressed already (pictures, weights) is stored, all else deflated.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.files import sha256_of, whole_file
from oldrestore.records.bundle import MANIFEST, ROOT, SWEEPS, BundledFile, check_names, manifest_text
from oldrestore.records.finding import refuse_links_out
from oldrestore.records.recorded import panel_iteration
from oldrestore.records.run import Run
from oldrestore.records.withheld import PublicRecords

CHECKPOINTS, SAMPLES = ("none", "best", "all"), ("last", "all", "none")
# Beside the tables of a run and of its evaluations. Not log.txt and texts/, which name places, nor what is drawn from
# these.
RECORDS = (
    "config.yaml",
    "overrides.yaml",
    "choices.yaml",
    "provenance.json",
    "data.json",
    "status.json",
    "summary.json",
    "sweep.json",
    "reproduction.json",
    "notes.json",
    "metrics.jsonl",
)
COMPRESSED = (".png", ".safetensors")
TIME, PERMISSIONS = (1980, 1, 1, 0, 0, 0), 0o100644 << 16  # the earliest time that zip knows


@dataclass(frozen=True)
class Packed:
    """What a bundle holds, in bytes as they stand in it."""

    runs: int
    size: int  # of the whole file
    parts: dict[str, int]  # records, samples, checkpoints
    places: int  # absolute paths and addresses of settings, which are left out
    with_patch: list[str]  # runs whose uncommitted changes are in it
    without_patch: list[str]  # runs whose uncommitted changes are left out


def pack(
    folders: Sequence[Path],
    sweeps: Sequence[Path],
    target: Path,
    checkpoints: str = "none",
    samples: str = "last",
    patch: str = "public",
) -> Packed:
    """Write run folders, and the tables of sweeps' folders, to a bundle.

    `checkpoints` is one of `CHECKPOINTS`, `samples` one of `SAMPLES`, `patch` one of
    `oldrestore.records.withheld.PATCHES`. `UserError` if a run goes on, or cannot be told from another.
    """
    runs = _by_name(folders)
    for folder in runs.values():
        status = Run(folder).status
        if status["state"] == "running" and status["alive"] is not False:
            raise UserError(f"run '{folder.name}' is {Run(folder).state}: wait for its end")
        refuse_links_out(folder)
    public = PublicRecords(runs.values(), patch)
    contents: dict[str, bytes | Path] = {}
    for name, folder in sorted(runs.items()):
        for file in _files_of(folder, checkpoints, samples):
            content = file if file.suffix in (*COMPRESSED, ".csv", ".jsonl") else public.of(file)
            contents[f"{ROOT}/{name}/{file.relative_to(folder).as_posix()}"] = content
    for folder in sweeps:
        for table in ("jobs.csv", "summary.csv"):
            if (folder / table).is_file():
                contents[f"{ROOT}/{SWEEPS}/{folder.name}/{table}"] = public.table_of_sweep(folder / table)
    parts = _write(contents, target, {"checkpoints": checkpoints, "samples": samples})
    kept = {run: public.keeps_patch(folder) for run, folder in runs.items()}
    with_patch, without_patch = ([run for run, value in kept.items() if value is keeps] for keeps in (True, False))
    return Packed(len(runs), target.stat().st_size, parts, len(public.numbers), with_patch, without_patch)


def _by_name(folders: Sequence[Path]) -> dict[str, Path]:
    runs: dict[str, Path] = {}
    for folder in folders:
        folder = folder.resolve()
        if Run(folder).is_evaluation:
            raise UserError(f"'{folder}' is an evaluation: give its run, {folder.parent.parent}, which brings it")
        name = f"{folder.parent.name}/{folder.name}"
        if runs.setdefault(name, folder) != folder:
            raise UserError(f"{runs[name]} and {folder} are both called {name}: put them into two bundles")
    return runs


def _files_of(folder: Path, checkpoints: str, samples: str) -> Iterator[Path]:
    """Yield the files of a run that are packed."""
    for each in (folder, *sorted(path for path in folder.glob("evaluations/*") if path.is_dir())):
        yield from (each / name for name in RECORDS if (each / name).is_file())
        yield from sorted(each.glob("*.csv"))
        pictures = sorted(each.glob("samples/*.png"), key=lambda path: (panel_iteration(path.name), path.name))
        last = {path.stem.rpartition("-")[0]: path for path in pictures}
        yield from {"all": pictures, "last": last.values(), "none": ()}[samples]
    yield from sorted(folder.glob("resumes/*/resume.json"))
    weights = sorted(folder.glob("checkpoints/*.safetensors"))
    yield from (path for path in weights if checkpoints == "all" or path.stem == checkpoints)


def _write(contents: dict[str, bytes | Path], target: Path, facts: dict[str, str]) -> Counter[str]:
    """Write the archive; returns the bytes of each part."""
    check_names(list(contents))
    files, first = [], {}
    for path, content in sorted(contents.items()):
        is_bytes = isinstance(content, bytes)
        digest = hashlib.sha256(content).hexdigest() if is_bytes else sha256_of(content)
        size = len(content) if is_bytes else content.stat().st_size
        files.append(BundledFile(path, size, digest, first.setdefault((digest, Path(path).suffix), path)))
    parts: Counter[str] = Counter(records=0, samples=0, checkpoints=0)
    with whole_file(target) as neighbour, zipfile.ZipFile(neighbour, "w") as archive:
        _add(archive, MANIFEST, manifest_text(files, facts).encode())
        for file in files:
            if file.stored == file.path:
                info = _add(archive, file.path, contents[file.path])
                part = file.path.split("/")[-2]
                parts[part if part in parts else "records"] += info.compress_size
    return parts


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, TIME)
    info.create_system, info.external_attr = 3, PERMISSIONS
    info.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED
    if not name.endswith(COMPRESSED):
        archive.writestr(info, content if isinstance(content, bytes) else content.read_bytes(), compresslevel=9)
        return info
    info.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(info, "w") as member:
        shutil.copyfileobj(source, member, 2**20)
    return info
