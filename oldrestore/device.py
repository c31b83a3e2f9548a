"""The device that Paddle computes on, and the seeds of random numbers."""

from __future__ import annotations

import random

import numpy as np
import paddle

from oldrestore import parallel
from oldrestore.errors import UserError


def set_device(wanted: str) -> str:
    """Select the device; ``auto`` is the first GPU, or the CPU if there is none. Returns Paddle's name of it."""
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() and not parallel.on_cpus() else 0
    if wanted == "auto":
        wanted = "gpu" if gpus else "cpu"
    number = int(wanted.partition(":")[2] or parallel.own_gpu())
    if wanted.startswith("gpu") and number >= gpus:
        why = "this Paddle is built for CPUs" if not paddle.is_compiled_with_cuda() else f"Paddle sees {gpus} GPUs"
        raise UserError(f"trainer.device={wanted} is not available ({why}): use trainer.device=cpu or auto")
    paddle.set_device(f"gpu:{number}" if wanted.startswith("gpu") else "cpu")
    return paddle.get_device()


def seed_everything(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy and Paddle; on a GPU, also select deterministic algorithms."""
    random.seed(seed)
    np.random.seed(seed)
    paddle.seed(seed)
    if deterministic and paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})
