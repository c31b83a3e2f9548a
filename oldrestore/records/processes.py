"""Tells one process from another that has its number."""

from __future__ import annotations

from pathlib import Path


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
