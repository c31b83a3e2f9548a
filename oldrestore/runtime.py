"""Prepares the process before Paddle is imported: threads, the MKL code path, no clutter in the output."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import os
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

# What a run's numbers depend on in addition to its configuration: recorded with each run.
RECORDED = ("MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "FLAGS_cudnn_deterministic")

# From glibc's malloc.h: options of mallopt, and the variables by which a user sets them.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_MALLOC_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")

_chosen: dict[str, str] = {}


def prepare() -> dict[str, str]:
    """Set the environment that Paddle reads when it is imported, and return what was set; the user's settings stay.

    By default, its MKL (2019) takes the slowest code path on AMD processors, and it starts with one OpenMP thread.
    """
    chosen = {
        # No C++ logs below errors, and no telemetry.
        "GLOG_minloglevel": "2",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DO_NOT_TRACK": "true",
        # Processes that Paddle's launcher started together share the cores.
        "OMP_NUM_THREADS": str(max(1, physical_cores() // int(os.environ.get("PADDLE_LOCAL_SIZE") or 1))),
        # Otherwise, each process warns: "No ccache found", "OMP_NUM_THREADS set to ...".
        "PYTHONWARNINGS": "ignore::UserWarning:paddle.utils.cpp_extension.extension_utils",
    }
    mkl = mkl_code_path()
    if mkl is not None:
        chosen["MKL_DEBUG_CPU_TYPE"] = mkl
    set_here = {name: value for name, value in chosen.items() if name not in os.environ}
    os.environ.update(set_here)
    _chosen.update(set_here)
    keep_freed_memory()
    return set_here


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next tensor instead of returning it to the system.

    Otherwise, tensors above 32 MiB are mapped each time, and the system clears their pages: a sixth of the time of a
    training step at full size. The process then keeps its maximum of memory until it ends; no number changes. Returns
    whether this is so: not if the user has configured the allocator, nor with another C library.
    """
    if platform.libc_ver()[0] != "glibc" or allocator_chosen_by_user():
        return False
    set_option = ctypes.CDLL(None).mallopt
    return bool(set_option(_M_MMAP_MAX, 0) and set_option(_M_TRIM_THRESHOLD, -1))


def allocator_chosen_by_user() -> str | None:
    """Name the environment variable by which the user has configured the memory allocator, if any."""
    named = [name for name in _MALLOC_VARIABLES if name in os.environ]
    # jemalloc, tcmalloc and mimalloc are preloaded; glibc's tunables are named glibc.malloc.something.
    named += [name for name in ("LD_PRELOAD", "GLIBC_TUNABLES") if "malloc" in os.environ.get(name, "")]
    return named[0] if named else None


def chose(name: str) -> bool:
    """Say whether a variable has its value from `prepare`, not from the user or a recorded run."""
    return name in _chosen and os.environ.get(name) == _chosen[name]


def quiet_import_of_paddle() -> None:
    """Import Paddle without its warnings on a thread count above one and on a missing ccache."""
    if "paddle" in sys.modules:
        return
    from oldrestore.errors import UserError

    # Printed by each network with batch norm when its training starts; nothing can be done about it.
    warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")
    printed = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(printed):
            warnings.simplefilter("ignore")
            import paddle  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        raise UserError(
            "Paddle is not installed: pip install 'oldrestore[cpu]' for a CPU, or see the README for a GPU"
        ) from None


def physical_cores() -> int:
    """Number of cores that this process may use, without hyper-threads, from which MKL gains nothing."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def mkl_code_path() -> str | None:
    """MKL code path to request: 7 (AVX-512) or 5 (AVX2) on AMD; None elsewhere, where MKL chooses well."""
    text, flags = _processor()
    if "AuthenticAMD" not in text:
        return None
    if "avx512f" in flags:
        return "7"
    return "5" if "avx2" in flags else None


def _processor() -> tuple[str, list[str]]:
    """Linux's description of the processor, and the flags of its first core; both empty if unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "", []
    return text, next((line for line in text.splitlines() if line.startswith("flags")), "").split()


def threads() -> int:
    """Number of threads that Paddle computes with: ``OMP_NUM_THREADS``, or 1 if it is not a number."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, int(given)) if given.strip().isdigit() else 1


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """Restore Paddle's numbers of threads (OpenMP and MKL) after the block, also after an exception.

    For calls of Paddle Inference, whose ``run()`` ends by setting both to 1 for the whole process: later training would
    be slower and, since sums depend on the number of threads, have other bits.
    """
    import paddle

    before = paddle_threads()
    try:
        yield
    finally:
        paddle.base.core.set_num_threads(before)


def paddle_threads() -> int:
    """Number of threads that Paddle computes with now, which it can set but not report."""
    count = _openmp_threads()
    return threads() if count is None else count()


@functools.cache
def _openmp_threads() -> Callable[[], int] | None:
    import paddle

    openmp = Path(paddle.__file__).parent / "libs" / "libiomp5.so"
    try:
        return ctypes.CDLL(str(openmp)).omp_get_max_threads
    except OSError:  # a build with another OpenMP
        return None


def has_bfloat16() -> bool:
    """Whether the processor has bfloat16 (AVX-512 BF16 or AMX) and oneDNN may use it: emulation is not faster."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "DEFAULT"
    if not any(word in allowed.upper() for word in ("DEFAULT", "ALL", "BF16", "FP16", "AMX")):
        return False
    _, flags = _processor()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def restore_environment(recorded: Mapping[str, str | None]) -> None:
    """Restore a `recorded_environment`, as far as this machine can; only before Paddle is imported.

    Threads and MKL's code path change the last bits of a sum. A code path that the processor lacks is not restored, nor
    are the visible GPUs. None is a variable that was not set.
    """
    if "paddle" in sys.modules:
        return
    for name, value in restorable(recorded).items():
        _chosen.pop(name, None)
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def restorable(recorded: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the part of a recorded environment that this machine can have: see `restore_environment`."""
    values = {name: recorded[name] for name in RECORDED if name in recorded and name != "CUDA_VISIBLE_DEVICES"}
    values = {name: value for name, value in values.items() if value is None or _is_short_word(value)}
    here, mkl = mkl_code_path(), values.get("MKL_DEBUG_CPU_TYPE")
    if mkl is not None and (here is None or mkl > here):
        del values["MKL_DEBUG_CPU_TYPE"]
    return values


def _is_short_word(value: object) -> bool:
    # A run folder is untrusted input, and runs record nothing else.
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_,]{0,32}", value) is not None


def recorded_environment() -> dict[str, str | None]:
    """Return the environment variables that a run's numbers depend on, as they are set now."""
    return {name: os.environ.get(name) for name in RECORDED}
