"""Cuts a large photograph into overlapping tiles, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A part of a photograph, as rows and columns."""

    seen: tuple[slice, slice]  # the input: the tile and its overlap with its neighbours
    kept: tuple[slice, slice]  # the result that comes from it; kept parts meet without gap or overlap
    within: tuple[slice, slice]  # the kept part in the coordinates of what is seen


def tiles(height: int, width: int, side: int, overlap: int) -> Iterator[Tile]:
    """Cut a photograph into tiles of about the same size, row by row.

    The kept part of a tile has a side of at most `side` pixels; `overlap` more are seen on each side where the
    photograph continues.
    """
    for rows in _cuts(height, side):
        for columns in _cuts(width, side):
            kept = rows, columns
            seen = tuple(slice(max(0, cut.start - overlap), cut.stop + overlap) for cut in kept)
            within = tuple(slice(k.start - s.start, k.stop - s.start) for k, s in zip(kept, seen, strict=True))
            yield Tile(seen, kept, within)


def _cuts(length: int, side: int) -> Iterator[slice]:
    count = max(1, -(-length // side))
    for number in range(count):
        yield slice(number * length // count, (number + 1) * length // count)
