"""Fills a photograph hole by hole, so that neither many holes nor large ones need much memory.

A hole is filled in its own box. One with more unknown pixels than a method can solve at once is first filled at
half the size (and so on), which gives its inside; a rim along its border is then solved at full size, tile by tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from oldrestore.restoration.fill.holes import Hole, depths, fill_each
from oldrestore.restoration.tiling import tiles

# float32 (h, w, C), 0..255, and bool (h, w) with some pixels known -> float32 (h, w, C), of which only holes are used.
Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]

RIM = 8  # pixels along the border of a large hole that are solved at full size
TILE, OVERLAP = 192, 32  # of what is solved tile by tile, pixels; nothing thicker than the rim is
MORE = 2  # pixels of the half size beyond a tile, for interpolation


def fill_in_pieces(rgb_hw3: np.ndarray, mask_hw: np.ndarray, solve: Solve, margin: int, largest: int) -> np.ndarray:
    """Fill each hole by `solve`, which reads `margin` pixels around its box and takes up to `largest` unknown ones."""

    def fill(filled: np.ndarray, hole: Hole, labels: np.ndarray) -> None:
        # If a hole starts at a fraction of its size, its margin shrinks as well.
        halvings = max(0, math.ceil(math.log(hole.area / largest, 4)))
        box = hole.box((margin + 2) * 2**halvings)
        # Gray photographs, three equal channels, are solved once.
        gray = bool((rgb_hw3[box][..., :1] == rgb_hw3[box]).all())
        known = np.where(mask_hw[box][..., None], np.uint8(0), rgb_hw3[box][..., : 1 if gray else 3])
        inside = labels[box] == hole.label
        # Other holes are too far off to count, except at a fraction of the size.
        _fill(filled[box], known, mask_hw[box] if halvings else inside, inside, solve, largest)

    return fill_each(rgb_hw3, mask_hw, fill)


def _fill(
    out: np.ndarray, picture: np.ndarray, unknown: np.ndarray, wanted: np.ndarray, solve: Solve, largest: int
) -> None:
    """Write the wanted ones of the unknown pixels of `picture` to `out`, which may be the same array."""
    if np.count_nonzero(unknown) <= largest or min(unknown.shape) < 4:
        _put(out, solve(picture.astype(np.float32), unknown), wanted)
        return
    depth = depths(unknown)
    rim = unknown & (depth <= RIM)
    del depth
    coarse = None
    if not np.array_equal(rim, unknown):
        coarse, coarse_unknown = _halved(picture, unknown)
        _fill(coarse, coarse, coarse_unknown, coarse_unknown, solve, largest)
    for tile in tiles(*unknown.shape, TILE, OVERLAP):
        if not wanted[tile.kept].any():
            continue
        piece = picture[tile.seen].astype(np.float32)
        inside = unknown[tile.seen] & ~rim[tile.seen]
        if inside.any():
            piece[inside] = _enlarged(coarse, tile.seen, inside.shape)[inside]
        if rim[tile.kept].any():
            piece = solve(piece, rim[tile.seen])
        _put(out[tile.kept], piece[tile.within], wanted[tile.kept])


def _put(out: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> None:
    new = values[wanted]  # (n, 1) of a gray photograph stands for its three channels
    out[wanted] = np.round(np.clip(new, 0, 255)) if out.dtype == np.uint8 else new


def _halved(picture: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the known ones of each 2 x 2 pixels, float32, and where fewer than half are known.

    If one known pixel were enough, its value would move, and each scale would lose a little of a slope; if all four
    were needed, a scratch beside a hole would grow into it.
    """
    height, width = (-(-side // 2) for side in hole.shape)
    total = np.zeros((height, width, picture.shape[2]), np.float32)
    count, most = np.zeros((2, height, width), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            # An odd side ends in pixels without a partner.
            known = ~hole[down::2, right::2]
            there = slice(0, known.shape[0]), slice(0, known.shape[1])
            count[there] += known
            most[there] += 1
            total[there] += picture[down::2, right::2] * known[..., None].astype(np.float32)
    total /= np.maximum(count, 1)[..., None]
    unknown = 2 * count < most
    return total, count == 0 if unknown.all() else unknown


def _enlarged(coarse: np.ndarray, seen: tuple[slice, slice], shape: tuple[int, ...]) -> np.ndarray:
    """Part of the picture of half the size, from where `seen` starts and as large as `shape`, at full size."""
    starts = [max(0, cut.start // 2 - MORE) for cut in seen]
    ends = [-(-(cut.start + side) // 2) + MORE for cut, side in zip(seen, shape, strict=True)]
    part = np.ascontiguousarray(coarse[starts[0] : ends[0], starts[1] : ends[1]])
    larger = cv2.resize(part, (2 * part.shape[1], 2 * part.shape[0]), interpolation=cv2.INTER_LINEAR)
    larger = larger.reshape(*larger.shape[:2], -1)  # OpenCV drops a single channel
    first = [cut.start - 2 * start for cut, start in zip(seen, starts, strict=True)]
    return larger[first[0] : first[0] + shape[0], first[1] : first[1] + shape[1]]
