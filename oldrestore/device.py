"""The device that Paddle computes on, and the seeds of random numbers."""

from __future__ import annotations

import random

import numpy as np
import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.kernels.choice import choose


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


def prepare_device(trainer: DictConfig) -> str:
    """Select the device and the kernels of a run's ``trainer``, where what ``auto`` has chosen is written down.

    Runs of versions without the setting were trained with Paddle's kernels.
    """
    device = set_device(trainer.device)
    kernels = trainer.get("kernels", "paddle")
    if device != "cpu" and kernels == "onednn":
        raise UserError("trainer.kernels=onednn computes on a CPU: use auto or paddle, or trainer.device=cpu")
    chosen = choose(kernels if device == "cpu" else "paddle")
    if "kernels" in trainer:
        trainer.kernels = chosen
    return device


def seed_everything(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy and Paddle; on a GPU, also select deterministic algorithms."""
    random.seed(seed)
    np.random.seed(seed)
    paddle.seed(seed)
    if deterministic and paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})
