"""Runs ``oldrestore`` verbs in a process of their own, which has a time limit and whose memory is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = """
import contextlib, io, json, os, resource, sys
from oldrestore import runtime
runtime.prepare()
runtime.quiet_import_of_paddle()
import cv2, scipy.ndimage, skimage.restoration
os.fsync = lambda descriptor: None
from oldrestore.cli import main
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
if sys.argv[1] == "without privileges":
    # Root may read everything. Without two of its capabilities (DAC_OVERRIDE, DAC_READ_SEARCH) it is as any owner.
    import ctypes
    header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, held) == 0
    held[0], held[1] = held[0] & ~6, held[1] & ~6
    assert libc.capset(header, held) == 0
for arguments in json.load(sys.stdin):
    said, complaints = io.StringIO(), io.StringIO()
    before = peak()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
        code = main(arguments)
    found = {"code": code, "out": said.getvalue(), "err": complaints.getvalue(), "mib": peak() - before}
    print(json.dumps(found), flush=True)
"""


@dataclass(frozen=True)
class Said:
    """What one verb did.

    Attributes
    ----------
    code : int
        Exit code.
    out, err : str
        What was printed.
    mib : float
        By how much its peak of memory was above what the process had before, MiB.
    """

    code: int
    out: str
    err: str
    mib: float

    @property
    def json(self) -> Any:
        """What ``--json`` printed."""
        assert self.out, self.err
        return json.loads(self.out)


def run_verbs(*verbs: list[str], seconds: float, cache: Path, privileged: bool = True) -> list[Said]:
    """Run verbs one after another in a new process.

    Fails when it takes longer than `seconds`, which nothing may: a hang is a failure. Not `privileged`, it may
    not read what permissions forbid, not even as root.
    """
    environment = {
        **os.environ,
        "OLDRESTORE_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
        # As a terminal in English or German has it: a name that is not UTF-8 cannot be printed as it is.
        "PYTHONIOENCODING": "utf-8:strict",
        "HOME": str(cache),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "as it is" if privileged else "without privileges"],
        input=json.dumps([list(map(str, verb)) for verb in verbs]),
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment,
        cwd=cache,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return [Said(**json.loads(line)) for line in done.stdout.splitlines()]
