"""Short names for designs, from what differs between them."""

from __future__ import annotations

from typing import Any

from oldrestore.comparison.compare import Compared
from oldrestore.comparison.rendering import setting

LONGEST = 44  # characters


def names_of(compared: Compared) -> list[str]:
    """Name each design by what it chose and where it differs: ``focal``, ``l2, width 0.5``; no two alike.

    One design alone is called by its loss. Where names would be too long to stand beside a line of a chart, they are
    ``design 1``, ``design 2``, ..., and the table says what each is.
    """
    designs = compared.designs
    if len(designs) == 1:
        run = designs[0].runs[0]
        return [str(run.choices.get("loss") or run.choices.get("model") or run.experiment)[:LONGEST]]
    names = []
    for index in range(len(designs)):
        parts = [_part(name, values[index]) for name, values in compared.differences.items()]
        names.append(", ".join(part for part in parts if part))
    if any(len(name) > LONGEST or not name for name in names) or len(set(names)) < len(names):
        # The first setting alone often tells them apart.
        first = next(iter(compared.differences.items()), None)
        short = [_part(first[0], value) for value in first[1]] if first else []
        fits = short and all(0 < len(name) <= LONGEST for name in short) and len(set(short)) == len(short)
        return short if fits else [f"design {index + 1}" for index in range(len(designs))]
    return names


def _part(name: str, value: Any) -> str:
    """A choice of a group speaks for itself; of a setting, the last word of its name is told too."""
    if value is None:
        return ""
    if "." not in name and isinstance(value, str):
        return value
    return f"{name.rpartition('.')[2].strip('_')} {setting(value)}"
