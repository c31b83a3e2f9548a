"""What a run folder holds, in the form in which it was handed to the trackers: for those that missed it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.plain import decode_float
from oldrestore.records.superseded import Continued, panel_iteration


@dataclass(frozen=True)
class Scalars:
    """One call of `Tracker.scalars`, and the second of the run at which it came."""

    iteration: int
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True)
class Panel:
    """One call of `Tracker.panel`."""

    name: str
    iteration: int
    rgb: np.ndarray
    caption: str


def scalars(folder: Path, until: Continued) -> Iterator[Scalars]:
    """Every recorded line of scalars, in order."""
    for line in _lines(folder / "metrics.jsonl", until):
        record = json.loads(line)
        values = {name: decode_float(value) for name, value in record["values"].items()}
        yield Scalars(record["iteration"], record["time"], values)


def accuracy(folder: Path, until: Continued) -> list[dict[str, Any]]:
    """Every recorded row of the accuracy table, ``trained_iterations`` included; empty cells are None."""
    text = "\n".join(_lines(folder / "accuracy.csv", until))
    whole = {"trained_iterations", "iteration", "n"}
    return [
        {name: None if not cell else int(cell) if name in whole else float(cell) for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(text))
    ]


def panel(folder: Path, file_name: str) -> Panel:
    """Read one picture of ``samples/`` back."""
    from PIL import Image

    with Image.open(folder / "samples" / file_name) as picture:
        caption = str(picture.info.get("Description", ""))
        rgb = np.asarray(picture.convert("RGB"))
    return Panel(Path(file_name).stem.rpartition("-")[0], panel_iteration(file_name), rgb, caption)


def _lines(path: Path, until: Continued) -> list[str]:
    """Whole lines within the length that the file had; what is written meanwhile is not among them."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        content = file.read(until.lengths.get(path.name, 0))
    return content[: content.rfind(b"\n") + 1].decode().split("\n")[:-1]
