"""Several processes that train one network together: who they are, and what they exchange.

`paddle.distributed.launch` starts them, and Paddle's process group (gloo on CPUs, NCCL on GPUs) connects them. Each
takes an equal part of every batch. An average over the batch is the mean over the processes if each divides its sum by
`divisor` of its count. In a single process, every function here returns its argument.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import paddle

Result = TypeVar("Result")

# Milliseconds that a process waits for the others: rank 0 may evaluate alone for hours. A process that dies is noticed
# at once, by its connections.
PATIENCE = 30 * 24 * 3600 * 1000
BUCKET = 4_000_000  # gradients that are sent together
SECONDS_TO_GO = 1.0  # that the system needs at most until a dead process is gone
OWN_GPU = "FLAGS_selected_gpus"  # set by Paddle's launcher
LAUNCH_FOLDER = "OLDRESTORE_LAUNCH"  # names the folder in which processes of one machine leave their last words

_rank, _size = 0, 1
_in_step = False
_members: list[dict[str, Any]] = []
_loss: str | None = None  # which process is gone, in words
signal_number = 0  # of a signal that this process received; `means` passes it on to the others
SIGNAL = "/signal"  # not the name of a curve


class LostProcessError(ConnectionError):
    """Another process of this run is gone, so no step can be finished; the message says which."""


# The functions up to `own_gpu` read the launcher's environment and need no Paddle.


def launched() -> bool:
    """Say whether `paddle.distributed.launch` started this process as one of several."""
    return launched_size() > 1


def folder_was_made() -> bool:
    """Say whether this is a launched process whose run folder exists already."""
    return launched() and LAUNCH_FOLDER in os.environ


def launched_size() -> int:
    """Return the number of processes that were launched together; 1 without a launcher."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM") or 1)


def launched_rank() -> int:
    """Return this process's number among those launched together, from 0."""
    return int(os.environ.get("PADDLE_TRAINER_ID") or 0) if launched() else 0


def launched_here() -> int:
    """Return the number of processes that were launched together on this machine."""
    return int(os.environ.get("PADDLE_LOCAL_SIZE") or 1) if launched() else 1


def on_cpus() -> bool:
    """Say whether the processes that were launched together run on CPUs."""
    return launched() and os.environ.get("PADDLE_DISTRI_BACKEND") == "gloo"


def own_gpu() -> int:
    """Return the number of this process's GPU."""
    return int((os.environ.get(OWN_GPU) or "0").split(",")[0]) if launched() else 0


