"""``config.json``: a copy of configuration and choices as JSON, which a list of runs reads fifty times faster.

The YAML files are the record. The copy holds their hash, and is ignored once they have changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.files import write_atomically
from oldrestore.records.parsing import read_choices, read_config

NAME = "config.json"


def write_quick_copy(folder: Path) -> None:
    """Copy ``config.yaml`` and ``choices.yaml`` of a run folder, if JSON can hold exactly what they say."""
    try:
        content = {"of": _hash_of(folder), "config": read_config(folder), "choices": read_choices(folder)}
        text = json.dumps(content, ensure_ascii=False)
        if json.loads(text) == content:
            write_atomically(folder / NAME, text + "\n")
    except (UserError, TypeError):
        pass  # a list of runs then reads the YAML, or shows nothing


def read_quick_copy(folder: Path) -> dict[str, Any] | None:
    """Return the copy: `config` and `choices`; None if there is none or the YAML files have changed since."""
    try:
        content = json.loads((folder / NAME).read_bytes())
        whole = content["of"] == _hash_of(folder) and {type(content[name]) for name in ("config", "choices")} == {dict}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return content if whole else None


def _hash_of(folder: Path) -> str:
    found = hashlib.sha256((folder / "config.yaml").read_bytes())
    choices = folder / "choices.yaml"
    if choices.exists():
        found.update(b"\0" + choices.read_bytes())
    return found.hexdigest()
