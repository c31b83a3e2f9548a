"""Starts the processes of a run that several train together, by `paddle.distributed.launch`, and sees them to the end.

The process that the user started makes the run folder, starts Paddle's launcher, passes signals on and waits. Rank 0 of
the launched processes (`oldrestore.runs.launched`) is lent its standard output and error, and says what a single
process says. What the launcher itself writes, the environment among it, stays in a private folder that is removed.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import FrameType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore import parallel, runtime
from oldrestore.errors import UserError
from oldrestore.runs.identity import new_run_id
from oldrestore.runs.outcome import Outcome
from oldrestore.tracking.reader import read_status
from oldrestore.tracking.run_folder import RunFolder
from oldrestore.training.interruption import SIGNALS
from oldrestore.training.progress import Narrator

LOGS = "launch"  # in the run folder: what the processes printed that nobody was shown
REQUEST, RESULT, TERMINAL = "request.json", "result.json", "terminal"
POLL = 0.2  # seconds
GRACE = 10.0  # seconds that processes have whose launcher is gone
LONGEST_FOLDER = 60  # of the 108 characters of a socket's name
# prctl(2): the signal that a process is sent when its parent dies; Linux alone has it.
PR_SET_PDEATHSIG = 1


def processes_of(config: DictConfig) -> int:
    """Return how many processes a configuration asks for."""
    return config.trainer.get("processes") or 1


def is_due(config: DictConfig) -> bool:
    """Say whether a run is to be launched, and is not being launched already."""
    return processes_of(config) > 1 and not parallel.launched()


def has_made_folder() -> bool:
    """Say whether this is a launched process whose run folder was made before."""
    return parallel.launched() and parallel.LAUNCH_FOLDER in os.environ


def check(config: DictConfig) -> None:
    """Refuse what several processes cannot do; where they have been launched, write their number down.

    Raises
    ------
    UserError
        The batch cannot be shared equally, a device was named, or another number of processes was launched.
    """
    asked = config.trainer.get("processes")
    count = parallel.launched_size() if parallel.launched() else processes_of(config)
    if parallel.launched():
        if asked is not None and asked != count:
            raise UserError(f"trainer.processes={asked} but {count} were launched: take trainer.processes={count}")
        OmegaConf.update(config, "trainer.processes", count, force_add=True)
    if config.trainer.batch_size % count:
        below = config.trainer.batch_size // count * count
        raise UserError(
            f"trainer.batch_size={config.trainer.batch_size} cannot be shared equally by {count} processes: "
            f"take {' or '.join(str(size) for size in (below, below + count) if size)}"
        )
    device = config.trainer.device
    if device.startswith("gpu:"):
        raise UserError(f"trainer.device={device} names one GPU: {count} processes take trainer.device=gpu or auto")
    _check_devices(device, count)


def _check_devices(device: str, count: int) -> None:
    import paddle

    if not paddle.is_compiled_with_cuda():
        return
    if device == "cpu":
        raise UserError(
            "Paddle's launcher puts processes on GPUs where Paddle is built for them: training on CPUs by several "
            "processes needs a Paddle that is built for CPUs"
        )
    gpus = paddle.device.cuda.device_count()
    here = parallel.launched_here() if parallel.launched() else count
    if gpus < here:
        raise UserError(f"trainer.processes={here} needs a GPU for each, and Paddle sees {gpus}")


def launch(
    config: DictConfig,
    overrides: Sequence[str],
    choices: Mapping[str, str],
    narrator: Narrator,
    resume: Path | None = None,
    changed: Mapping[str, list] | None = None,
) -> Outcome:
    """Make the run folder, have the run carried out by several processes, and say how it ended.

    Parameters
    ----------
    config : DictConfig
        Resolved and checked.
    overrides, choices
        See `oldrestore.runs.experiment.run_experiment`.
    narrator : Narrator
        Of this process; the run's own lines are said by rank 0.
    resume : Path, optional
        The folder of the run to go on with; nobody holds it.
    changed : mapping, optional
        What a run that goes on has otherwise than before.

    Raises
    ------
    UserError
        What the processes, before they trained, refused.
    """
    check(config)
    if config.run_id is None:
        config.run_id = new_run_id()
    folder = resume or RunFolder.create(Path(config.outputs), config.experiment, config.run_id).path
    logs = folder.absolute() / LOGS
    logs.mkdir(exist_ok=True)
    request = {
        "config": OmegaConf.to_container(config),
        "overrides": list(overrides),
        "choices": dict(choices),
        "resume": None if resume is None else str(resume),
        "changed": dict(changed or {}),
        "logs": str(logs),
    }
    with TemporaryDirectory(prefix="oldrestore-launch-", dir=_short_folder()) as private:
        place = Path(private)
        (place / REQUEST).write_text(json.dumps(request))
        stopped = _see_through(processes_of(config), place, logs)
        result = place / RESULT
        found: dict[str, Any] = json.loads(result.read_text()) if result.is_file() else {}
        words = parallel.last_words(0, place)
    if "refused" in found:
        _tidy(logs, remove_folder=resume is None)
        raise UserError(found["refused"])
    complaint = words or _complaint_of(logs, processes_of(config))
    if "state" not in found:
        found = _write_end(folder, config, stopped, complaint)
    _tidy(logs)
    narrator.record = RunFolder(folder, Path(config.outputs)).log
    return Outcome(found["state"], folder.absolute(), found["reason"])


def _short_folder() -> str | None:
    """Where temporary folders go, unless a socket in it would have a longer name than sockets can have."""
    return "/tmp" if len(gettempdir()) > LONGEST_FOLDER else None


def command(count: int, place: Path) -> list[str]:
    """Return the command line of Paddle's launcher for `count` processes on this machine.

    The launcher writes the whole environment, passwords included, into its folder of logs: that is in `place`, which
    nobody else can read and which is removed.
    """
    from oldrestore.runs import launched

    options = {
        "--nproc_per_node": str(count),
        "--log_dir": str(place / "paddle"),
        "--log_level": "ERROR",
        "--enable_gpu_log": "False",
        # With 1, not more restarts (those are for etcd alone), but 30 seconds in which the others write things down.
        "--elastic_level": "1",
    }
    flat = [part for option in options.items() for part in option]
    return [sys.executable, "-m", "paddle.distributed.launch", *flat, launched.__file__]


def environment(count: int, place: Path) -> dict[str, str]:
    """Return the environment of the launcher, which is that of the processes but for their numbers."""
    import paddle

    found = {name: value for name, value in os.environ.items() if not name.startswith("PADDLE_")}
    if not paddle.is_compiled_with_cuda():
        found.pop("CUDA_VISIBLE_DEVICES", None)  # the launcher would take it for the presence of GPUs
    if runtime.chose("OMP_NUM_THREADS"):
        found["OMP_NUM_THREADS"] = str(max(1, runtime.physical_cores() // count))
    package = str(Path(__file__).resolve().parents[2])
    found["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [found.get("PYTHONPATH")])])
    # The launched file's own folder must not be searched for modules.
    found["PYTHONSAFEPATH"] = "1"
    return found | {parallel.LAUNCH_FOLDER: str(place)}


def _see_through(count: int, place: Path, logs: Path) -> str | None:
    """Run the launcher to its end; returns the name of a signal that came meanwhile."""
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
            preexec_fn=_manners(),
        )

        def pass_on(number: int) -> None:
            received.append(number)
            workers = _children(process.pid)
            for worker in workers:
                with contextlib.suppress(OSError):
                    os.kill(worker.pid, number)
            if not workers:
                process.terminate()

        with _passing_on(pass_on):
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
    """End processes whose launcher has died."""
    import psutil

    left = [worker for worker in workers if worker.is_running()]
    for worker in left:
        with contextlib.suppress(psutil.Error):
            worker.terminate()
    _, still = psutil.wait_procs(left, timeout=GRACE)
    for worker in still:
        with contextlib.suppress(psutil.Error):
            worker.kill()


@contextlib.contextmanager
def _passing_on(pass_on: Callable[[int], None]) -> Iterator[None]:
    def handler(number: int, frame: FrameType | None) -> None:
        pass_on(number)

    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)


def _manners() -> Callable[[], None]:
    """What the launcher does before it is one: it outlives Slurm's warning, and not this process."""
    prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None

    def learn() -> None:
        # Slurm warns every process of a job step. Those that train have an answer, the launcher would die of it.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return learn


