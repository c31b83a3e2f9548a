"""Runs Paddle's launcher as a child process: its command and environment, signals, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oldrestore import parallel, runtime
from oldrestore.signals import handling
from oldrestore.training.interruption import SIGNALS

LAUNCHED = Path(__file__).with_name("launched.py")
TERMINAL = "terminal"
POLL = 0.2  # seconds
GRACE = 10.0  # seconds for processes to end after their launcher has died
# prctl(2): the signal sent to a process when its parent dies; Linux only.
PR_SET_PDEATHSIG = 1


def command(count: int, place: Path) -> list[str]:
    """Return the command line of Paddle's launcher for `count` processes on this machine.

    The launcher writes the whole environment, including passwords, to its logs: they go into `place`, which only the
    user can read.
    """
    options = {
        "--nproc_per_node": str(count),
        "--log_dir": str(place / "paddle"),
        "--log_level": "ERROR",
        "--enable_gpu_log": "False",
        # 1 adds no restarts (only etcd has those), but gives the other processes 30 seconds to record what they have.
        "--elastic_level": "1",
    }
    flat = [part for option in options.items() for part in option]
    return [sys.executable, "-m", "paddle.distributed.launch", *flat, str(LAUNCHED)]


def environment(count: int, place: Path) -> dict[str, str]:
    """Return the environment of the launcher and, apart from their ranks, of its `count` processes."""
    import paddle

    variables = {name: value for name, value in os.environ.items() if not name.startswith("PADDLE_")}
    if not paddle.is_compiled_with_cuda():
        variables.pop("CUDA_VISIBLE_DEVICES", None)  # the launcher would assume GPUs
    if runtime.chose("OMP_NUM_THREADS"):
        variables["OMP_NUM_THREADS"] = str(max(1, runtime.physical_cores() // count))
    package = str(Path(__file__).resolve().parents[3])
    variables["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [variables.get("PYTHONPATH")])])
    # Keep the launched file's own folder out of the module search path.
    variables["PYTHONSAFEPATH"] = "1"
    return variables | {parallel.LAUNCH_FOLDER: str(place)}


def run_launcher(count: int, place: Path, logs: Path) -> str | None:
    """Run the launcher of `count` processes to its end, and return the name of the first signal received meanwhile.

    `place` is the private folder with the request; rank 0 receives the terminal through a socket in it. The launcher's
    output goes into `logs`.
    """
    received: list[int] = []
    seen: dict[int, Any] = {}
    sys.stdout.flush()
    sys.stderr.flush()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door, (logs / "launcher.log").open("ab") as log:
        door.bind(str(place / TERMINAL))
        door.listen()
        door.settimeout(POLL)
        process = subprocess.Popen(
            command(count, place),
            env=environment(count, place),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
            preexec_fn=_settle_signals(),
        )

        def pass_on(number: int) -> None:
            received.append(number)
            workers = _children(process.pid)
            for worker in workers:
                with contextlib.suppress(OSError):
                    os.kill(worker.pid, number)
            if not workers:
                process.terminate()

        with handling(SIGNALS, lambda number, frame: pass_on(number)):
            while process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    connection, _ = door.accept()
                    with connection:
                        socket.send_fds(connection, [b"."], [1, 2])
                seen |= {child.pid: child for child in _children(process.pid)}
            _end_what_is_left(seen.values())
    return signal.Signals(received[0]).name if received else None


def _children(pid: int) -> list[Any]:
    import psutil

    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []


def _end_what_is_left(workers: Any) -> None:
    """End processes that have outlived their launcher."""
    import psutil

    left = [worker for worker in workers if worker.is_running()]
    for worker in left:
        with contextlib.suppress(psutil.Error):
            worker.terminate()
    _, still = psutil.wait_procs(left, timeout=GRACE)
    for worker in still:
        with contextlib.suppress(psutil.Error):
            worker.kill()


def _settle_signals() -> Callable[[], None]:
    """Return what has the launcher ignore Slurm's warning, and end when this process does."""
    prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None

    def settle() -> None:
        # Slurm warns every process of a job step. Training processes handle the signal; the launcher would die.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return settle


def complaint_of(logs: Path, count: int) -> str | None:
    """Return a phrase for the process of `count` that failed according to the launcher, or None."""
    text = (logs / "launcher.log").read_text(errors="replace", encoding="utf-8")
    line = re.search(r"Container rank (\d+) status failed .*? code (-?\d+)", text)
    if line is None:
        return None
    rank, code = int(line[1]), int(line[2])
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    return f"process {rank} of {count} {how}"
