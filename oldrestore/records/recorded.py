"""What a run logged, read back from the files of its folder: scalars, tables, pictures."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oldrestore.errors import UserError
from oldrestore.plain import decode_float
from oldrestore.records.parsing import read_lines

if TYPE_CHECKING:
    import numpy as np

# What reads the cells of columns that do not hold plain floats.
ACCURACY_KINDS = {"trained_iterations": int, "iteration": int, "n": int}
PER_IMAGE_KINDS = {"trained_iterations": int, "value": float, "weight": float}
BASELINE_KINDS = {name: lambda text: float(text) if text else None for name in ("value", "weight", "a", "b")}


@dataclass(frozen=True)
class Scalars:
    """What was logged at once, and at which second of the run (earlier attempts of a resumed run included)."""

    iteration: int
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True)
class Curve:
    """One scalar over a run, in float64 bit for bit as logged.

    Iterations increase: those that a resumed run trains again are taken out of the file first.
    """

    iterations: np.ndarray
    values: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.values)


@dataclass(frozen=True)
class Panel:
    """One picture of ``samples/``, uint8 sRGB (H, W, 3)."""

    name: str
    iteration: int
    rgb: np.ndarray
    caption: str


def parse_scalars(line: str) -> Scalars:
    """Return a line of ``metrics.jsonl``; raises one of several errors if it is damaged."""
    record = json.loads(line)
    values = {name: decode_float(value) for name, value in record["values"].items()}
    return Scalars(operator.index(record["iteration"]), float(record["time"]), values)


def read_scalars(path: Path) -> Iterator[Scalars]:
    """Yield the lines of ``metrics.jsonl``; `UserError` names one that is damaged."""
    for number, line in enumerate(read_lines(path), start=1):
        try:
            yield parse_scalars(line)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UserError(f"{path} line {number} is damaged: {error}") from None


def last_value(path: Path, name: str) -> float | None:
    """Return the value in the last line of ``metrics.jsonl`` that has a name, the only line that is parsed."""
    try:
        content = path.read_bytes()
        at = content.rfind(b'"' + name.encode() + b'":')
        line = content[content.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0]
        return decode_float(json.loads(line)["values"][name]) if at >= 0 else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def curves_of(lines: Iterable[Scalars]) -> dict[str, Curve]:
    """Return every scalar by name, in the order in which the names first appear."""
    import numpy as np  # not needed to list runs, which is faster without

    points: dict[str, list[tuple[int, float, float]]] = {}
    for line in lines:
        for name, value in line.values.items():
            points.setdefault(name, []).append((line.iteration, value, line.seconds))
    return {
        name: Curve(
            np.array([p[0] for p in curve], np.int64),
            np.array([p[1] for p in curve], np.float64),
            np.array([p[2] for p in curve], np.float64),
        )
        for name, curve in points.items()
    }


def read_panel(path: Path) -> Panel:
    """Read a picture ``NAME-ITERATION.png``."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as picture:
        caption = str(picture.info.get("Description", ""))
        rgb = np.asarray(picture.convert("RGB"))
    return Panel(path.stem.rpartition("-")[0], panel_iteration(path.name), rgb, caption)


def panel_iteration(name: str) -> int:
    """Return the iteration of a picture ``NAME-ITERATION.png``; -1 if its name holds none."""
    digits = Path(name).stem.rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1