def _complaint_of(logs: Path, count: int) -> str | None:
    """Which of `count` processes the launcher says has failed, in words."""
    text = (logs / "launcher.log").read_text(errors="replace")
    found = re.search(r"Container rank (\d+) status failed .*? code (-?\d+)", text)
    if found is None:
        return None
    rank, code = int(found[1]), int(found[2])
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    return f"process {rank} of {count} {how}"


def _write_end(folder: Path, config: DictConfig, stopped: str | None, complaint: str | None) -> dict[str, Any]:
    """Write down, in the place of a rank 0 that could not, how the run ended; its trackers are told too."""
    try:
        status = read_status(folder)
    except UserError:
        status = {}
    if status.get("state", "running") != "running":
        return {"state": status["state"], "reason": status.get("reason")}
    state = "failed" if stopped is None else "killed"
    reason = f"stopped by {stopped}" if stopped else complaint or "the processes ended without a word"
    own = RunFolder.open(folder) if status else RunFolder(folder, Path(config.outputs))
    own.status(state, reason, **({"sinks": status["sinks"]} if "sinks" in status else {}))
    if status.get("sinks"):
        from oldrestore.runs.sync import sync_run

        # They are told what they can be told; the folder has it all.
        with contextlib.suppress(Exception):
            sync_run(folder, config)
    return {"state": state, "reason": reason}


def _tidy(logs: Path, remove_folder: bool = False) -> None:
    """Take away logs that say nothing; and the run folder where there is nothing else in it and it is unwanted."""
    for file in logs.iterdir():
        if remove_folder or not _says_something(file):
            file.unlink()
    with contextlib.suppress(OSError):
        logs.rmdir()
        if remove_folder:
            logs.parent.rmdir()


def _says_something(log: Path) -> bool:
    """Say whether there is more in a log than what Paddle prints of its flags whenever a process joins."""
    lines = log.read_text(errors="replace").splitlines()
    return any(line.strip("= ") not in ("", "Modified FLAGS detected") and "FLAGS(name=" not in line for line in lines)
