"""Values for strict JSON, CSV and parameter tables: plain types, exact floats, flat names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_NON_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def encode_float(value: float) -> float | str:
    """Return a real number (also of NumPy) as a float64 that strict JSON can hold.

    Python would write a bare ``NaN``, which other parsers refuse: what is not finite becomes the string ``"NaN"``,
    ``"Infinity"`` or ``"-Infinity"``. Finite floats are printed with the shortest text that reads back to the same
    64 bits. Raises TypeError if `value` is not a number.
    """
    if isinstance(value, str) or value is None:
        raise TypeError(f"{value!r} is not a number")
    number = float(value)
    return number if math.isfinite(number) else _NON_FINITE[str(number)]


def decode_float(value: float | str) -> float:
    """Invert `encode_float`; raises ValueError for any other text."""
    if isinstance(value, str) and value not in _NON_FINITE.values():
        raise ValueError(f"{value!r} is neither a number nor one of {sorted(_NON_FINITE.values())}")
    return float(value)


def plain(value: Any) -> Any:
    """Return a copy built of dict, list, str, int, float, bool and None only, ready for strict JSON.

    NumPy scalars and arrays, paths, tuples and sets are converted, floats by `encode_float`, anything else by `str`.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return encode_float(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # NumPy's, without importing it
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Path)):
        return [plain(item) for item in value]
    return str(value)


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a nested configuration by dotted names (``loss.terms.0.weight``); an empty mapping is one,
    too.
    """
    leaves: dict[str, Any] = {}

    def visit(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping) and node:
            for key, item in node.items():
                visit(f"{prefix}.{key}" if prefix else str(key), item)
        elif isinstance(node, (list, tuple)) and node:
            for index, item in enumerate(node):
                visit(f"{prefix}.{index}", item)
        elif prefix:
            leaves[prefix] = node

    visit("", config)
    return leaves


def within(config: Any, name: str) -> Any:
    """Return a setting by its dotted name (``loss.terms.0.weight``), or None."""
    for part in name.split("."):
        if isinstance(config, dict):
            config = config.get(part)
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return None
    return config
