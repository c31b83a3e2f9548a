"""Runs ``oldrestore`` in forks of one process that has imported everything: a run with a fault costs a second."""

import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

HANGS = 124
_context = multiprocessing.get_context("forkserver")


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
    """The process that is forked; it ends with this one."""

    def __init__(self) -> None:
        _context.set_forkserver_preload(["tests.reliability.imported"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
            # A terminal in English or German cannot print a name that is not UTF-8 as it is.
            patch.setenv("PYTHONIOENCODING", "utf-8:strict")
            forkserver.ensure_running()

    def run(
        self,
        arguments: Sequence[Any],
        faults: Sequence[Sequence[Any]] = (),
        environment: Mapping[str, Any] | None = None,
        seconds: float = 120.0,
        several: int = 1,
    ) -> list[Ended]:
        """Run a verb in a fork, or in several forks at the same time; one that takes longer is killed."""
        request = list(map(str, arguments)), faults, {name: str(value) for name, value in (environment or {}).items()}
        deadline = time.monotonic() + seconds
        children = [_Child(*request) for _ in range(several)]
        ends = [child.end(deadline) for child in children]
        assert all("Traceback" not in ended.err for ended in ends), ends
        return ends


class _Child:
    def __init__(self, *request: Any) -> None:
        # Pipes, which no limit on files touches: what is printed, and the memory taken.
        pipes = [_context.Pipe(duplex=False) for _ in range(3)]
        self.process = _context.Process(target=_run, args=(*request, *(theirs for _, theirs in pipes)))
        self.process.start()
        self.memory = pipes[2][0]
        self.read = [bytearray(), bytearray()]
        for _, theirs in pipes:
            theirs.close()
        self.readers = [
            threading.Thread(target=_read_all, args=(ours, content), daemon=True)
            for (ours, _), content in zip(pipes[:2], self.read, strict=True)
        ]
        for reader in self.readers:
            reader.start()

    def end(self, deadline: float) -> Ended:
        self.process.join(max(0.0, deadline - time.monotonic()))
        code = self.process.exitcode
        if code is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.join()
            code = HANGS
        for reader in self.readers:
            reader.join(1.0)  # a loader's worker that was left behind may hold the pipe open
        mib = self.memory.recv() if code >= 0 and self.memory.poll() else 0.0
        return Ended(code, *(bytes(content).decode(errors="replace") for content in self.read), mib)


def _read_all(pipe: Connection, content: bytearray) -> None:
    while more := os.read(pipe.fileno(), 2**16):
        content += more


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run(arguments, faults, environment, out: Connection, err: Connection, memory: Connection) -> None:
    from oldrestore.cli import main
    from tests.reliability import faults as known

    before = _peak()
    multiprocessing.set_start_method("fork", force=True)  # as in a process that nobody has forked
    os.setpgid(0, 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.update(environment)
    for name, *given in faults:
        getattr(known, name)(*given)
    try:
        sys.exit(main(arguments))
    finally:
        memory.send(_peak() - before)
