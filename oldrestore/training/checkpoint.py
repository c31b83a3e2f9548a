"""Checkpoints: one safetensors file each, tensors and JSON state together, replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.models.weights_header import CHECKPOINT_FORMAT as FORMAT
from oldrestore.models.weights_header import WeightsHeader


@dataclass
class Checkpoint:
    """All that a run needs to resume."""

    # Names start with ``model.``, ``ema.``, ``optimizer.`` or a prefix of the learner (``discriminator.``).
    tensors: dict[str, np.ndarray]
    state: dict[str, Any] = field(default_factory=dict)  # JSON values: the iteration, the best score so far, ...


def save_checkpoint(path: Path, checkpoint: Checkpoint, header: WeightsHeader | None = None) -> None:
    """Write a checkpoint atomically: `path` is the old one until the new one is on disk.

    The state is in the header of the same file, so tensors and state are always of the same time.
    """
    metadata = header.to_metadata() if header is not None else {}
    metadata |= {"format": FORMAT, "state": json.dumps(checkpoint.state, sort_keys=True)}
    tensors = {name: np.ascontiguousarray(value) for name, value in checkpoint.tensors.items()}
    write_atomically(path, save(tensors, metadata=metadata))
    _sync_folder(path.parent)


def not_finite(tensors: Mapping[str, np.ndarray]) -> str | None:
    """Name the first tensor that holds NaN or an infinity; None if all are finite.

    An infinity among an optimizer's sums of squares only stops its weight.
    """
    for name, value in tensors.items():
        if np.issubdtype(value.dtype, np.floating):
            bad = np.isnan(value).any() if name.startswith("optimizer.") else not np.isfinite(value).all()
            if bad:
                return name
    return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def iteration_of(path: Path) -> int | None:
    """Read the iteration of a checkpoint, without its tensors; None if it does not say."""
    try:
        with safe_open(path, framework="numpy") as file:
            iteration = json.loads((file.metadata() or {}).get("state", "{}"))["iteration"]
    except (SafetensorError, OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    return iteration if isinstance(iteration, int) else None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; a `UserError` says if it is missing, damaged, or no checkpoint of a run."""
    if not path.is_file():
        raise UserError(f"there is no checkpoint '{path}'")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        state = json.loads(metadata.get("state", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"'{path}' is not a readable checkpoint: {error}") from None
    if metadata.get("format") != FORMAT or not isinstance(state, dict) or "state" not in metadata:
        raise UserError(f"'{path}' holds weights but no training state: it is not a checkpoint of a run")
    return Checkpoint(tensors=tensors, state=state)
