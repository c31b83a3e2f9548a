"""Starts several processes that train one run, by `paddle.distributed.launch`, and waits for them to end.

The process that the user started creates the run folder, starts Paddle's launcher, passes signals on and waits. Rank 0
of the launched processes (``launched``) receives its standard output and error, and prints what a single process
prints. What the launcher itself writes, including the environment, stays in a private folder, which is removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore import parallel, runtime
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.records.identity import new_run_id
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.run.outcome import Outcome, closing_lines
from oldrestore.run.resuming import Resumption
from oldrestore.signals import handling
from oldrestore.training.interruption import SIGNALS

LOGS = "launch"  # in the run folder: output of the processes that was not shown
# What Paddle prints if flags are set, or a number of threads other than 1.
SAID_BY_PADDLE = ("Modified FLAGS detected", "FLAGS(name=", "OMP_NUM_THREADS")
LONGEST_FOLDER = 60  # of the 108 characters of a socket's name
LAUNCHED = Path(__file__).with_name("launched.py")
POLL = 0.2  # seconds
GRACE = 10.0  # seconds for processes to end after their launcher has died
PR_SET_PDEATHSIG = 1  # prctl(2): the signal sent to a process when its parent dies; Linux only


def processes_of(config: DictConfig) -> int:
    """Return how many processes a configuration asks for."""
    return config.trainer.get("processes") or 1


def is_due(config: DictConfig) -> bool:
    """Say whether a run must be launched: it needs several processes, and this is not one of them."""
    return processes_of(config) > 1 and not parallel.launched()


def check(config: DictConfig) -> None:
    """Raise `UserError` for what several processes cannot do; in launched processes, set ``trainer.processes``."""
    asked = config.trainer.get("processes")
    count = parallel.launched_size() if parallel.launched() else processes_of(config)
    if parallel.launched():
        if asked is not None and asked != count:
            raise UserError(f"trainer.processes={asked} but {count} were launched: use trainer.processes={count}")
        OmegaConf.update(config, "trainer.processes", count, force_add=True)
    if config.trainer.batch_size % count:
        below = config.trainer.batch_size // count * count
        raise UserError(
            f"trainer.batch_size={config.trainer.batch_size} cannot be shared equally by {count} processes: "
            f"use {' or '.join(str(size) for size in (below, below + count) if size)}"
        )
    device = config.trainer.device
    if device.startswith("gpu:"):
        raise UserError(f"trainer.device={device} names one GPU: for {count} processes use trainer.device=gpu or auto")
    import paddle

    if not paddle.is_compiled_with_cuda():
        return
    if device == "cpu":
        raise UserError(
            "Paddle's launcher puts processes on GPUs if Paddle is built for them: several processes on CPUs need a "
            "Paddle that is built for CPUs"
        )
    gpus = paddle.device.cuda.device_count()
    here = parallel.launched_here() if parallel.launched() else count
    if gpus < here:
        raise UserError(f"trainer.processes={here} needs a GPU for each process, and Paddle sees {gpus}")


def launch(
    config: DictConfig,
    overrides: Sequence[str],
    choices: Mapping[str, str],
    resumption: Resumption | None = None,
) -> Outcome:
    """Create the run folder, train the run in several processes, and return how it ended.

    The first arguments are those of `run_experiment`; a run to resume is unlocked, for rank 0 to lock it.
    """
    check(config)
    if config.run_id is None:
        config.run_id = new_run_id()
    if resumption is None:
        folder = RunFolder.create(Path(config.outputs), config.experiment, config.run_id).path
    else:
        resumption.lock.close()
        folder = resumption.folder
    logs = folder.absolute() / LOGS
    logs.mkdir(exist_ok=True)
    request = {
        "config": OmegaConf.to_container(config),
        "overrides": list(overrides),
        "choices": dict(choices),
        "resume": None if resumption is None else str(folder),
        "changed": {} if resumption is None else resumption.changed,
        "logs": str(logs),
    }
    # The name of the socket in it must not be too long.
    parent = "/tmp" if len(gettempdir()) > LONGEST_FOLDER else None
    with TemporaryDirectory(prefix="oldrestore-launch-", dir=parent) as private:
        place = Path(private)
        (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
        stopped = _run_launcher(processes_of(config), place, logs)
        file = place / "result.json"
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        words = parallel.last_words(0, place)
    if "refused" in result:
        tidy(logs, remove_folder=resumption is None)
        raise UserError(result["refused"])
    if "state" in result:
        outcome = Outcome(result["state"], folder.absolute(), result["reason"], result.get("diverged", False))
    else:
        outcome = _write_end(folder, config, stopped, words or _complaint_of(logs, processes_of(config)))
    tidy(logs)
    return outcome


def _write_end(folder: Path, config: DictConfig, stopped: str | None, complaint: str | None) -> Outcome:
    """Record how the run ended in place of a rank 0 that could not, and tell its trackers."""
    try:
        status = Run(folder).status
    except UserError:
        status = {}
    if status.get("state", "running") != "running":
        return Outcome(status["state"], folder.absolute(), status.get("reason"))
    state = "failed" if stopped is None else "killed"
    reason = f"stopped by {stopped}" if stopped else complaint or "the processes ended without a word"
    record = RunFolder.open(folder) if status else RunFolder(folder, Path(config.outputs))
    record.status(state, reason)
    outcome = Outcome(state, folder.absolute(), reason)
    Narrator(record=record.log).record_only("", outcome.ending(), *closing_lines(outcome, config))
    record.close()
    if status.get("sinks"):
        from oldrestore.run.sync import sync_run

        # Trackers may fail: the folder has everything.
        with contextlib.suppress(Exception):
            sync_run(folder, config)
    return outcome


def tidy(logs: Path, remove_folder: bool = False) -> None:
    """Remove logs without content, and the run folder if asked and otherwise empty."""
    for file in logs.iterdir():
        if remove_folder or not _says_something(file):
            file.unlink()
    with contextlib.suppress(OSError):
        logs.rmdir()
        if remove_folder:
            logs.parent.rmdir()


def _says_something(log: Path) -> bool:
    lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
    return any(line.strip("= ") and not any(usual in line for usual in SAID_BY_PADDLE) for line in lines)


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


def _run_launcher(count: int, place: Path, logs: Path) -> str | None:
    """Run the launcher to its end, and return the name of the first signal received meanwhile.

    Rank 0 receives the terminal through a socket in the private folder `place`.
    """
    import psutil

    received: list[int] = []
    seen: dict[int, psutil.Process] = {}
    sys.stdout.flush()
    sys.stderr.flush()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door, (logs / "launcher.log").open("ab") as log:
        door.bind(str(place / "terminal"))
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
            _send(number, workers)
            if not workers:
                process.terminate()

        with handling(SIGNALS, lambda number, frame: pass_on(number)):
            while process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    connection, _ = door.accept()
                    with connection:
                        socket.send_fds(connection, [b"."], [1, 2])
                seen |= {child.pid: child for child in _children(process.pid)}
            # Workers may outlive a launcher that died.
            left = [worker for worker in seen.values() if worker.is_running()]
            _send(signal.SIGTERM, left)
            _send(signal.SIGKILL, psutil.wait_procs(left, timeout=GRACE)[1])
    return signal.Signals(received[0]).name if received else None


def _children(pid: int) -> list[Any]:
    import psutil

    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []


def _send(number: int, processes: Sequence[Any]) -> None:
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _settle_signals() -> Callable[[], None]:
    """Return what has the launcher ignore Slurm's warning, and end when this process does."""
    prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None

    def settle() -> None:
        # Slurm warns every process of a job step. Training processes handle the signal; the launcher would die.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return settle


def _complaint_of(logs: Path, count: int) -> str | None:
    """Return a phrase for the process of `count` that failed according to the launcher, or None."""
    text = (logs / "launcher.log").read_text(errors="replace", encoding="utf-8")
    line = re.search(r"Container rank (\d+) status failed .*? code (-?\d+)", text)
    if line is None:
        return None
    rank, code = int(line[1]), int(line[2])
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    return f"process {rank} of {count} {how}"
