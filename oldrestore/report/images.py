"""Pictures as small data URIs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.report.pictures import Photograph

# Side in pixels and quality of WebP, tried in turn until the budget holds.
LEVELS = ((256, 84), (256, 72), (224, 70), (192, 68), (160, 64), (128, 58))
SAMPLE = 4  # photographs that a level is estimated by
PANEL_WIDTH = 1100  # pixels


def encode(photographs: Sequence[Photograph], budget: int) -> list[dict[str, str]]:
    """Encode photographs as ``data:`` URIs.

    Parameters
    ----------
    budget : int
        Bytes of all URIs together. If even the smallest pictures are too many, the last photographs are left out.

    Returns
    -------
    list of dict
        For each photograph that fits, URIs by ``input``, ``original`` and run id.
    """
    if not photographs:
        return []
    sample = photographs[:: max(1, len(photographs) // SAMPLE)][:SAMPLE]
    for side, quality in LEVELS:
        size = sum(len(uri) for photo in sample for uri in _uris(photo, side, quality).values())
        if size * len(photographs) / len(sample) <= 0.9 * budget:
            break
    found: list[dict[str, str]] = []
    left = budget
    for photo in photographs:
        uris = _uris(photo, side, quality)
        left -= sum(map(len, uris.values()))
        if left < 0 and found:
            break
        found.append(uris)
    return found


def encode_panel(path: Path) -> tuple[str, int, int] | None:
    """A panel as a ``data:`` URI with its width and height; None if it cannot be read."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError):
        return None
    if picture.width > PANEL_WIDTH:
        height = max(1, round(picture.height * PANEL_WIDTH / picture.width))
        picture = picture.resize((PANEL_WIDTH, height), Image.Resampling.LANCZOS)
    return _uri(picture, 75), picture.width, picture.height


def _uris(photo: Photograph, side: int, quality: int) -> dict[str, str]:
    held = {"input": photo.gray, **photo.outputs, "original": photo.original}
    return {name: _uri(_at_most(rgb, side), quality) for name, rgb in held.items()}


def _at_most(rgb: np.ndarray, side: int) -> Image.Image:
    picture = Image.fromarray(rgb)
    longest = max(picture.size)
    if longest <= side:
        return picture
    size = tuple(max(1, round(length * side / longest)) for length in picture.size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _uri(picture: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="webp", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
