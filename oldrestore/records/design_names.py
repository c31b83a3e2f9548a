"""Names of runs and designs: those that a person chose (``design=TEXT``), else made from the settings that differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from oldrestore.config.location import unquoted
from oldrestore.config.roles import LONGEST_DESIGN, Role, role_of
from oldrestore.plain import within
from oldrestore.tables import setting

T = TypeVar("T")
LEAST = 8  # characters of a value that is cut
# Settings that tell no design from another: some by their role, who judges, and words that are no settings.
NO_PART = Role.FREE | Role.NAME | Role.SEED | Role.PLACE | Role.SHOWN
NO_DESIGN = re.compile(r"(sweeps|resume|hydra|judge|evaluation\.evaluators)($|\.)")


def named(settings: Mapping[str, Any], longest: int | None = None) -> str:
    """Return settings, by dotted name, as a name: ``loss=focal, width=0.5``.

    Choices come first. A setting is called by the last part of its name, or by as many parts as tell it from the
    others. One that has no value is left out, unless none has one. Of a name longer than `longest`, the longest values
    are cut, as far as they remain readable.
    """
    kept = {name: value for name, value in choices_first(settings).items() if value is not None} or settings
    parts = [(_short(name, kept), _text(name, value)) for name, value in kept.items()]
    text = ", ".join(map("=".join, parts))
    while longest is not None and len(text) > longest:
        at = max(range(len(parts)), key=lambda index: len(parts[index][1]))
        name, value = parts[at]
        if len(value) <= LEAST:
            break
        parts[at] = name, shortened(value, len(value) - 1)
        text = ", ".join(map("=".join, parts))
    return text


def name_of_run(config: Mapping[str, Any], choices: Mapping[str, Any], overrides: Iterable[str]) -> str:
    """Return the name of a run by itself: its ``design``, else what was typed for it, else its loss.

    That is the recorded experiment that it began with, and the settings: ``quickstart, loss=focal, width=0.5``.
    """
    if config.get("design"):
        return shortened(str(config["design"]))
    typed: dict[str, Any] = {}
    for text in overrides:
        name, _, value = text.lstrip("+").partition("=")
        name = name.rpartition("@")[2]
        if not name.startswith("~") and not NO_DESIGN.match(name) and not role_of(name) & NO_PART:
            resolved = within(config, name)
            typed[name] = unquoted(value) if resolved is None or isinstance(resolved, (dict, list)) else resolved
    began = typed.pop("experiments", None)
    loss = choices.get("loss") or str(within(config, "loss._target_") or "").rpartition(".")[2]
    if not began and not typed and loss:
        typed = {"loss": loss}
    return _joined(began, typed)


def name_of_job(chosen: str | None, settings: Mapping[str, str]) -> str | None:
    """Return the name of a sweep's job by what the sweep varies, after the name that all its jobs were given."""
    varied = {name: unquoted(value) for name, value in settings.items() if Role.NAME not in role_of(name)}
    return _joined(chosen, varied) or None


def names_among(columns: Mapping[str, Sequence[Any]], chosen: Sequence[str | None]) -> list[str]:
    """Name each of several designs, no two alike and none longer than `LONGEST_DESIGN`.

    `columns` has the settings that differ and the value of each design, `chosen` the names that were chosen. Without
    one, a design is called by as many of the settings as fit. Designs of the same chosen name have what differs between
    them in brackets. What is alike even then is numbered.
    """
    made = _names_that_fit(columns, range(len(chosen)))
    names = []
    for index, name in enumerate(chosen):
        alike = [other for other, its in enumerate(chosen) if its == name]
        if not name or len(alike) == 1:
            names.append(shortened(name or made[index]))
            continue
        between = {key: values for key, values in columns.items() if not all_equal([values[one] for one in alike])}
        apart = _names_that_fit(between, alike, LONGEST_DESIGN - len(name) - 3)[alike.index(index)]
        names.append(shortened(f"{name} ({apart})") if apart else name)
    for index, name in enumerate(names):
        if name in names[:index] or not name:
            numbers = (f" ({number})" for number in range(2 if name else index + 1, len(names) + 2))
            free = (shortened(name or "design", LONGEST_DESIGN - len(end)) + end for end in numbers)
            names[index] = next(one for one in free if one not in names)
    return names


def _names_that_fit(
    columns: Mapping[str, Sequence[Any]], designs: Sequence[int], longest: int = LONGEST_DESIGN
) -> list[str]:
    """Name designs by all columns, or by the first few that tell them apart, if only these names fit; or cut values."""
    for count in range(len(columns), 0, -1):
        first = dict(list(columns.items())[:count])
        names = [named({name: values[index] for name, values in first.items()}) for index in designs]
        if len(set(names)) == len(names) and max(map(len, names), default=0) <= longest:
            return names
    return [named({name: values[index] for name, values in columns.items()}, longest) for index in designs]


def choices_first(settings: Mapping[str, T]) -> dict[str, T]:
    """Return what has names without a dot before settings of a component."""
    return dict(sorted(settings.items(), key=lambda one: "." in one[0]))


def shortened(name: str, longest: int = LONGEST_DESIGN) -> str:
    """Cut a name that is too long to stand beside a line of a chart; it may come from a file that anyone wrote."""
    name = " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip(' ,=')}…"


def file_names(names: Sequence[str]) -> list[str]:
    """Return names as parts of file names, no two alike: ``loss=focal, width=0.5`` is ``loss-focal-width-0.5``."""
    parts = [re.sub(r"[^\w.]+", "-", name).strip("-.") or "design" for name in names]
    for index, part in enumerate(parts):
        # (Some file systems do not tell capitals from small letters.)
        taken = {other.lower() for other in parts[:index]}
        numbered = (f"{part}-{number}" for number in range(2, len(parts) + 2))
        parts[index] = next(one for one in (part, *numbered) if one.lower() not in taken)
    return parts


def all_equal(values: Sequence[Any]) -> bool:
    """Whether values are the same; to Python, true is 1."""
    return all(value == values[0] and isinstance(value, bool) == isinstance(values[0], bool) for value in values)


def _joined(before: str | None, settings: Mapping[str, Any]) -> str:
    room = LONGEST_DESIGN - (len(before) + 2 if before else 0)
    return shortened(", ".join(filter(None, (before, named(settings, room)))))


def _short(name: str, names: Iterable[str]) -> str:
    parts, others = name.split("."), [f".{other}" for other in names if other != name]
    for start in range(len(parts) - 1, -1, -1):
        end = ".".join(parts[start:])
        if not parts[start].isdigit() and not any(other.endswith(f".{end}") for other in others):
            return end.strip("_")
    return name


def _text(name: str, value: Any) -> str:
    if value is None:
        return "null"
    is_file = Role.FILE in role_of(name) and isinstance(value, str)
    return " ".join(Path(value).name.split()) if is_file else " ".join(setting(value).split())
