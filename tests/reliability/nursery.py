"""Runs ``oldrestore`` in forks of one process that has imported everything: a run with a fault costs a second.

Started as a program, it reads a request a line (JSON) on standard input and answers a line when the fork has ended::

    {"arguments": ["train", ...], "faults": [["kill_at", "metrics", 2]], "environment": {}, "seconds": 60, "several": 1}
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANGS = 124
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (-9 if killed), what it printed, and MiB that it took beyond the imports."""

    code: int
    out: str
    err: str
    mib: float

    @property
    def sentence(self) -> str:
        """What it says went wrong: the last line that begins with ``oldrestore:``."""
        lines = [line for line in self.err.splitlines() if line.startswith("oldrestore: ")]
        return lines[-1].removeprefix("oldrestore: ") if lines else ""

    @property
    def json(self) -> Any:
        """What ``--json`` printed."""
        assert self.out, self.err
        return json.loads(self.out)


class Nursery:
    """The parent's side."""

    def __init__(self) -> None:
        # A terminal in English or German cannot print a name that is not UTF-8 as it is.
        forced = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8:strict"}
        environment = {**os.environ, **forced}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "tests.reliability.nursery"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=environment, cwd=ROOT, **pipes)
        self._turn = threading.Lock()

    def run(
        self,
        arguments: Sequence[Any],
        faults: Sequence[Sequence[Any]] = (),
        environment: Mapping[str, Any] | None = None,
        seconds: float = 120.0,
        several: int = 1,
    ) -> list[Ended]:
        """Run a verb in a fork, or in several forks at the same time; one that takes longer is killed."""
        request = {
            "arguments": list(map(str, arguments)),
            "faults": list(map(list, faults)),
            "environment": {name: str(value) for name, value in (environment or {}).items()},
            "seconds": seconds,
            "several": several,
        }
        with self._turn:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            ends = [Ended(*found) for found in json.loads(self._process.stdout.readline())]
        assert all("Traceback" not in ended.err for ended in ends), ends
        return ends

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def main() -> None:
    """The program's side: serve requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.fsync = lambda descriptor: None
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    import cv2
    import hydra._internal.utils
    import mlflow
    import mlflow.entities
    import mlflow.tracking._tracking_service.utils
    import scipy.ndimage
    import skimage.color
    import skimage.restoration

    import oldrestore.commands.sync
    import oldrestore.commands.train
    import oldrestore.run.experiment
    import oldrestore.run.sync
    import oldrestore.tracking.mlflow_sink
    import oldrestore.tracking.visualdl_sink
    from oldrestore.config.compose import compose_config
    from tests.reliability import faults

    oldrestore.tracking.visualdl_sink.import_visualdl()
    compose_config([])  # imports what components need
    _ = (cv2, hydra, mlflow, scipy, skimage, faults)
    for line in sys.stdin:
        request = json.loads(line)
        children = [_fork(request) for _ in range(request["several"])]
        deadline = time.monotonic() + request["seconds"]
        answers.write(json.dumps([_end_of(child, deadline) for child in children]) + "\n")
        answers.flush()


def _fork(request: Mapping[str, Any]) -> tuple[int, int, int, float]:
    """Start a process; returns its id, its output's pipes (which no limit on files touches) and its memory in MiB."""
    pipes = [os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)]
    child = os.fork()
    if child:
        for ours, theirs in pipes:
            os.close(theirs)
            os.set_blocking(ours, False)
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
        return child, pipes[0][0], pipes[1][0], pages * resource.getpagesize() / 2**20
    code = 70
    try:
        os.setpgid(0, 0)
        for descriptor, (_, theirs) in zip((1, 2), pipes, strict=True):
            os.dup2(theirs, descriptor)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.environ.update(request["environment"])
        from oldrestore.cli import main as command_line
        from tests.reliability import faults

        for name, *arguments in request["faults"]:
            getattr(faults, name)(*arguments)
        try:
            code = command_line(request["arguments"])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, the fork must end here and say so
        import traceback

        traceback.print_exc()
        code = 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_of(child: tuple[int, int, int, float], deadline: float) -> tuple[int, str, str, float]:
    process, *pipes, before = child
    read = [b"", b""]
    code, mib = None, 0.0
    while code is None:
        done, status, used = os.wait4(process, os.WNOHANG)
        if done:
            code, mib = os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024 - before
        elif time.monotonic() > deadline:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            code = HANGS
        else:
            time.sleep(0.01)
        # Also when the process has ended: a loader's worker that was left behind may hold the pipe open.
        for number, pipe in enumerate(pipes):
            with contextlib.suppress(BlockingIOError):
                while more := os.read(pipe, 2**16):
                    read[number] += more
    for pipe in pipes:
        os.close(pipe)
    return code, *(content.decode(errors="replace") for content in read), mib


if __name__ == "__main__":
    main()
