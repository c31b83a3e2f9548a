"""Named values of one run, read from its folder only when they are asked for."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError
from oldrestore.evaluation.protocol import label_of
from oldrestore.plain import decode_float
from oldrestore.records.config_lookup import look_up
from oldrestore.records.reader import read_accuracy, state_in_words

ACCURACIES = ("iter_accuracy", "orig_accuracy", "gray_accuracy", "n")


class RunValues:
    """What can be asked of a run by name.

    ``state``, ``run_id``, ``experiment``, ``started``; ``protocol`` (``photos 1, changed: size``, its name, or its
    hash); settings by their dotted names (``optimizer.learning_rate``);
    measures (``val/auc``: what the run ended with, or its last so far); `ACCURACIES`; and ``GROUP.name`` or ``GROUP``:
    what was chosen of a group.

    Parameters
    ----------
    folder : Path
        The run folder. What is missing or damaged in it has no value.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, list[Any]] = {}

    def get(self, name: str) -> Any:
        """Return a value; None where there is none."""
        values = self.all_of(name)
        return values[0] if values else None

    def all_of(self, name: str) -> list[Any]:
        """Return every value that a name stands for, the one to show first."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> list[Any]:
        if name == "state":
            return [self.status["state"], state_in_words(self.status)] if "state" in self.status else ["unreadable"]
        if name == "run_id":
            return [self.folder.name]
        if name == "experiment":
            return [self.folder.parent.name]
        if name == "started":
            return [self.status.get("started")]
        if name in ACCURACIES:
            return [self._accuracy.get(name)]
        if name == "protocol":
            return self._protocol()
        if "/" in name:
            return [self._measure(name)]
        own = look_up(self._config, name)
        group = name.removesuffix(".name")
        if own is None or isinstance(own, dict):
            chosen = self._chosen(group)
            if chosen:
                return chosen
        return [own]

    @cached_property
    def status(self) -> dict[str, Any]:
        """``status.json``; empty where it cannot be read."""
        try:
            found = json.loads((self.folder / "status.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) and isinstance(found.get("state"), str) else {}

    @cached_property
    def _config(self) -> str:
        return _text(self.folder / "config.yaml")

    @cached_property
    def _overrides(self) -> str:
        return _text(self.folder / "overrides.yaml")

    @cached_property
    def _accuracy(self) -> dict[str, Any]:
        try:
            rows = read_accuracy(self.folder)
        except (UserError, ValueError, OSError):
            rows = []
        return rows[-1] if rows else {}

    def _protocol(self) -> list[str]:
        """What the run was measured under: in words, by name alone, by hash; of earlier runs, the name."""
        try:
            stored = json.loads((self.folder / "data.json").read_bytes())["protocol"]
            words = label_of(str(stored["name"]), stored.get("version"), stored.get("changed") or ())
            return [words, str(stored["name"]), str(stored["hash"])]
        except (OSError, ValueError, KeyError, TypeError):
            name = look_up(self._config, "evaluation.name")
            return [str(name)] if name else []

    def _chosen(self, group: str) -> list[str]:
        """Name of what was chosen of a group, the class it is, and that class's name as a file would be called."""
        found = []
        choice = look_up(_text(self.folder / "choices.yaml"), group) or self._typed(group)
        if isinstance(choice, str):
            found.append(choice)
        target = look_up(self._config, f"{group}._target_")
        if isinstance(target, str):
            own = target.rpartition(".")[2]
            found += [own, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", own).lower()]
        return found

    def _typed(self, group: str) -> str | None:
        """What was typed of a group: folders of earlier versions do not say what was chosen."""
        typed = re.findall(rf"^- [\"']?{re.escape(group)}=([\w.-]+)[\"']?$", self._overrides, re.MULTILINE)
        return typed[-1] if typed else None

    def _measure(self, name: str) -> float | None:
        summary = self.status.get("summary") or {}
        try:
            if name in summary:
                return decode_float(summary[name])
            return self._last_recorded(name)
        except (ValueError, KeyError, TypeError):
            return None

    def _last_recorded(self, name: str) -> float | None:
        """Value of the last line of ``metrics.jsonl`` that has a name; other lines are not even parsed."""
        try:
            content = (self.folder / "metrics.jsonl").read_bytes()
        except OSError:
            return None
        at = content.rfind(b'"' + name.encode() + b'":')
        if at < 0:
            return None
        line = content[content.rfind(b"\n", 0, at) + 1 : content.find(b"\n", at) if b"\n" in content[at:] else None]
        return decode_float(json.loads(line)["values"][name])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
