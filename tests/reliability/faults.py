"""Faults as they happen to a process: each function is called in a fork before its run begins, and lies in wait."""

import contextlib
import ctypes
import itertools
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def _at(owner: Any, name: str, count: int, action: Callable[..., None], where=lambda *_: True, after=False) -> None:
    """Call `action` with the arguments of the nth call that `where` admits of a function, before or after it."""
    original = getattr(owner, name)
    seen = 0

    def method(*arguments: Any, **named: Any) -> Any:
        nonlocal seen
        admitted = where(*arguments)
        seen += admitted
        now = admitted and seen == count
        if now and not after:
            action(*arguments)
        found = original(*arguments, **named)
        if now and after:
            action(*arguments)
        return found

    setattr(owner, name, method)


def _before(place: str, count: int, action: Callable[..., None]) -> None:
    """Act when a run is about to write there for the nth time."""
    from oldrestore.records.run_folder import RunFolder
    from oldrestore.run import run_in_progress
    from oldrestore.tracking.tracker import Trackers

    places = {
        "metrics": (RunFolder, "scalars"),
        "scores": (RunFolder, "per_image"),
        "sample": (RunFolder, "panel"),
        "checkpoint": (run_in_progress, "save_checkpoint"),
        "validation": (run_in_progress.RunInProgress, "evaluate"),
        "end": (Trackers, "finish"),
    }
    _at(*places[place], count, action)


def _run_folder(outputs: str) -> Path:
    return max(Path(outputs).glob("*/*/config.yaml"), key=lambda path: path.stat().st_mtime).parent


def _kill(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_within_rename(ending: str, count: int) -> None:
    """Kill -9 between a file's writing and its taking the name, the nth time of files with this ending."""
    _at(os, "replace", count, _kill, where=lambda _, target: str(target).endswith(ending))


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def limit_file_sizes(place: str, count: int, size: int) -> None:
    """From the nth time on no file can grow beyond so many bytes; the write that crosses the line is torn there."""
    _before(place, count, lambda *_: _limit(size))


def limit_next_line(count: int, more: int, name: str = "metrics.jsonl") -> None:
    """From the nth line on that a file of records is to get: no file can grow beyond what that one has and so much."""
    from oldrestore.files import LineFile

    def limit(file: Any, _: str) -> None:
        _limit((file.path.stat().st_size if file.path.exists() else 0) + more)

    _at(LineFile, "append", count, limit, where=lambda file, _: file.path.name == name)


def fill_disk(folder: str, place: str, count: int) -> None:
    """The nth time: fill the disk that a folder is on."""

    def fill(*_: Any) -> None:
        with Path(folder, "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    _before(place, count, fill)


def make_unwritable(outputs: str, place: str, count: int) -> None:
    """The nth time: nothing can be made any more in the run folder, nor in what is in it."""
    drop_capabilities()

    def close(*_: Any) -> None:
        folder = _run_folder(outputs)
        for path in (*filter(Path.is_dir, folder.rglob("*")), folder):
            path.chmod(0o555)

    _before(place, count, close)


def drop_capabilities() -> None:
    """Root may read and write everything; without DAC_OVERRIDE and DAC_READ_SEARCH it is as any owner."""
    if os.geteuid():
        return
    header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, held) == 0
    held[0], held[1] = held[0] & ~6, held[1] & ~6
    assert libc.capset(header, held) == 0


def remove_folder(outputs: str, name: str, place: str, count: int) -> None:
    """The nth time: remove a folder of the run's."""
    _before(place, count, lambda *_: shutil.rmtree(_run_folder(outputs) / name))


def kill_worker(count: int) -> None:
    """The nth time that losses are written: kill -9 one of the loader's workers, as the kernel does without memory."""
    import psutil

    def kill(*_: Any) -> None:
        workers = psutil.Process().children()
        assert workers, "there is no worker to kill"
        workers[0].kill()

    _before("metrics", count, kill)


def spoil_weights(count: int) -> None:
    """After the nth step: one of the network's weights is not a number; the step's own loss was in order."""
    from oldrestore.training.supervised import SupervisedLearner

    def spoil(learner: Any, *_: Any) -> None:
        weight = next(iter(learner.network.parameters()))
        spoiled = weight.numpy()
        spoiled.flat[0] = float("nan")
        weight.set_value(spoiled)

    _at(SupervisedLearner, "step", count, spoil, after=True)


def _replace_clock(now: Callable[[], float]) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(now(), tz)

    from oldrestore.records import identity, run_folder
    from oldrestore.run import progress

    for module in (identity, progress, run_folder):
        module.datetime = Clock
    time.time = now


def turn_clock_back() -> None:
    """Each time that anybody looks, the clock is an hour earlier than the last time."""
    hours = itertools.count(1)
    _replace_clock(lambda: (NOON - timedelta(hours=next(hours))).timestamp())


def stop_clock() -> None:
    """It is always the same second."""
    _replace_clock(NOON.timestamp)


def impatient(seconds: float) -> None:
    """Trackers have so many seconds to catch up, where a run gives them a minute."""
    from oldrestore.run import experiment
    from oldrestore.tracking.tracker import Trackers

    experiment.Trackers = lambda folder, sinks=None: Trackers(folder, sinks, patience=seconds)
