"""Examines a machine as a run will find it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from oldrestore import runtime
from oldrestore.errors import UserError

Verdict = Literal["ok", "slow", "missing"]
MATRIX_SIDE = 2048


@dataclass(frozen=True)
class Finding:
    """The result of one check; `mend` is the line that fixes it, or empty."""

    what: str
    found: str
    verdict: Verdict = "ok"
    mend: str = ""


def examine(set_here: dict[str, str], measure: bool) -> Iterator[Finding]:
    """Check everything that a run needs.

    `set_here` is what `runtime.prepare` has set. With `measure`, matrices are multiplied in fresh processes, with these
    settings and with Paddle's defaults.
    """
    yield Finding("Python", sys.version.split()[0])
    yield from _threads(set_here)
    yield _allocator()
    yield from _paddle()
    yield _kernels(measure)
    for package in ("mlflow", "visualdl"):
        try:
            yield Finding(package, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(package, "not installed (tracking)", "missing", f"pip install {package}")
    yield from _data()
    yield _memory_and_disk()
    if measure:
        yield _speed()


def _threads(set_here: dict[str, str]) -> Iterator[Finding]:
    cores = runtime.physical_cores()
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    whose = "chosen here" if "OMP_NUM_THREADS" in set_here else "set by you"
    verdict = () if threads.isdigit() and int(threads) <= cores else ("slow", "unset OMP_NUM_THREADS")
    yield Finding("threads", f"OMP_NUM_THREADS={threads}, {whose}; {cores} cores", *verdict)
    wanted, value = runtime.mkl_code_path(), os.environ.get("MKL_DEBUG_CPU_TYPE")
    whose = "chosen here, for an AMD processor" if "MKL_DEBUG_CPU_TYPE" in set_here else "set by you"
    verdict = () if wanted in (None, value) else ("slow", f"export MKL_DEBUG_CPU_TYPE={wanted}")
    found = f"{value}, {whose}" if value or wanted else "left to MKL: no AMD processor"
    yield Finding("MKL code path", found, *verdict)


def _allocator() -> Finding:
    variable = runtime.allocator_chosen_by_user()
    if variable is not None:
        return Finding("memory allocator", f"{variable}, set by you")
    kept = runtime.keep_freed_memory()
    return Finding("memory allocator", "keeps what is freed, chosen here" if kept else "not changed: not glibc's")


def _paddle() -> Iterator[Finding]:
    try:
        runtime.quiet_import_of_paddle()
    except UserError as error:
        yield Finding("Paddle", "not installed", "missing", str(error).partition(": ")[2])
        return
    import paddle

    built = "with CUDA" if paddle.is_compiled_with_cuda() else "for CPUs"
    yield Finding("Paddle", f"{paddle.__version__}, built {built}")
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    yield Finding("GPUs", f"{gpus} that Paddle sees" if gpus else "none that Paddle sees: runs use the CPU")


def _data() -> Iterator[Finding]:
    from oldrestore.config.build import build
    from oldrestore.config.compose import compose_config

    try:
        config = compose_config([])
    except UserError as error:
        yield Finding("configuration", str(error), "missing", "pip install 'oldrestore[cpu]'")
        return
    checks: dict[str, Callable[[], str]] = {
        "photographs": lambda: _count(build(config.dataset)),
        "labelled photographs": lambda: _count(build(config.evaluation.judged)),
        "judge": lambda: build(config.judge).name + ", weights found",
    }
    for what, check in checks.items():
        try:
            yield Finding(what, check())
        except UserError as error:
            yield Finding(what, str(error), "missing", "pip install --force-reinstall oldrestore")


def _count(source) -> str:
    counts = ", ".join(f"{len(source.split(name).photos)} {name}" for name in source.split_names)
    return f"{source.name}: {counts}"


def _memory_and_disk() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    free = shutil.disk_usage(Path.cwd()).free
    enough = free > 2e9
    found = f"{memory.total / 2**30:.0f} GiB memory, {free / 2**30:.0f} GiB of disk free here"
    return Finding("memory and disk", found, "ok" if enough else "missing", "" if enough else "free 2 GB of disk")


def _kernels(measure: bool) -> Finding:
    try:
        runtime.quiet_import_of_paddle()
    except UserError:
        return Finding("kernels", "none without Paddle", "missing")
    from oldrestore.kernels.choice import described
    from oldrestore.kernels.library import load

    if isinstance(load(), str):
        return Finding("kernels", f"Paddle's own: {load()}", "slow", "pip install --force-reinstall paddlepaddle")
    if not measure:
        return Finding("kernels", described())
    ratio = convolve_seconds("paddle") / convolve_seconds("onednn")
    found = f"{described()}; a convolution and its gradients {ratio:.1f} times as fast as Paddle's"
    return Finding("kernels", found, "ok" if ratio > 0.9 else "slow", "" if ratio > 0.9 else "trainer.kernels=paddle")


def convolve_seconds(kernels: str) -> float:
    """Seconds of a 3 x 3 convolution of 64 channels of 32 x 32, 16 times, and its gradients, best of five."""
    import paddle

    from oldrestore.kernels.choice import using
    from oldrestore.models.convolution import Conv2D

    paddle.set_device("cpu")
    layer, x, seconds = Conv2D(64, 64, 3, padding=1), paddle.randn([16, 64, 32, 32]), []
    x.stop_gradient = False
    with using(kernels):
        for _ in range(6):
            began = time.perf_counter()
            layer(x).sum().backward()
            seconds.append(time.perf_counter() - began)
    return min(seconds)


def _speed() -> Finding:
    tuned = _matmul_gflops({})
    default = _matmul_gflops({"MKL_DEBUG_CPU_TYPE": None, "OMP_NUM_THREADS": None})
    if tuned is None or default is None:
        return Finding("matrix product", "could not be measured", "slow", "oldrestore doctor --json")
    ratio = tuned / default
    found = f"{tuned:.0f} GFLOP/s; Paddle's defaults {default:.0f} ({ratio:.1f} times)"
    return Finding("matrix product", found, "ok" if ratio > 0.9 else "slow")


def _matmul_gflops(changes: dict[str, str | None]) -> float | None:
    """Speed of `multiply` in a fresh process, with environment variables changed or (None) unset."""
    environment = {k: v for k, v in os.environ.items() if k not in changes}
    environment |= {k: v for k, v in changes.items() if v is not None}
    command = [sys.executable, "-c", f"from oldrestore.catalogue.doctor import multiply; multiply({MATRIX_SIDE})"]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=120
        )
        return float(done.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def multiply(side: int) -> None:
    """Print the GFLOP/s of a product of two `side` x `side` float32 matrices, best of five."""
    runtime.quiet_import_of_paddle()
    import paddle

    paddle.set_device("cpu")
    x = paddle.randn([side, side])
    float((x @ x)[0, 0])
    times = []
    for _ in range(5):
        began = time.perf_counter()
        float((x @ x)[0, 0])
        times.append(time.perf_counter() - began)
    print(2 * side**3 / min(times) / 1e9)
