"""Conditions on runs, as they are typed: ``loss.name=focal``, ``val/auc>0.8``, ``state!=failed``."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from oldrestore.errors import UserError
from oldrestore.records.run import Run

_WRITTEN = re.compile(r"(?P<name>[^=!<>]+?)\s*(?P<sign><=|>=|!=|==|=|<|>)\s*(?P<value>.*)")
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
WORDS = {"null": None, "none": None, "true": True, "false": False}


@dataclass(frozen=True)
class Condition:
    """One comparison of a named value (`oldrestore.records.run.Run.all_of`) with a constant.

    The sign is ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; in a word, ``*`` stands for anything.
    """

    name: str
    sign: str
    value: Any

    def holds(self, run: Run) -> bool:
        """Say whether it holds for a run; an order never holds for a value that is missing or of another kind."""
        if self.sign in ("=", "!="):
            equal = any(_equal(value, self.value) for value in run.all_of(self.name))
            return equal if self.sign == "=" else not equal
        value = run.get(self.name)
        # Words are ordered too, for times: they are written so that they sort as text.
        comparable = (_is_number(value) and _is_number(self.value)) or (
            isinstance(value, str) and isinstance(self.value, str)
        )
        return comparable and _COMPARED[self.sign](value, self.value)


def read_condition(text: str) -> Condition:
    """Read a condition as it is typed; `UserError` if it is none."""
    parts = _WRITTEN.fullmatch(text.strip())
    if not parts:
        raise UserError(f"--where '{text}' is not understood: write NAME=VALUE, or !=, <, <=, >, >= for the sign")
    return Condition(parts["name"].strip(), parts["sign"].replace("==", "="), read_value(parts["value"].strip()))


def read_value(text: str) -> Any:
    """Read a constant: a number, true, false, null, or the word itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text.strip("'\"")


def order_key(value: Any) -> tuple[int, float, str] | None:
    """Return a sort key: numbers by size before words by letters; None for a missing value and for NaN."""
    if _is_number(value):
        return None if math.isnan(value) else (0, float(value), "")
    return None if value is None else (1, 0.0, str(value))


def _equal(own: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return own is not None and fnmatchcase(str(own).lower(), wanted.lower())
    if isinstance(wanted, bool) or isinstance(own, bool) or wanted is None or own is None:
        return own is wanted
    if _is_number(wanted) and _is_number(own):
        return float(own) == float(wanted)
    return str(own) == str(wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
