"""The process of a run: whether it is alive, and its lock on the folder."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.files import lock


def lock_run(folder: Path, wait: float = 0.0) -> contextlib.ExitStack:
    """Lock a run folder until the returned stack is closed; `UserError` if another process has it after `wait` seconds.

    The loader's workers of a run that was killed keep its lock until they notice, which takes a while.
    """
    stack = contextlib.ExitStack()
    if not stack.enter_context(lock(folder, wait)):
        stack.close()
        raise UserError(f"run '{folder.name}' is still running: another process has its folder")
    return stack


def is_alive(status: dict[str, Any]) -> bool | None:
    """Say whether the process of a "running" status is alive; None if that cannot be known, as from another host.

    Process numbers are used again, so the start of the process must agree too: in ticks since the machine was booted,
    or, if the status has none, in time to 5 s (clocks are adjusted).
    """
    if status.get("state") != "running":
        return False
    if status.get("host") != socket.gethostname() or "pid" not in status:
        return None
    import psutil

    pid, started = status["pid"], status.get("process_started", 0.0)
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return None
    try:
        process = psutil.Process(pid)
        then, now = status.get("process_ticks"), process_ticks(pid)
        same = abs(process.create_time() - started) < 5.0 if None in (then, now) else then == now
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # the latter two: no valid process number
        return False
    except psutil.AccessDenied:
        return None


def state_in_words(status: dict[str, Any]) -> str:
    """Return the state as lists show it: ``finished``, ``running (process gone)``, ``running (on HOST)`` ..."""
    state = status.get("state", "unknown")
    alive = status["alive"] if "alive" in status else is_alive(status)
    if state == "running" and alive is False:
        return "running (process gone)"
    if state == "running" and alive is None:
        return f"running (on {status.get('host', 'an unknown host')})"
    return state


def process_ticks(pid: int) -> str | None:
    """Return the boot of this machine and the tick since then at which a process began; None if unknown.

    Unlike the start time, this stays the same when the clock is set.
    """
    try:
        # The 22nd field; the program's name, the second, may hold spaces and brackets.
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='utf-8').strip()} {after_name[19]}"
    except (OSError, IndexError):
        return None
