"""Times ways of doing one thing in turn, A B A B ..., and says how many times faster one is than another.

For the scripts beside it. A machine that others use drifts: a ratio of two times measured one after the other holds
where the times do not, so ratios are taken pair by pair, and their median is given with the lowest and the highest.
"""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Way = Callable[[], float]
"""Does the work once and returns the seconds that it took."""


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> Way:
    """Make a way of some work: seconds by the clock, or by another, as `time.process_time`.

    On one core that others want too, processor time leaves out what it gave to them.
    """

    def way() -> float:
        began = clock()
        work()
        return clock() - began

    return way


def clock_of_threads() -> Callable[[], float]:
    """Return the processor's time where one thread computes, which others disturb less; else the clock's."""
    return time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter


def steady(work: Callable[[], Any], least: float = 0.5) -> Way:
    """Make a way of work that is done over and over, as training steps are: seconds of one of several in succession.

    One that does not count comes first, after a rest in which the threads of another process go to sleep (Intel's
    OpenMP spins for 0.2 s). They are as many as take `least` seconds, by `clock_of_threads`.
    """
    clock = clock_of_threads()

    def way() -> float:
        time.sleep(0.25)
        work()
        began, done = clock(), 0
        while done == 0 or clock() - began < least:
            work()
            done += 1
        return (clock() - began) / done

    return way


def alternate(ways: Mapping[str, Way], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Measure each way `rounds` times, all of them in every round, after rounds that do not count.

    Every second round goes backwards, so that no way always comes after the same one.

    Returns
    -------
    dict of str to list of float
        Seconds of each round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-warm_up, rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            took = ways[name]()
            if number >= 0:
                seconds[name].append(took)
    return seconds


@dataclass(frozen=True)
class Ratio:
    """Median, lowest and highest of the ratios of pairs."""

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.3g}x ({self.low:.3g}..{self.high:.3g}, n={self.pairs})"


def times_faster(seconds: Mapping[str, Sequence[float]], fast: str, slow: str) -> Ratio:
    """How many times faster `fast` is than `slow`: the seconds of `slow` over those of `fast`, round by round."""
    found = [other / one for one, other in zip(seconds[fast], seconds[slow], strict=True)]
    return Ratio(statistics.median(found), min(found), max(found), len(found))


@contextmanager
def standing(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Callable[..., float]]:
    """Start a process that measures when asked (see `serve`), for a way that needs an environment of its own.

    Parameters
    ----------
    command : sequence of str
    environment : mapping of str to str, optional
        Variables to set beside those of this process.

    Yields
    ------
    callable
        The way; a process that measures several things (it reads `input_line`) is told which by a word.
    """
    process = subprocess.Popen(
        list(command),
        env=os.environ | dict(environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def way(word: str = "again") -> float:
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    try:
        yield way
    finally:
        process.stdin.close()
        process.wait()


def serve(way: Way) -> None:
    """Be the process that `standing` starts: measure once for each line read; print nothing else to stdout."""
    while input_line():
        print(way(), flush=True)


def input_line() -> str:
    """Return the next line of the standard input; an empty one at its end."""
    try:
        return input()
    except EOFError:
        return ""


def peak_memory(work: Callable[[], Any]) -> float:
    """Do the work and return the most memory that it needed over what was in use before, bytes (Linux).

    The peak of the resident set, which the kernel is told to measure anew. Memory that was freed before is given back
    first: where the process keeps it (`oldrestore.runtime.keep_freed_memory`), it would count as in use.
    """
    status = Path("/proc/self/status")

    def kilobytes(field: str) -> float:
        return float(status.read_text().partition(f"{field}:")[2].split()[0])

    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    work()
    return (kilobytes("VmHWM") - before) * 1024.0


def machine() -> str:
    """Return processor, cores that may be used, OpenMP threads and load, in one line."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        model = next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    return f"{model}, {cores} cores, OMP_NUM_THREADS {threads}, load {os.getloadavg()[0]:.1f}"
