"""What the tests of this folder are recorded under, and the memory that an attack costs."""

from __future__ import annotations

import resource

SECTION = "What others hand you"


def peak_mib() -> float:
    """Most memory that this process has held so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
