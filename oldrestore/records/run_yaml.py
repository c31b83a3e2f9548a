"""Reads the YAML files of a run folder, which may come from anyone: plain values only, and none that unfold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LARGEST = 16 * 2**20
DEEPEST = 100
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def run_yaml_text(path: Path) -> str:
    """Return the text of a YAML file that a run wrote, once it is known to be harmless.

    Raises
    ------
    yaml.YAMLError
        It is not YAML, or `refuse_unfolding` refuses it.
    ValueError
        It is not UTF-8, or larger than any configuration (16 MiB).
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    text = content.decode()
    refuse_unfolding(text)
    return text


def refuse_unfolding(text: str) -> None:
    """Raise `yaml.YAMLError` where YAML has aliases, or nests without end; a run writes neither.

    Nine lines of aliases unfold into a thousand million values, and the fast reader ends the whole process where lists
    stand too deep within each other.
    """
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} has an alias, which no run writes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} nests more deeply than any run's settings")


def load_run_yaml(path: Path) -> Any:
    """Return what a YAML file of a run holds, as plain values; raises as `run_yaml_text` does."""
    return yaml.load(run_yaml_text(path), Loader=LOADER)  # noqa: S506 - a safe loader
