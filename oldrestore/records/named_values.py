"""Values of a run by the names that lists of runs, conditions and sorting use."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from oldrestore.config.aliases import with_current_targets
from oldrestore.config.plugins import OWN, roots_of
from oldrestore.errors import UserError
from oldrestore.evaluation.protocol import label_of
from oldrestore.plain import decode_float, within
from oldrestore.records.design_names import name_of_run
from oldrestore.records.liveness import state_in_words
from oldrestore.records.parsing import read_quick_copy
from oldrestore.records.recorded import last_value

ACCURACIES = ("iter_accuracy", "orig_accuracy", "gray_accuracy", "n")


class NamedValues:
    """The part of `oldrestore.records.run.Run` that finds values by name; what cannot be read has no value."""

    folder: Path
    run_id: str
    typed: Callable[[str], str | None]

    def __init__(self) -> None:
        self._values: dict[str, list[Any]] = {}

    def get(self, name: str) -> Any:
        """Return the first of `all_of`, or None."""
        values = self.all_of(name)
        return values[0] if values else None

    def all_of(self, name: str) -> list[Any]:
        """Return every value that a name stands for, the one to show first.

        ``state``, ``kind`` (as `kind_of` says), ``run_id``, ``experiment`` (the folder that the run is in), ``design``
        (as `name_of_run` says), ``started``, ``plugins`` (their names), ``tag`` (all tags in one text, then each);
        ``protocol`` (``photos 1, changed: size``, its name, or its hash); `ACCURACIES`; measures
        (``val/auc``: what the run ended with, or its last so far); settings by their dotted names
        (``optimizer.learning_rate``); and ``GROUP.name`` or ``GROUP``: the choice, its class, and that class's name as
        a file would be called.
        """
        if name not in self._values:
            self._values[name] = self._find(name)
        return self._values[name]

    def _find(self, name: str) -> list[Any]:
        status = self._readable("status")
        status = status if isinstance(status.get("state"), str) else {}
        if name == "state":
            return [status["state"], state_in_words(status)] if status else ["unreadable"]
        if name == "kind":
            return [*(self._readable("kind") or [None])]
        if name == "design":
            overrides = self._readable("overrides")
            return [name_of_run(self._quick["config"], self._quick["choices"], overrides)]
        if name == "tag":
            tags = list(getattr(self._readable("notes"), "tags", ()))
            return tags if len(tags) < 2 else [", ".join(tags), *tags]
        if name == "run_id":
            return [self.run_id]
        if name == "plugins":
            return [", ".join(sorted(set(roots_of(self._quick["config"])) - set(OWN))) or None]
        if name == "experiment":
            return [self.folder.parent.name]
        if name == "started":
            return [status.get("started")]
        if name in ACCURACIES:
            rows = self._readable("accuracy_rows")
            return [rows[-1].get(name) if rows else None]
        if name == "protocol":
            return self._protocol()
        if "/" in name:
            return [self._measure(name, status.get("summary") or {})]
        setting = within(self._quick["config"], name)
        chosen = self._chosen(name.removesuffix(".name")) if setting is None or isinstance(setting, dict) else []
        return chosen or [setting]

    @cached_property
    def _quick(self) -> dict[str, Any]:
        """Configuration and choices, as fast as they can be read."""
        copy = read_quick_copy(self.folder)
        if copy is None:
            return {"config": self._readable("config"), "choices": self._readable("choices")}
        return {**copy, "config": with_current_targets(copy["config"])}

    def _readable(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except UserError:
            return {}

    def _protocol(self) -> list[str]:
        try:
            stored = self._readable("data")["protocol"]
            words = label_of(str(stored["name"]), stored.get("version"), stored.get("changed") or ())
            return [words, str(stored["name"]), str(stored["hash"])]
        except (KeyError, TypeError):  # a run of an earlier version
            name = within(self._quick["config"], "evaluation.name")
            return [str(name)] if name else []

    def _chosen(self, group: str) -> list[str]:
        names = []
        choice = self._quick["choices"].get(group)
        if not isinstance(choice, str) and self._readable("overrides"):
            choice = self.typed(group)  # folders of earlier versions do not say what was chosen
        if isinstance(choice, str):
            names.append(choice)
        target = within(self._quick["config"], f"{group}._target_")
        if isinstance(target, str):
            class_name = target.rpartition(".")[2]
            names += [class_name, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()]
        return names

    def _measure(self, name: str, summary: dict[str, Any]) -> float | None:
        try:
            if name in summary:
                return decode_float(summary[name])
        except (ValueError, TypeError):
            return None
        return last_value(self.folder / "metrics.jsonl", name)
