"""Says whether the process of a run lives, and tells it from another that has its number."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any


def is_alive(status: dict[str, Any]) -> bool | None:
    """Say whether the process of a "running" status lives: None where that cannot be known from here.

    A process identifier alone is not enough, since numbers are used again: the start of the process must agree, in
    ticks since the machine was booted; where nobody counted them, in time to 5 s (clocks are adjusted). From another
    host nothing is known. A run that ended is not alive.
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
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # the latter two: no number that a process can have
        return False
    except psutil.AccessDenied:
        return None


def state_in_words(status: dict[str, Any]) -> str:
    """Return the state as a list of runs shows it: ``finished``, ``running (process gone)``, ..."""
    state = status.get("state", "unknown")
    alive = status["alive"] if "alive" in status else is_alive(status)
    if state == "running" and alive is False:
        return "running (process gone)"
    if state == "running" and alive is None:
        return f"running (on {status.get('host', 'an unknown host')})"
    return state


def process_ticks(pid: int) -> str | None:
    """Return the boot of this machine and the tick since then at which a process began; None where nobody says.

    Unlike the time at which it began, this stays the same when the clock is set.
    """
    try:
        # What stands behind the program's name, which may hold spaces and brackets; the 22nd field of all.
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='utf-8').strip()} {after_name[19]}"
    except (OSError, IndexError):
        return None
