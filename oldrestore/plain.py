"""What strict JSON, CSV and parameter tables can hold: plain values, exact floats, flat names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_NAMES_OF_NON_FINITE = {"NaN", "Infinity", "-Infinity"}


def encode_float(value: float) -> float | str:
    """Return `value` as a float64 that strict JSON can hold.

    JSON has no word for what is not finite, and the bare ``NaN`` that Python writes breaks other parsers:
    those three values become the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``. Finite values stay
    floats; Python prints them with the shortest text that reads back to the same 64 bits.

    Parameters
    ----------
    value : float
        Any real number, NumPy scalars and one-element arrays included.

    Returns
    -------
    float or str

    Raises
    ------
    TypeError
        `value` is not a number.
    """
    if isinstance(value, str) or value is None:
        raise TypeError(f"{value!r} is not a number")
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def decode_float(value: float | str) -> float:
    """Invert `encode_float`.

    Raises
    ------
    ValueError
        `value` is a text other than the three names of what is not finite.
    """
    if isinstance(value, str) and value not in _NAMES_OF_NON_FINITE:
        raise ValueError(f"{value!r} is neither a number nor one of {sorted(_NAMES_OF_NON_FINITE)}")
    return float(value)


def plain(value: Any) -> Any:
    """Return `value` built of dict, list, str, int, float, bool and None only, ready for strict JSON.

    NumPy scalars and arrays, paths, tuples and sets are converted; floats as `encode_float` does; anything
    else becomes its `str`. The result shares nothing with the input.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return encode_float(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # NumPy's, which need not be imported to be known
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Path)):
        return [plain(item) for item in value]
    return str(value)


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a nested configuration under dotted names.

    ``{"loss": {"sigma": 5.0, "terms": [{"weight": 1}]}}`` gives ``loss.sigma`` and ``loss.terms.0.weight``.
    An empty mapping or list stays as a leaf, because "no terms" is also a choice.
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
