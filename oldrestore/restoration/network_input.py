"""Photographs and masks as networks read them, and the answer of a restoring network as a photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle

from oldrestore.errors import UserError

READS = ("damaged_b3hw", "hole_b1hw")


def require_restorer(network: Any, what: str) -> None:
    """Refuse a network that does not predict photographs from damaged photographs and their holes."""
    reads, predicts = getattr(network, "reads", ()), getattr(network, "predicts", frozenset())
    if tuple(reads) != READS or "rgb" not in predicts:
        raise UserError(
            f"{what} needs a network that restores damaged photographs, such as sagan_restore: "
            f"{type(network).__name__} reads {', '.join(reads) or 'nothing'} and predicts "
            f"{', '.join(sorted(predicts)) or 'nothing'}"
        )


def to_tensor(rgb_hw3: np.ndarray, stride: int) -> paddle.Tensor:
    """Return uint8 (H, W, 3) as float32 (1, 3, h, w), 0..1, its edge continued to a multiple of `stride`."""
    more = [(0, -side % stride) for side in rgb_hw3.shape[:2]]
    padded = np.pad(rgb_hw3, [*more, (0, 0)], mode="edge").astype(np.float32) / 255.0
    return paddle.to_tensor(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))


@paddle.no_grad()
def restore_piece(network: Any, rgb_hw3: np.ndarray, hole_hw: np.ndarray) -> np.ndarray:
    """Restore uint8 (H, W, 3) with holes, bool (H, W), by a network in evaluation mode; float32 (H, W, 3), 0..255."""
    height, width = hole_hw.shape
    more = [(0, -side % network.stride) for side in (height, width)]
    damaged_b3hw = to_tensor(np.where(hole_hw[..., None], 0, rgb_hw3), network.stride)
    hole = np.pad(hole_hw, more, mode="edge").astype(np.float32)
    prediction = network(damaged_b3hw, paddle.to_tensor(hole[None, None]))
    return prediction.rgb[0].transpose([1, 2, 0]).numpy()[:height, :width] * 255.0
