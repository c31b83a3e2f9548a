"""Prepares the process before Paddle is imported: threads, the MKL code path, and what would clutter output."""

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

# What a run's numbers depend on besides its configuration: recorded with each run.
RECORDED = (
    "MKL_DEBUG_CPU_TYPE",
    "MKL_CBWR",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "FLAGS_cudnn_deterministic",
)

# Of glibc's malloc.h: the options of mallopt, and the variables by which a user has chosen already.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_MALLOC_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")

_chosen: dict[str, str] = {}


def prepare() -> dict[str, str]:
    """Set the environment that Paddle reads when it is imported; what the user has set stays.

    Paddle's bundled MKL (2019) takes its slowest code path on AMD processors unless told what they can do,
    and Paddle starts with one OpenMP thread.

    Returns
    -------
    dict of str
        Each variable that this call set, and its value.
    """
    chosen = {
        # C++ logs below errors, and calls home, are not for users to see or pay for.
        "GLOG_minloglevel": "2",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DO_NOT_TRACK": "true",
        # Of those that Paddle's launcher started together, each has its share.
        "OMP_NUM_THREADS": str(max(1, physical_cores() // int(os.environ.get("PADDLE_LOCAL_SIZE") or 1))),
        # Each process logs its own warnings otherwise: "No ccache found", "OMP_NUM_THREADS set to ...".
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
    """Have glibc keep memory that is freed, for the next tensor, rather than give it back to the system.

    Tensors above 32 MiB are otherwise mapped afresh each time, and the system clears each of their pages when it is
    first written: in a training step at full size that is a sixth of the time. The process then keeps the most that it
    ever held until it ends; no number changes.

    Returns
    -------
    bool
        Whether it is so now: not where the user has set up the allocator, nor with another C library.
    """
    if platform.libc_ver()[0] != "glibc" or allocator_chosen_by_user():
        return False
    set_option = ctypes.CDLL(None).mallopt
    return bool(set_option(_M_MMAP_MAX, 0) and set_option(_M_TRIM_THRESHOLD, -1))


def allocator_chosen_by_user() -> str | None:
    """Name the environment variable by which the user has set up the allocator of memory; None without one."""
    named = [name for name in _MALLOC_VARIABLES if name in os.environ]
    # jemalloc, tcmalloc and mimalloc are loaded first; glibc's own settings are called glibc.malloc.something.
    named += [name for name in ("LD_PRELOAD", "GLIBC_TUNABLES") if "malloc" in os.environ.get(name, "")]
    return named[0] if named else None


def chose(name: str) -> bool:
    """Say whether a variable has the value that `prepare` gave it, and neither the user nor a recorded run."""
    return name in _chosen and os.environ.get(name) == _chosen[name]


def quiet_import_of_paddle() -> None:
    """Import Paddle without the warnings it prints on a thread count above one and on a missing ccache.

    Raises
    ------
    UserError
        When Paddle is not installed.
    """
    if "paddle" in sys.modules:
        return
    from oldrestore.errors import UserError

    # Said by each network with batch norm when its training starts; there is nothing to do about it.
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
    """Cores that this process may use, hyper-threads not counted: MKL gains nothing from those."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def mkl_code_path() -> str | None:
    """MKL code path to ask for: 7 (AVX-512) or 5 (AVX2) on AMD; None elsewhere, where MKL chooses well."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    if "AuthenticAMD" not in text:
        return None
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    if "avx512f" in flags:
        return "7"
    return "5" if "avx2" in flags else None


def threads() -> int:
    """Threads that Paddle computes with here: ``OMP_NUM_THREADS``, 1 where it is not set or no number."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, int(given)) if given.strip().isdigit() else 1


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """Leave Paddle's numbers of threads, OpenMP's and MKL's, as they were, also after an exception.

    For calls of Paddle Inference, whose ``run()`` ends by setting both to 1 for the whole process: training that
    follows would be slower, and where sums depend on the number of threads, have other bits.
    """
    import paddle

    before = paddle_threads()
    try:
        yield
    finally:
        paddle.base.core.set_num_threads(before)


def paddle_threads() -> int:
    """Threads that Paddle computes with at this moment, which it can set but not say."""
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
    """Whether oneDNN may multiply in bfloat16 here (AVX-512 BF16 or AMX): what it only imitates is not faster."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "DEFAULT"
    if not any(word in allowed.upper() for word in ("DEFAULT", "ALL", "BF16", "FP16", "AMX")):
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def restore_environment(recorded: Mapping[str, str | None]) -> None:
    """Set what a run's numbers depend on as it was recorded, where this machine can; before Paddle is imported.

    Threads and MKL's code path change the last bits of a sum. A code path that the processor does not have, and which
    GPUs are visible, stay as they are here; and once Paddle is imported, nothing can be restored any more.

    Parameters
    ----------
    recorded : mapping of str to str or None
        As `recorded_environment` gave it; None is a variable that was not set.
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
    """Return what of a recorded environment this machine can have: see `restore_environment`."""
    here = mkl_code_path()
    found = {name: recorded[name] for name in RECORDED if name in recorded and name != "CUDA_VISIBLE_DEVICES"}
    found = {name: value for name, value in found.items() if value is None or _is_short_word(value)}
    mkl = found.get("MKL_DEBUG_CPU_TYPE")
    if mkl is not None and (here is None or mkl > here):
        del found["MKL_DEBUG_CPU_TYPE"]
    return found


def _is_short_word(value: object) -> bool:
    # A run folder may be another's: a value that no run records, one that is no short word is not taken.
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_,]{0,32}", value) is not None


def recorded_environment() -> dict[str, str | None]:
    """Return the environment variables that a run's numbers depend on, as they are set now."""
    return {name: os.environ.get(name) for name in RECORDED}
