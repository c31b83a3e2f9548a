"""Run ids: made once, before launch, and unique wherever runs are made."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_run_id() -> str:
    """Return a new run id, ``YYYYMMDD-HHMMSS-xxxxxxxxxx``: the time, then 40 random bits.

    Two of a thousand runs of one second share a name once in two million such seconds, and a run folder that exists is
    refused, never shared.
    """
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(5)}"
