"""Starts the processes of a run that several train together, by `paddle.distributed.launch`, and sees them to the end.

The process that the user started makes the run folder, starts Paddle's launcher (``paddle_launcher``, beside this
file), passes signals on and waits. Rank 0 of the launched processes (``launched``) is lent its standard output and
error, and says what a single process says. What the launcher itself writes, the environment among it, stays in a
private folder that is removed.
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
from oldrestore.run.processes.paddle_launcher import complaint_of, see_through

LOGS = "launch"  # in the run folder: what the processes printed that nobody was shown
REQUEST, RESULT = "request.json", "result.json"
# What Paddle prints where somebody set flags, or a number of threads other than 1.
SAID_BY_PADDLE = ("Modified FLAGS detected", "FLAGS(name=", "OMP_NUM_THREADS")
LONGEST_FOLDER = 60  # of the 108 characters of a socket's name


def processes_of(config: DictConfig) -> int:
    """Return how many processes a configuration asks for."""
    return config.trainer.get("processes") or 1


def is_due(config: DictConfig) -> bool:
    """Say whether a run is to be launched, and is not being launched already."""
    return processes_of(config) > 1 and not parallel.launched()


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
    resume: Path | None = None,
    changed: Mapping[str, list] | None = None,
) -> Outcome:
    """Make the run folder, have the run carried out by several processes, and say how it ended.

    Parameters
    ----------
    config : DictConfig
        Resolved and checked.
    overrides, choices
        See `oldrestore.run.experiment.run_experiment`.
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
        (place / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        stopped = see_through(processes_of(config), place, logs)
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
    """Where temporary folders go, unless a socket in it would have a longer name than sockets can have."""
    return "/tmp" if len(gettempdir()) > LONGEST_FOLDER else None


def _write_end(folder: Path, config: DictConfig, stopped: str | None, complaint: str | None) -> dict[str, Any]:
    """Write down, in the place of a rank 0 that could not, how the run ended; its trackers are told too."""
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
    """Say whether there is more in a log than what Paddle prints of flags and threads whenever a process joins."""
    lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
    return any(line.strip("= ") and not any(known in line for known in SAID_BY_PADDLE) for line in lines)
