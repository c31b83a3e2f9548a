"""The folder where what can be computed again is kept: photograph indexes, colour priors, prepared data."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_directory() -> Path:
    """Return the user's cache folder of oldrestore.

    It is ``$OLDRESTORE_CACHE`` when that is set, otherwise the platform's usual place
    (``~/.cache/oldrestore`` on Linux). It need not exist yet, and everything in it may be deleted.
    """
    chosen = os.environ.get("OLDRESTORE_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("oldrestore")
