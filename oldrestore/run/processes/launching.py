"""Starts several processes that train one run, by `paddle.distributed.launch`, and waits for them to end.

The process that the user started makes the run folder, starts Paddle's launcher (``paddle_launcher``), passes signals
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
from oldrestore.run.closing import closing_lines, ending
from oldrestore.run.outcome import Outcome
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
    """Say whether a run must be launched and this is not a launched process."""
    return processes_of(config) > 1 and not parallel.launched()


def check(config: DictConfig) -> None:
    """Refuse what several processes cannot do; in launched processes, set their number in the configuration.

    Raises
    ------
    UserError
        If the batch cannot be shared equally, a device is named, or another number of processes was launched.
    """
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
    """Make the run folder, train the run in several processes, and return how it ended.

    Parameters
    ----------
    config : DictConfig
        Resolved and checked.
    overrides, choices
        See `oldrestore.run.experiment.run_experiment`.
    resume : Path, optional
        The folder of the run to resume; its lock is free.
    changed : mapping, optional
        Settings of a resumed run that differ from before.

    Raises
    ------
    UserError
        If the processes refused the request before training.
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
        result = place / RESULT
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else {}
        words = parallel.last_words(0, place)
    if "refused" in found:
        _tidy(logs, remove_folder=resume is None)
        raise UserError(found["refused"])
    complaint = words or complaint_of(logs, processes_of(config))
    if "state" not in found:
        found = _write_end(folder, config, stopped, complaint)
    _tidy(logs)
    return Outcome(found["state"], folder.absolute(), found["reason"])


def _short_folder() -> str | None:
    """Return another place for temporary folders if a socket in the usual one would have too long a name."""
    return "/tmp" if len(gettempdir()) > LONGEST_FOLDER else None


def _write_end(folder: Path, config: DictConfig, stopped: str | None, complaint: str | None) -> dict[str, Any]:
    """Record how the run ended, for a rank 0 that could not, and tell its trackers."""
    try:
        status = Run(folder).status
    except UserError:
        status = {}
    if status.get("state", "running") != "running":
        return {"state": status["state"], "reason": status.get("reason")}
    state = "failed" if stopped is None else "killed"
    reason = f"stopped by {stopped}" if stopped else complaint or "the processes ended without a word"
    own = RunFolder.open(folder) if status else RunFolder(folder, Path(config.outputs))
    own.status(state, reason, **({"sinks": status["sinks"]} if "sinks" in status else {}))
    outcome = Outcome(state, folder.absolute(), reason)
    Narrator(record=own.log).record_only("", ending(outcome), *closing_lines(outcome, config))
    own.close()
    if status.get("sinks"):
        from oldrestore.run.sync import sync_run

        # Trackers may fail: the folder has everything.
        with contextlib.suppress(Exception):
            sync_run(folder, config)
    return {"state": state, "reason": reason}


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
    return any(line.strip("= ") and not any(known in line for known in SAID_BY_PADDLE) for line in lines)
