"""A process of a run that Paddle's launcher starts for `oldrestore.run.processes.launching`; run as a file."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main() -> int:
    """Do this process's part of the run; rank 0 writes how it ended."""
    from oldrestore import parallel, runtime

    place = Path(os.environ[parallel.LAUNCH_FOLDER])
    request = json.loads((place / "request.json").read_text(encoding="utf-8"))
    _print_to(Path(request["logs"]) / f"process-{parallel.launched_rank()}.log")
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from oldrestore.errors import UserError

    parallel.join()
    if parallel.is_first():
        _borrow_terminal(place / "terminal")
    try:
        result = train(request)
    except (UserError, parallel.LostProcessError) as error:  # the latter before there was a run to fail
        result = {"refused": str(error)}
    except BaseException as error:  # noqa: BLE001 (reported, then the process ends)
        traceback.print_exc()
        parallel.say_last_words(f"{type(error).__name__}: {error}")
        # On any other code the launcher would stop rank 0 before it has recorded what it can.
        return 1 if parallel.is_first() else 0
    # Signals from now on come from the launcher, too late to matter.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    if parallel.is_first():
        (place / "result.json").write_text(json.dumps(result), encoding="utf-8")
    elif result.get("state") == "failed" or "refused" in result:
        parallel.say_last_words(result.get("reason") or result["refused"])
    return 0


def train(request: Mapping[str, Any]) -> dict[str, Any]:
    """Train, and print the final tables."""
    from omegaconf import OmegaConf

    from oldrestore import parallel
    from oldrestore.narrator import Narrator
    from oldrestore.run.experiment import resume_experiment, run_experiment
    from oldrestore.run.resuming import WAIT_FOR_WORKERS, Resumption, lock_on_first

    config = OmegaConf.create(request["config"])
    narrator = Narrator()
    if request["resume"] is None:
        outcome = run_experiment(config, request["overrides"], narrator, request["choices"])
    else:
        folder = Path(request["resume"])
        lock = lock_on_first(folder, WAIT_FOR_WORKERS)
        resumption = Resumption(folder, config, request["overrides"], request["changed"], lock)
        outcome = resume_experiment(resumption, narrator)
    for table in outcome.tables() if parallel.is_first() else ():
        narrator.say()
        narrator.show(table)
    return {"state": outcome.state, "reason": outcome.reason, "diverged": outcome.diverged}


def _print_to(file: Path) -> None:
    """Redirect everything that this process prints, including from C++, to a file."""
    with file.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _borrow_terminal(door: Path) -> None:
    """Print to the standard output and error of the process that the user started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(door))
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    sys.stdout.flush()
    sys.stderr.flush()
    for stream, descriptor in zip((1, 2), descriptors, strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
