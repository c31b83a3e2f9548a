"""How a run ended, and the last lines that it prints: where its pictures are and what to type next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.plugins import as_option
from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.tables import explained_once


@dataclass
class Outcome:
    """How a run ended, with the last table of the judge and of each of the protocol's own evaluators."""

    state: str  # ``finished``, ``failed`` or ``killed``
    folder: Path
    reason: str | None = None  # why it did not finish, in one sentence
    diverged: bool = False  # its loss or weights became NaN or infinite, as they would again if it were resumed
    table: AccuracyTable | None = None
    summary: dict[str, float] = field(default_factory=dict)  # the last value of each measure
    further_tables: dict[str, Any] = field(default_factory=dict)
    baselines: list[Any] = field(default_factory=list)  # tables of the run beside them

    def tables(self) -> list[Any]:
        """Return the tables to print at the end."""
        accuracy = [] if self.table is None else [self.table.render()]
        return explained_once([*accuracy, *self.further_tables.values(), *self.baselines])

    def ending(self) -> str | None:
        """Return how the run ended as a line; None if it finished."""
        if self.state == "finished":
            return None
        return f"the run was {self.reason}" if self.state == "killed" else f"the run failed: {self.reason}"


def folder_as_typed(config: DictConfig) -> Path:
    """Return the run folder as the user named it: a relative path stays short, and can be typed from here."""
    return Path(config.outputs) / config.experiment / config.run_id


def closing_lines(outcome: Outcome, config: DictConfig, unsent: bool = False) -> list[str]:
    """Return where the pictures are, what to type next (also if a tracker lacks something), and last the folder."""
    folder = folder_as_typed(config)
    typed, outputs = shlex.quote(str(folder)), f"outputs={shlex.quote(str(config.outputs))}"
    plugins = as_option(OmegaConf.to_container(config))
    elsewhere = "" if str(config.outputs) == "outputs" else f" {outputs}"
    lines = [f"panels    {folder / 'samples'}"] if (folder / "samples").is_dir() else []
    lines += [f"curves    {folder / 'curves.png'}"] if (folder / "curves.png").is_file() else []
    lines += [f"range     {folder / 'range_test.png'}"] if (folder / "range_test.png").is_file() else []
    lines.append(f"next      oldrestore runs{elsewhere}")
    if outcome.state != "finished" and not outcome.diverged:
        lines.append(f"          oldrestore train resume={typed}{plugins}")
    if unsent:
        lines.append(f"          oldrestore sync {typed}")
    if (folder / "checkpoints" / "best.safetensors").is_file():
        lines.append(f"          oldrestore evaluate {typed}{plugins}")
    return [*lines, f"          oldrestore ui {outputs}", str(folder)]
