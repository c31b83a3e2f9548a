"""Runs a logged run again in a fresh process, with its environment, its code and its photographs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from omegaconf import DictConfig, OmegaConf

from oldrestore import runtime
from oldrestore.errors import UserError
from oldrestore.records.asked_settings import with_typed
from oldrestore.reproduction import rerun_process
from oldrestore.reproduction.logged_run import LoggedRun


@dataclass(frozen=True)
class Rerun:
    """How a new run ended."""

    folder: Path
    state: str
    reason: str | None


class NoVerdictError(Exception):
    """The run was stopped, or broke down: there is nothing to compare."""


def run_again(
    logged: LoggedRun, config: DictConfig, code: Path, output: TextIO | None = None, typed: Sequence[str] = ()
) -> Rerun:
    """Start the process, wait for its end, and read how it went.

    `code` is the folder with the package ``oldrestore`` to run, `output` where the process prints, and `typed` are
    overrides of places, recorded in place of the run's. Threads and MKL's code path are set as the run recorded them,
    if this machine can, before Paddle is imported. Raises `UserError` if the photographs or the judge differ, or the
    configuration does not fit the code, and `NoVerdictError` if the process broke down or was stopped.
    """
    environment = runtime.restorable(logged.run.environment)
    with TemporaryDirectory(prefix="oldrestore-reproduce-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        content = {
            "code": str(code),
            "config": OmegaConf.to_container(config),
            "overrides": with_typed(logged.run.overrides, typed),
            "choices": logged.run.choices,
            "data": logged.run.data,
            "device": logged.run.provenance.get("device"),
            "environment": environment,
            "result": str(result),
        }
        request.write_text(json.dumps(content), encoding="utf-8")
        code_of_process = _run([sys.executable, "-P", rerun_process.__file__, str(request)], code, environment, output)
        if not result.is_file():
            raise NoVerdictError(f"the process of the new run broke down (it ended with {code_of_process})")
        outcome = json.loads(result.read_text(encoding="utf-8"))
    if "refused" in outcome:
        raise UserError(outcome["refused"])
    if outcome["state"] == "killed":
        raise NoVerdictError(f"the new run was {outcome['reason']}: {outcome['folder']}")
    return Rerun(Path(outcome["folder"]), outcome["state"], outcome["reason"])


def _run(command: list[str], code: Path, restored: Mapping[str, str | None], output: TextIO | None) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in restored}
    environment |= {name: value for name, value in restored.items() if value is not None}
    environment["PYTHONPATH"] = str(code)  # before the installed package, whichever that is
    process = subprocess.Popen(command, env=environment, stdout=output)
    try:
        while True:
            # Ctrl-C reaches the process as well, which records that it was stopped.
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
