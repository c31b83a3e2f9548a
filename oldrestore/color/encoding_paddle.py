"""Soft encoding: each colour to its nearest bins with Gaussian weights (Zhang, Isola, Efros 2016, 2.2).

Three things make it fast on a CPU. The cells of the ab plane are a quarter as wide as those of `bins.neighbour_table`,
so that few more bins than are asked for can be among the nearest. Candidates are sorted by a network of comparisons,
each of which is a minimum and a maximum over thousands of colours. And each sort key is one integer of squared distance
and bin, in this order: the bits of a float32 that is not negative rise with it, and of equal distances the lower bin
comes first.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import paddle

from oldrestore.color.bins import AB_LIMIT, BLOCK, CELL_SIZE, CELLS_PER_SIDE, candidates, neighbour_table

MOST_NEIGHBOURS = 16  # more are not worth a network: its number of comparisons grows faster than a sort's
PARTS = 4  # fine cells along the side of one of `bins.neighbour_table`
FINE_SIDE = PARTS * CELLS_PER_SIDE
FINE_SIZE = CELL_SIZE / PARTS
BIN_BITS = np.int64(511)
HIGH = 1 if sys.byteorder == "little" else 0  # which half of an int64 is the upper one in memory


class SoftEncoder:
    """Encode colours as a few of the 313 bins with weights that sum to 1.

    On a GPU, candidates come from ``bins.neighbour_table``; on a CPU `soft_encode_bkhw` is faster. Both find the same
    bins in the same order.

    Parameters
    ----------
    neighbours : int
        How many bins a colour is spread over, 1..313: 5 in the paper, 10 in its released code.
    sigma : float
        Standard deviation of the Gaussian over the distance to a bin's centre, Lab units, above 0.
    """

    def __init__(self, neighbours: int = 5, sigma: float = 5.0) -> None:
        self.neighbours = neighbours
        self.sigma = sigma
        self._table = neighbour_table(neighbours)
        self._tensors: dict[str, tuple[paddle.Tensor, ...]] = {}

    @paddle.no_grad()
    def __call__(self, ab_b2hw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Encode true colours (B, 2, h, w), Lab units, clipped to -130..130; no gradient flows.

        Returned are indices of bins, int64 (B, k, h, w), nearest first (of equal distances the lower index comes
        first), and weights exp(-d^2 / (2 sigma^2)), float32 (B, k, h, w), normalised over k.
        """
        if ab_b2hw.ndim != 4 or ab_b2hw.shape[1] != 2:
            raise ValueError(f"ab must have shape (B, 2, h, w), got {tuple(ab_b2hw.shape)}")
        if ab_b2hw.place.is_cpu_place() and self.neighbours <= MOST_NEIGHBOURS:
            encoded = soft_encode_bkhw(ab_b2hw.astype("float32").numpy(), self.neighbours, self.sigma)
            return tuple(paddle.to_tensor(x, place=ab_b2hw.place) for x in encoded)
        return self.encode_on_device(ab_b2hw)

    def encode_on_device(self, ab_b2hw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Encode with Paddle's operations, as on a GPU."""
        indices_nk, squared_nk = self._nearest(ab_b2hw)
        # Far from every bin all the exponentials would underflow; relative to the nearest, one of them is 1.
        weights_nk = paddle.exp((squared_nk[:, :1] - squared_nk) / doubled_variance(self.sigma))
        weights_nk = weights_nk / weights_nk.sum(axis=1, keepdim=True)
        batch, _, height, width = ab_b2hw.shape
        shape = [batch, height, width, self.neighbours]
        return tuple(x.reshape(shape).transpose([0, 3, 1, 2]) for x in (indices_nk, weights_nk))

    def _nearest(self, ab_b2hw: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Nearest bins of the N = B h w colours: int64 (N, k) and squared distances float32 (N, k)."""
        bins, centres_a, centres_b = self._on_device_of(ab_b2hw)
        clipped = paddle.clip(ab_b2hw.astype("float32"), -AB_LIMIT, AB_LIMIT)
        a, b = (x.flatten() for x in clipped.unbind(axis=1))
        cell = self._row_of_cells(a) * CELLS_PER_SIDE + self._row_of_cells(b)
        # a and b apart, each a whole gather: slices of one joint gather cost ten times as much on a CPU.
        to_a = paddle.gather(centres_a, cell) - a.unsqueeze(1)
        to_b = paddle.gather(centres_b, cell) - b.unsqueeze(1)
        squared = to_a * to_a + to_b * to_b
        if self.neighbours == 1:
            order = squared.argmin(axis=1, keepdim=True)
        else:
            # topk is no faster and promises no order among equals.
            order = paddle.argsort(squared, axis=1, stable=True)[:, : self.neighbours]
        return paddle.index_sample(paddle.gather(bins, cell), order), paddle.index_sample(squared, order)

    @staticmethod
    def _row_of_cells(coordinate: paddle.Tensor) -> paddle.Tensor:
        return paddle.clip(((coordinate + AB_LIMIT) / CELL_SIZE).astype("int32"), 0, CELLS_PER_SIDE - 1)

    def _on_device_of(self, tensor: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        device = str(tensor.place)
        if device not in self._tensors:
            table = self._table
            arrays = (table.bins, table.centres[:, 0].copy(), table.centres[:, 1].copy())
            self._tensors[device] = tuple(paddle.to_tensor(x, place=tensor.place) for x in arrays)
        return self._tensors[device]


@dataclass(frozen=True)
class FineTable:
    """For each fine cell, the m bins that can be among the nearest k of any point in it."""

    # float32 (cells, 3 m): a and b of the centre and bin (an int32, by its bits) of each, in the order of the bins.
    # Bin 511 is none and lies far away.
    rows: np.ndarray
    counts: np.ndarray  # int64 (cells,): how many of the m there are


@lru_cache(maxsize=8)
def fine_table(neighbours: int) -> FineTable:
    """Build (once) the table for ``neighbours`` nearest bins, 1..16, from that of the wide cells."""
    wide = neighbour_table(neighbours)
    index = np.arange(FINE_SIDE) // PARTS
    of = (index[:, None] * CELLS_PER_SIDE + index).ravel()  # the wide cell of each fine one
    centres = wide.centres[of].astype(np.float64)
    order, possible = candidates(FINE_SIDE, centres, neighbours)
    bins = np.where(possible, np.take_along_axis(wide.bins[of], order, axis=1), BIN_BITS)
    a, b = (np.where(possible, np.take_along_axis(centres[:, i], order, axis=1), 1e6) for i in (0, 1))
    rows = np.empty((*bins.shape, 3), np.float32)
    rows[..., 0], rows[..., 1], rows.view(np.int32)[..., 2] = a, b, bins
    table = FineTable(rows.reshape(len(bins), -1), possible.sum(axis=1))
    for array in (table.rows, table.counts):
        array.flags.writeable = False
    return table


def soft_encode_bkhw(ab_b2hw: np.ndarray, neighbours: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Encode colours, float32 (B, 2, h, w), as their 1..16 nearest bins with Gaussian weights that sum to 1.

    Returns indices, int64, and weights, float32, both (B, neighbours, h, w) and contiguous.
    """
    batch, _, height, width = ab_b2hw.shape
    ab_b2n = np.ascontiguousarray(ab_b2hw).reshape(batch, 2, -1)
    pixels = ab_b2n.shape[2]
    indices_bkn = np.empty((batch, neighbours, pixels), np.int64)
    weights_bkn = np.empty((batch, neighbours, pixels), np.float32)
    divisor = np.float32(doubled_variance(sigma))
    # A block is some whole photographs, or a part of one.
    photos = max(1, BLOCK // max(1, pixels))
    for first in range(0, batch if pixels else 0, photos):
        for start in range(0, pixels, BLOCK):
            block = (slice(first, first + photos), slice(None), slice(start, start + BLOCK))
            a, b = ab_b2n[block].transpose(1, 0, 2)
            weights = np.empty((neighbours, a.size), np.float32)
            for place, keys in enumerate(_sorted_keys(a.ravel(), b.ravel(), neighbours)):
                np.bitwise_and(keys.reshape(a.shape), BIN_BITS, out=indices_bkn[block][:, place])
                weights[place] = keys.view(np.float32)[HIGH::2]
            # Far from every bin all the exponentials would underflow; relative to the nearest, one of them is 1.
            np.subtract(weights[0].copy(), weights, out=weights)
            weights /= divisor
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=0)
            weights_bkn[block] = weights.reshape(neighbours, *a.shape).transpose(1, 0, 2)
    shape = (batch, neighbours, height, width)
    return indices_bkn.reshape(shape), weights_bkn.reshape(shape)


def doubled_variance(sigma: float) -> float:
    """Return 2 sigma^2, at least 1e-30 and at most 1e30: beyond, float32 would make NaN of what is 0 or 1 anyway."""
    return min(max(2.0 * sigma * sigma, 1e-30), 1e30)


def _sorted_keys(a: np.ndarray, b: np.ndarray, neighbours: int) -> list[np.ndarray]:
    """Keys of the nearest bins of a block of colours, nearest first; int64 (N) for each of the neighbours."""
    limit = np.float32(AB_LIMIT)
    keys = list(_keys(np.clip(a, -limit, limit), np.clip(b, -limit, limit), fine_table(neighbours)))
    spare = np.empty_like(keys[0])
    for one, other in sorting_network(len(keys), neighbours):
        np.minimum(keys[one], keys[other], out=spare)
        np.maximum(keys[one], keys[other], out=keys[other])
        # The minimum replaces the former value, whose memory is the next spare one.
        keys[one], spare = spare, keys[one]
    return keys[:neighbours]


def _keys(a: np.ndarray, b: np.ndarray, table: FineTable) -> np.ndarray:
    """Squared distance (upper half) and bin (lower half) of each candidate in one integer; int64 (m, N)."""
    cell = _fine_row(a) * FINE_SIDE + _fine_row(b)
    width = int(np.take(table.counts, cell).max())
    keys = np.empty((width, len(a)), np.int64)
    # Whole rows are gathered and then transposed: a gather of single numbers takes longer.
    rows = np.ascontiguousarray(np.take(table.rows, cell, axis=0)[:, : 3 * width].T).reshape(width, 3, -1)
    to_a, to_b = rows[:, 0], rows[:, 1]
    to_a -= a
    to_b -= b
    to_a *= to_a
    to_b *= to_b
    np.add(to_a, to_b, out=keys.view(np.float32)[:, HIGH::2])
    keys.view(np.int32)[:, 1 - HIGH :: 2] = rows[:, 2].view(np.int32)
    return keys


def _fine_row(coordinate: np.ndarray) -> np.ndarray:
    row = ((coordinate + np.float32(AB_LIMIT)) * np.float32(1.0 / FINE_SIZE)).astype(np.int64)
    return np.clip(row, 0, FINE_SIDE - 1)


@lru_cache(maxsize=64)
def sorting_network(width: int, wanted: int) -> tuple[tuple[int, int], ...]:
    """Comparisons that sort `width` numbers as far as the first `wanted` need it.

    Batcher's odd-even merge sort (1968), for any width; a comparison that no wanted place depends on is left out.
    """
    pairs = []
    p = 1
    while p < width:
        k = p
        while k >= 1:
            for j in range(k % p, width - k, 2 * k):
                for i in range(min(k, width - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    needed, kept = set(range(wanted)), []
    for one, other in reversed(pairs):
        if one in needed or other in needed:
            kept.append((one, other))
            needed |= {one, other}
    return tuple(reversed(kept))
