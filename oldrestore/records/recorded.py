"""What a run logged, in the form in which trackers take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oldrestore.records.superseded import panel_iteration


@dataclass(frozen=True)
class Scalars:
    """One line of ``metrics.jsonl``, and the second of the run at which it was written."""

    iteration: int
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True)
class Panel:
    """One picture of ``samples/``, uint8 (H, W, 3) sRGB."""

    name: str
    iteration: int
    rgb: np.ndarray
    caption: str


def read_panel(path: Path) -> Panel:
    """Read a picture ``NAME-ITERATION.png``."""
    from PIL import Image

    with Image.open(path) as picture:
        caption = str(picture.info.get("Description", ""))
        rgb = np.asarray(picture.convert("RGB"))
    return Panel(path.stem.rpartition("-")[0], panel_iteration(path.name), rgb, caption)
