"""Colour hints that a user writes for a photograph: reads, checks and draws them for the network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.errors import UserError, in_words

KEYS = ("x", "y", "radius", "color", "ab")
LARGEST_AB = 110.0
FARTHEST = 1e9  # pixels: beyond any photograph, and its square is still finite
LONGEST_SHOWN = 100
LARGEST_FILE = 64 * 2**20  # bytes: more than half a million points
HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
EXAMPLE = '{"x": 120, "y": 80, "radius": 6, "color": "#3060c0"}'


@dataclass(frozen=True)
class Hint:
    """A disc of known colour."""

    x: float  # of the centre, pixels of the upright photograph; (0, 0) is the upper left pixel
    y: float
    radius: float  # pixels; 0 is the single pixel
    ab: tuple[float, float]  # Lab units


def read_hints(path: Path) -> dict[str | None, tuple[Hint, ...]]:
    """Read a hint file; return hints by file name, the name of a bare list being None.

    It holds a list of points ``{"x", "y", "radius", "color": "#rrggbb" or "ab": [a, b]}`` for one photograph, or an
    object that maps the names of photograph files to such lists. Anything else is a `UserError`.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"the hints '{path}' are not a file")
        with path.open("rb") as file:  # not further, even if the file grows or misstates its size
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise UserError(f"the hints '{path}' have more than {LARGEST_FILE:,} bytes: no photograph has so many")
        content = json.loads(data.decode())
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"the hints '{path}' cannot be read: {in_words(error)}") from None
    except RecursionError:
        raise UserError(f"the hints '{path}' are lists nested too deeply, not a list of points") from None
    except ValueError as error:
        raise UserError(f"the hints '{path}' are not JSON: {error}") from None
    hints: dict[str | None, tuple[Hint, ...]] = {}
    for name, points in (content if isinstance(content, Mapping) else {None: content}).items():
        hints[name] = read_points(points, f"'{path}'" + (f", '{name}'" if name else ""))
    return hints


def read_points(points: Any, where: str) -> tuple[Hint, ...]:
    """Read a list of points, which stand in `where`; anything else is a `UserError`."""
    if not isinstance(points, list | tuple):
        raise UserError(f"the hints in {where} must be a list of points like {EXAMPLE}")
    return tuple(_hint(point, f"hint {number} of {where}") for number, point in enumerate(points, 1))


def _hint(point: Any, which: str) -> Hint:
    if not isinstance(point, Mapping):
        raise UserError(f"{which} must be like {EXAMPLE}, not {_shown(point)}")
    unknown = [key for key in point if key not in KEYS]
    if unknown:
        raise UserError(f"{which} has '{unknown[0]}', which is not known: a point has {', '.join(KEYS)}")
    for key in ("x", "y", "radius"):
        if not _is_number(point.get(key)) or abs(point[key]) > FARTHEST:
            raise UserError(f"{which} needs '{key}' as a number of pixels, not {_shown(point.get(key))}")
    x, y, radius = (float(point[key]) for key in ("x", "y", "radius"))
    if radius < 0:
        raise UserError(f"{which} has the radius {radius:g}: it must be 0 or more pixels")
    if ("color" in point) == ("ab" in point):
        raise UserError(f'{which} must have either "color": "#rrggbb" or "ab": [a, b]')
    if "color" in point:
        color = point["color"]
        if not isinstance(color, str) or not HEX_COLOR.fullmatch(color):
            raise UserError(f"{which} has the color {_shown(color)}: write #rrggbb, as #3060c0")
        ab = rgb_to_lab(np.frombuffer(bytes.fromhex(color[1:]), dtype=np.uint8))[1:]
    else:
        ab = point["ab"]
        numbers = isinstance(ab, list) and len(ab) == 2 and all(map(_is_number, ab))
        if not numbers or not all(abs(v) <= LARGEST_AB for v in ab):
            raise UserError(f"{which} has ab {_shown(ab)}: write two numbers within -110..110, as [20, -45]")
    return Hint(x, y, radius, (float(ab[0]), float(ab[1])))


def _is_number(value: Any) -> bool:
    # An int may be too large for a float, but comparing it is exact.
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def check_bounds(hints: Sequence[Hint], height: int, width: int, name: str) -> None:
    """Refuse hints whose centre is outside the photograph; the message names the first."""
    for number, hint in enumerate(hints, 1):
        if not (0 <= hint.x <= width - 1 and 0 <= hint.y <= height - 1):
            raise UserError(
                f"hint {number} is at ({hint.x:g}, {hint.y:g}), outside of '{name}', whose pixels are 0..{width - 1} "
                f"by 0..{height - 1}"
            )


def draw_hints(hints: Sequence[Hint], height: int, width: int, shape: tuple[int, int]) -> np.ndarray:
    """Draw hints of a photograph of `height` x `width` pixels at the network's size, `shape`.

    A pixel takes a hint's colour if its centre lies within the disc; the pixel at the disc's centre always does.
    Where hints overlap, the last one wins. Returns float32 (3, *shape): ab in Lab units where the third channel, the
    mask, is 1; 0 elsewhere.
    """
    rows, columns = shape
    drawn = np.zeros((3, rows, columns), dtype=np.float32)
    y = (np.arange(rows)[:, None] + 0.5) * (height / rows) - 0.5
    x = (np.arange(columns)[None, :] + 0.5) * (width / columns) - 0.5
    for hint in hints:
        inside = (x - hint.x) ** 2 + (y - hint.y) ** 2 <= hint.radius**2
        row, column = (hint.y + 0.5) * rows / height, (hint.x + 0.5) * columns / width
        inside[min(int(row), rows - 1), min(int(column), columns - 1)] = True
        drawn[:, inside] = np.array([[hint.ab[0]], [hint.ab[1]], [1.0]], dtype=np.float32)
    return drawn
