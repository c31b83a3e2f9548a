"""Works on a large photograph tile by tile, with overlap, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A part of a photograph.

    Attributes
    ----------
    seen : (slice, slice)
        Rows and columns that are worked on: the tile and its overlap with its neighbours.
    kept : (slice, slice)
        Rows and columns of the result that come from it; the tiles' kept parts meet without gap or overlap.
    within : (slice, slice)
        Where the kept part stands in what is seen.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    within: tuple[slice, slice]


def tiles(height: int, width: int, side: int, overlap: int) -> Iterator[Tile]:
    """Cut a photograph into tiles, row by row.

    Parameters
    ----------
    height, width : int
        Of the photograph, pixels.
    side : int
        Longest side of what is kept of a tile, pixels. All are about alike: none is a narrow rest.
    overlap : int
        Pixels that are seen beyond what is kept, on each side where the photograph goes on.
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
