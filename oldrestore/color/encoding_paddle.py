"""Soft encoding: each colour to its nearest bins with Gaussian weights (Zhang, Isola, Efros 2016, 2.2)."""

from __future__ import annotations

import paddle

from oldrestore.color.bins import AB_LIMIT, CELL_SIZE, CELLS_PER_SIDE, neighbour_table
from oldrestore.color.nearest_planes import MOST_NEIGHBOURS, doubled_variance, soft_encode_bkhw


class SoftEncoder:
    """Encode colours as a few of the 313 bins with weights that sum to 1.

    On a GPU, candidates come from ``bins.neighbour_table``; on a CPU ``nearest_planes`` is faster. Both find the same
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

        Returns
        -------
        indices_bkhw : paddle.Tensor, int64 (B, k, h, w)
            Bins, nearest first; of equal distances the lower index comes first.
        weights_bkhw : paddle.Tensor, float32 (B, k, h, w)
            exp(-d^2 / (2 sigma^2)), normalised over k.
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
