"""How NAME=VALUE is read, wherever it is typed: by Hydra's grammar, and as plain text if that cannot read it.

1. What Hydra's grammar reads keeps its meaning: numbers, ``null``, ``[1,2]``, ``{a:1}``, ``'quoted'``, ``${seed}``.
2. What it cannot read is text, as typed: ``dataset.root=/photos/[1930] #1``, ``experiment=O'Brien``.
3. A setting that takes any text (`TEXTS`) gets text, whatever Hydra reads: ``run_id=2023``, ``dataset.root=/a, b``.
   Only ``null`` stays null. In a path (`PATHS`) a leading ``~`` is the home folder.
4. Where several values may be given (``--multirun``, ``oldrestore sweep``, the file of a sweep), a comma outside of
   quotes separates them, and each is read by 1 to 3. Elsewhere, several values are refused.

The result is an override that Hydra reads, and reading it again changes nothing: it is what a run logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from oldrestore.config.location import at_home, unquoted
from oldrestore.errors import UserError

# By the last part of their names. A test compares them with the annotations of everything that conf/ names.
PATHS = frozenset(
    {"outputs", "root", "stamps_root", "list", "path", "weights", "backbone_weights", "linear_weights", "prior_file"}
)
TEXTS = PATHS | {"experiment", "design", "run_id", "name", "monitor", "tracking_uri"}
LONGEST_SHOWN = 200
TOO_DEEP = "an override holds lists or tables within each other too deeply to be read"


def parse_overrides(typed: Sequence[str], several: bool = False) -> list[Override]:
    """Read overrides by the rules of this module, with `several` values for several jobs; Hydra reads their
    ``input_line``.
    """
    try:
        return [_read(text, several) for text in typed]
    except RecursionError:
        raise UserError(TOO_DEEP) from None


def readable(typed: Sequence[str], several: bool = False) -> list[str]:
    """Return overrides as Hydra reads them; see `parse_overrides`."""
    return [override.input_line for override in parse_overrides(typed, several)]


def values_of(name: str, typed: Sequence[str]) -> list[str]:
    """Return every value that overrides give a name, as text without quotes."""
    return [
        override.value() if isinstance(override.value(), str) else override.input_line.partition("=")[2]
        for override in parse_overrides(typed, several=True)
        if override.key_or_group == name
    ]


def _read(text: str, several: bool) -> Override:
    key, equals, value = text.partition("=")
    whole = _by_hydra(text)
    bare = _by_hydra(f"{key}=") if equals else whole
    if bare is None or not bare.key_or_group:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:40]}..."
        raise UserError(f"the override '{shown}' cannot be read: write NAME=VALUE")
    if not equals:
        return bare
    name = bare.key_or_group
    is_sweep = whole is not None and whole.is_sweep_override()
    if is_sweep and not several and _kind(name) not in TEXTS:
        raise UserError(
            f"'{text}' gives several values where one is taken: a list is written [a,b], and --multirun takes several"
        )
    if several and is_sweep and whole.value_type != ValueType.SIMPLE_CHOICE_SWEEP:
        return whole
    values = _separated(value) if several and (whole is None or is_sweep) else [value]
    read = _by_hydra(f"{key}={','.join(_as_read(one, name) for one in values)}")
    assert read is not None
    return read


@lru_cache(maxsize=4096)  # Hydra's parser is slow, and the jobs of a sweep say nearly the same
def _by_hydra(text: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        return None


def _element(value: str) -> Override | None:
    """Read a single value by Hydra's grammar; None if it is not one."""
    element = _by_hydra(f"x={value}")
    return None if element is None or element.value_type != ValueType.ELEMENT else element


def _separated(values: str) -> list[str]:
    """Split at the commas that are not within a value of Hydra's grammar: within quotes, lists and tables."""
    parts = values.split(",")
    separated = []
    while parts:
        ends = (end for end in range(1, len(parts) + 1) if _element(",".join(parts[:end])) is not None)
        end = next(ends, 1)
        separated.append(",".join(parts[:end]).strip() or "''")
        parts = parts[end:]
    return separated


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _as_read(value: str, name: str) -> str:
    """Write one value of a setting so that Hydra reads it as meant."""
    element, kind = _element(value), _kind(name)
    if kind in PATHS and element is not None and element.value() == "":
        raise UserError(f"{name} is empty: name a file or folder")  # as an unset variable of a shell is
    if element is None:
        text = unquoted(value.strip())
    elif kind not in TEXTS or element.value() is None:
        return value
    elif not isinstance(element.value(), str):
        text = value.strip()
    elif kind in PATHS and at_home(element.value()) != element.value():
        text = element.value()
    else:
        return value
    return QuotedString(at_home(text) if kind in PATHS else text, Quote.single).with_quotes()
