"""The device that Paddle computes on, and the seeds of everything that draws numbers."""

from __future__ import annotations

import random

import numpy as np
import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.kernels.choice import choose


def set_device(wanted: str) -> str:
    """Select the device; ``auto`` is the first GPU, or the CPU if there is none.

    Raises
    ------
    UserError
        When a GPU is asked for that this Paddle or this machine does not have.
    """
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() and not parallel.on_cpus() else 0
    if wanted == "auto":
        wanted = "gpu" if gpus else "cpu"
    number = int(wanted.partition(":")[2] or parallel.own_gpu())
    if wanted.startswith("gpu") and number >= gpus:
        why = "this Paddle is built for CPUs" if not paddle.is_compiled_with_cuda() else f"Paddle sees {gpus} GPUs"
        raise UserError(f"trainer.device={wanted} is not here ({why}): take trainer.device=cpu or auto")
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
    """Seed Python, NumPy and Paddle; on a GPU, also ask for algorithms that repeat."""
    random.seed(seed)
    np.random.seed(seed)
    paddle.seed(seed)
    if deterministic and paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})
