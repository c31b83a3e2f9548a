"""Which kernels compute convolutions and norms: oneDNN's, where a tensor is one they take, or Paddle's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import paddle

from oldrestore.errors import UserError
from oldrestore.kernels.library import load

Kernels = Literal["auto", "onednn", "paddle"]

_chosen: Kernels = "auto"


def choose(kernels: Kernels) -> Kernels:
    """Choose the kernels of this process; ``auto`` is oneDNN if it is available. Returns what ``auto`` has become.

    Raises
    ------
    UserError
        If oneDNN is asked for and not available.
    """
    global _chosen
    loaded = load() if kernels == "onednn" else None
    if isinstance(loaded, str):
        raise UserError(f"trainer.kernels=onednn is not available: {loaded}; use auto or paddle")
    _chosen = kernels
    return described().partition(" ")[0]


@contextlib.contextmanager
def using(kernels: Kernels) -> Iterator[None]:
    """Use other kernels within a block."""
    before = _chosen
    choose(kernels)
    try:
        yield
    finally:
        choose(before)


def described() -> str:
    """Say which kernels are in use, as a run records it: ``onednn 3.6.2`` or ``paddle``."""
    loaded = load()
    return "paddle" if _chosen == "paddle" or isinstance(loaded, str) else f"onednn {loaded.version}"


def usable(x: paddle.Tensor) -> bool:
    """Whether oneDNN computes with a tensor: float32 (B, C, H, W) on a CPU, outside tracing.

    Mixed precision does not exist on a CPU: Paddle ignores it there.
    """
    if _chosen == "paddle" or not paddle.in_dynamic_mode() or isinstance(load(), str):
        return False
    return x.dtype == paddle.float32 and x.place.is_cpu_place() and len(x.shape) == 4