def join() -> None:
    """Connect to the other processes that were launched with this one."""
    global _rank, _size, _members
    if not launched() or _size > 1:
        return
    os.environ["PADDLE_PG_TIMEOUT"] = str(PATIENCE)
    import paddle
    import paddle.distributed as dist

    if on_cpus():
        paddle.set_device("cpu")
    dist.init_parallel_env()
    _rank, _size = dist.get_rank(), dist.get_world_size()
    # Paddle's launcher removes them so that processes find each other; connections to servers need them.
    for name in ("http_proxy", "https_proxy"):
        if f"{name}_original" in os.environ:
            os.environ.setdefault(name, os.environ[f"{name}_original"])
    member = {
        "rank": _rank,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "device": paddle.get_device(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }
    _members = gather(member)


def rank() -> int:
    """Return this process's number, from 0; rank 0 writes the run folder."""
    return _rank


def size() -> int:
    """Return how many processes train together."""
    return _size


def is_first() -> bool:
    """Say whether this process has rank 0."""
    return _rank == 0


def members() -> list[dict[str, Any]]:
    """Return rank, host, process, device and threads of each process; empty for a single one."""
    return [dict(member) for member in _members]


@contextlib.contextmanager
def together() -> Iterator[None]:
    """In this block, losses and norms are of the whole batch, not of this process's part.

    Every process must enter it at the same time with a part of the same batch. Outside, as in a validation, of which
    each does a part, a process computes for itself.
    """
    global _in_step
    before, _in_step = _in_step, _size > 1
    try:
        yield
    finally:
        _in_step = before


def parts() -> int:
    """Return the number of parts of the batch: the number of processes within `together`, otherwise 1."""
    return _size if _in_step else 1


def own_part(count: int) -> slice:
    """Return which of `count` photographs of a whole batch are this process's."""
    each = count // _size
    return slice(_rank * each, (_rank + 1) * each)


def total(value: paddle.Tensor) -> paddle.Tensor:
    """Sum of a tensor over the parts of the batch; no gradient flows through it."""
    return value if parts() == 1 else summed_array(value.detach())


def divisor(count: paddle.Tensor) -> paddle.Tensor:
    """Return the divisor of a sum over this part with which the mean over parts is the mean over the whole batch.

    `count` is the number of summands in this part, a scalar of at least 0; their total is clipped to at least 1.
    """
    import paddle

    whole = paddle.clip(total(count), min=1.0)
    return whole if parts() == 1 else whole / parts()


def batch_sum(value: paddle.Tensor) -> paddle.Tensor:
    """Sum of a tensor over the parts of the batch, through which gradients flow to every part."""
    return value if parts() == 1 else _batch_sum().apply(value)


@functools.cache
def _batch_sum() -> Any:
    from paddle.autograd import PyLayer

    class BatchSum(PyLayer):
        @staticmethod
        def forward(ctx, value):
            return summed_array(value)

        @staticmethod
        def backward(ctx, slope):
            return summed_array(slope)  # the sum is part of the loss of every process

    return BatchSum


def average_gradients(parameters: Sequence[paddle.Tensor]) -> None:
    """Replace each gradient by its mean over the processes; a parameter without one has none in any process."""
    if _size == 1:
        return
    import paddle

    waiting = [p for p in parameters if p.grad is not None]
    while waiting:
        bucket, length = [], 0
        while waiting and (not bucket or length + waiting[0].size <= BUCKET):
            bucket.append(waiting.pop(0))
            length += bucket[-1].size
        with paddle.no_grad():
            flat = paddle.concat([p.grad.astype("float32").flatten() for p in bucket])
            _all_reduce(flat)
            flat.scale_(1.0 / _size)
            for parameter, piece in zip(bucket, flat.split([p.size for p in bucket]), strict=True):
                gradient = parameter.grad
                gradient.set_value(piece.reshape(gradient.shape).astype(gradient.dtype))


def means(scalars: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
    """Mean of named scalars over the processes, and under `SIGNAL` the number of a signal that any of them received."""
    if _size == 1:
        return dict(scalars)
    import paddle

    values = [value.detach().astype("float32").reshape([1]) for value in scalars.values()]
    packed = paddle.concat(values) / _size
    _all_reduce(packed)
    heard = paddle.to_tensor([signal_number], dtype="int32")
    _all_reduce(heard, highest=True)
    mean = dict(zip(scalars, (piece.reshape([]) for piece in packed.split(len(values))), strict=True))
    return mean | {SIGNAL: heard.reshape([])}


def gather(value: Any) -> list[Any]:
    """Return the argument of every process, in order of rank."""
    if _size == 1:
        return [value]
    import paddle.distributed as dist

    values: list[Any] = []
    with _noticing_loss():
        dist.all_gather_object(values, value)
    return values


def gathered(work: Callable[[], Result]) -> list[Result]:
    """Do a part of some work in each process, and return the results of all by rank; all raise the exception of any."""
    if _size == 1:
        return [work()]
    result, error = None, None
    try:
        result = work()
    except LostProcessError:
        raise
    except BaseException as problem:  # noqa: BLE001 (raised below, by every process)
        error = problem
    results = gather((result, error))
    for problem in (error, *(problem for _, problem in results)):  # its own first, with its traceback
        if problem is not None:
            raise problem
    return [value for value, _ in results]


def by_first(work: Callable[[], Result]) -> Result:
    """Do some work in rank 0 only, and return its result in every process; all raise its exception."""
    return gathered(work if is_first() else lambda: None)[0]


def gathered_arrays(value: paddle.Tensor) -> list[paddle.Tensor]:
    """Return the tensor of every process, of the same shape, in order of rank."""
    import paddle.distributed as dist

    tensors: list[paddle.Tensor] = []
    with _noticing_loss():
        dist.all_gather(tensors, value)
    return tensors


def summed_array(value: paddle.Tensor) -> paddle.Tensor:
    """Return the sum of a tensor over the processes, in a new tensor."""
    summed = value.clone()
    _all_reduce(summed)
    return summed


def _all_reduce(value: paddle.Tensor, highest: bool = False) -> None:
    import paddle.distributed as dist

    with _noticing_loss():
        dist.all_reduce(value, op=dist.ReduceOp.MAX if highest else dist.ReduceOp.SUM)


@contextlib.contextmanager
def _noticing_loss() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        raise LostProcessError(loss_in_words(error)) from None


def lost() -> bool:
    """Say whether another process of this run is known to be gone; in a backward pass, the error's type differs."""
    return _loss is not None


def loss_in_words(error: BaseException) -> str:
    """Say in a sentence which process is gone, given the error of the process group."""
    global _loss
    _loss = _loss or _who_is_lost(error)
    return _loss


def say_last_words(words: str) -> None:
    """Leave a reason for the other processes, if this program started them on one machine."""
    folder = os.environ.get(LAUNCH_FOLDER)
    if folder is not None:
        with contextlib.suppress(OSError):
            Path(folder, f"last-words-{_rank}").write_text(words, encoding="utf-8")


def last_words(of_rank: int, folder: Path) -> str | None:
    """Return the last words that a process left in the launch folder; None if it left none."""
    try:
        return (folder / f"last-words-{of_rank}").read_text(encoding="utf-8")
    except OSError:
        return None


def _who_is_lost(error: BaseException) -> str:
    import psutil

    time.sleep(SECONDS_TO_GO)
    folder = os.environ.get(LAUNCH_FOLDER)
    for member in _members if folder is not None else ():
        words = last_words(member["rank"], Path(folder))
        if words:
            return f"process {member['rank']} of {_size} ended: {words}"
    for member in _members:
        if member["host"] != socket.gethostname() or member["pid"] == os.getpid():
            continue
        try:
            gone = psutil.Process(member["pid"]).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            gone = True
        except psutil.AccessDenied:
            gone = False
        if gone:
            return f"process {member['rank']} of {_size} died (it was process {member['pid']} of {member['host']})"
    reason = " ".join(str(error).split())
    return f"one of {_size} processes is gone or does not answer ({reason[-200:]})"
