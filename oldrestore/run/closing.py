"""What a run says last: how it ended, where its pictures are, and what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path

from omegaconf import DictConfig

from oldrestore.run.outcome import Outcome


def folder_as_typed(config: DictConfig) -> Path:
    """Return the run folder as the user named it: a relative path stays short, and can be typed from here."""
    return Path(config.outputs) / config.experiment / config.run_id


def ending(outcome: Outcome) -> str | None:
    """Say how a run ended that did not finish; None for one that did."""
    if outcome.state == "finished":
        return None
    return f"the run was {outcome.reason}" if outcome.state == "killed" else f"the run failed: {outcome.reason}"


def closing_lines(outcome: Outcome, config: DictConfig, unsent: bool = False) -> list[str]:
    """Return where the pictures are and what to type next; the folder comes last.

    Parameters
    ----------
    outcome : Outcome
    config : DictConfig
        The run's.
    unsent : bool
        Whether a tracker lacks some of the run, which is known only once all of them have been told.
    """
    folder = folder_as_typed(config)
    typed, outputs = shlex.quote(str(folder)), f"outputs={shlex.quote(str(config.outputs))}"
    elsewhere = "" if str(config.outputs) == "outputs" else f" {outputs}"
    lines = [f"panels    {folder / 'samples'}"] if (folder / "samples").is_dir() else []
    lines += [f"curves    {folder / 'curves.png'}"] if (folder / "curves.png").is_file() else []
    lines.append(f"next      oldrestore runs{elsewhere}")
    if outcome.state != "finished":
        lines.append(f"          oldrestore train resume={typed}")
    if unsent:
        lines.append(f"          oldrestore sync {typed}")
    if (folder / "checkpoints" / "best.safetensors").is_file():
        lines.append(f"          oldrestore evaluate {typed}")
    return [*lines, f"          oldrestore ui {outputs}", str(folder)]
