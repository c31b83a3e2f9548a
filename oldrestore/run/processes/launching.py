"""Starts several processes that train one run, by `paddle.distributed.launch`, and waits for them to end.

The process that the user started creates the run folder, starts Paddle's launcher (``paddle_launcher``), passes signals
on and waits. Rank 0 of the launched processes (``launched``) receives its standard output and error, and prints what a
single process prints. What the launcher itself writes, including the environment, stays in a private folder, which is
removed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.records.identity import new_run_id
from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.run.outcome import Outcome, closing_lines
from oldrestore.run.processes.paddle_launcher import complaint_of, run_launcher

LOGS = "launch"  # in the run folder: output of the processes that was not shown
REQUEST, RESULT = "request.json", "result.json"
# What Paddle prints if flags are set, or a number of threads other than 1.
SAID_BY_PADDLE = ("Modified FLAGS detected", "FLAGS(name=", "OMP_NUM_THREADS")
LONGEST_FOLDER = 60  # of the 108 characters of a socket's name


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
    _check_devices(device, count)


def _check_devices(device: str, count: int) -> None:
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
    resume: Path | None = None,
    changed: Mapping[str, list] | None = None,
) -> Outcome:
    """Create the run folder, train the run in several processes, and return how it ended.

    Parameters
    ----------
    config, overrides, choices
        See `oldrestore.run.experiment.run_experiment`.
    resume : Path, optional
        The folder of the run to resume, unlocked.
    changed : mapping, optional
        Settings of a resumed run that differ from before.
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
        (place / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        stopped = run_launcher(processes_of(config), place, logs)
        file = place / RESULT
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        words = parallel.last_words(0, place)
    if "refused" in result:
        _tidy(logs, remove_folder=resume is None)
        raise UserError(result["refused"])
    if "state" in result:
        outcome = Outcome(result["state"], folder.absolute(), result["reason"])
    else:
        outcome = _write_end(folder, config, stopped, words or complaint_of(logs, processes_of(config)))
    _tidy(logs)
    return outcome


def _short_folder() -> str | None:
    """Return another place for temporary folders if the name of a socket would be too long in the usual one."""
    return "/tmp" if len(gettempdir()) > LONGEST_FOLDER else None


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


def _tidy(logs: Path, remove_folder: bool = False) -> None:
    """Remove logs without content, and the run folder if asked and otherwise empty."""
    for file in logs.iterdir():
        if remove_folder or not _says_something(file):
            file.unlink()
    with contextlib.suppress(OSError):
        logs.rmdir()
        if remove_folder:
            logs.parent.rmdir()


def _says_something(log: Path) -> bool:
    """Say whether a log holds more than what Paddle always prints about flags and threads."""
    lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
    return any(line.strip("= ") and not any(usual in line for usual in SAID_BY_PADDLE) for line in lines)
