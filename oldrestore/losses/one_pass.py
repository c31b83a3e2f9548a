"""Cross-entropy over many classes with sparse targets: value and gradient without a dense target.

For a pixel with logits z, p = softmax(z) and a target t that is zero but at a few classes, plus, for label
smoothing, the same small share u / Q at all Q classes, the loss is

    sum_q t_q (1 - p_q)^gamma (-ln p_q)

(gamma 0: cross-entropy; above: the focal loss of Lin et al. 2017 for soft targets). With
g_q = -(1 - p_q)^gamma + gamma p_q (1 - p_q)^(gamma - 1) ln p_q and G = sum_q t_q g_q, its slope along z_j is
t_j g_j - p_j G, which at gamma 0 is p_j - t_j: one exponential of each logit, then a few entries of each pixel.

On a CPU, photographs are processed one at a time and in place: the scores of one fit a cache, and allocating memory
costs more than the arithmetic. Logits that lie channels last, as oneDNN's do, stay so, and their gradient does. Between
forward and backward, only the greatest logit of each pixel and the logarithm of its sum of exponentials are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import paddle
from paddle.autograd import PyLayer

from oldrestore.kernels import choice
from oldrestore.kernels.activations import exponentiate
from oldrestore.kernels.tensors import elements, lies_channels_last

AT_ONCE = 2**20  # scores that are computed with together, where they lie channels last


@dataclass(frozen=True)
class SparseTarget:
    """What each pixel should be: a few classes with weights, which sum to 1 - `uniform`, and a share for all alike.

    `parts` says how k falls into parts, in each of which a pixel's classes are all different: adding to a class twice
    in one step would depend on the order of threads.
    """

    indices_bkhw: paddle.Tensor
    weights_bkhw: paddle.Tensor
    parts: tuple[int, ...]
    uniform: float = 0.0


def sparse_cross_entropy(
    logits_bqhw: paddle.Tensor,
    target: SparseTarget,
    gamma: float = 0.0,
    offset_q: paddle.Tensor | None = None,
) -> paddle.Tensor:
    """Cross-entropy, or focal loss, of each pixel, (B, h, w); `offset_q` is added to the logits of every pixel.

    Half precision is computed in float32 and float64 in float64; the gradient has the type of the logits. No gradient
    flows to the target, and there is a first derivative only. ``paddle.grad`` may be asked for it again and again,
    ``backward`` once: Paddle 3.3.1 crashes when it goes through any PyLayer a second time, whatever its
    ``retain_graph``.
    """
    return _SparseCrossEntropy.apply(logits_bqhw, _Pixels(logits_bqhw, target, gamma, offset_q))


class _SparseCrossEntropy(PyLayer):
    # Under mixed precision the matrix products within would be in half precision, were it not switched off.

    @staticmethod
    def forward(ctx, logits_bqhw, pixels):
        with paddle.no_grad(), paddle.amp.auto_cast(enable=False):
            values_bhw, rows = pixels.values(logits_bqhw)
        ctx.save_for_backward(logits_bqhw, *rows)
        ctx.pixels = pixels
        return values_bhw

    @staticmethod
    def backward(ctx, slope_bhw):
        logits_bqhw, *rows = ctx.saved_tensor()
        with paddle.no_grad(), paddle.amp.auto_cast(enable=False):
            return ctx.pixels.gradient(logits_bqhw, rows, slope_bhw)


class _Pixels:
    """The arithmetic on blocks of b photographs of n pixels: rows (b, 1, n), entries (b, k, n), and scores.

    Scores are (b, Q, n), or (b, n, Q) where the logits lie channels last.
    """

    def __init__(
        self, logits_bqhw: paddle.Tensor, target: SparseTarget, gamma: float, offset_q: paddle.Tensor | None
    ) -> None:
        batch, self.classes, height, width = logits_bqhw.shape
        self.positions = height * width
        self.on_cpu = on_cpu(logits_bqhw)
        self.channels_last = self.on_cpu and lies_channels_last(logits_bqhw)
        if self.channels_last:  # pixels of several photographs lie as those of one do
            fitting = max(1, AT_ONCE // (self.positions * self.classes))
            photos = max(count for count in range(1, min(batch, fitting) + 1) if batch % count == 0)
            batch, self.positions = batch // photos, photos * self.positions
        self.dtype = paddle.float64 if logits_bqhw.dtype == paddle.float64 else paddle.float32
        self.fast = self.channels_last and choice.usable(logits_bqhw)
        self.parts = list(target.parts)
        self.uniform = target.uniform
        self.gamma = gamma
        self.indices_bkn = self._entries(target.indices_bkhw, batch)
        self.weights_bkn = self._entries(target.weights_bkhw.astype(self.dtype), batch)
        self.offset_1q1 = None if offset_q is None else offset_q.astype(self.dtype).reshape([1, -1, 1])
        photos = 1 if self.on_cpu else batch
        self.blocks = [slice(start, start + photos) for start in range(0, batch, photos)]
        self.ones_1q1 = paddle.ones([1, self.classes, 1], dtype=self.dtype)
        self.ones_11q = self.ones_1q1.reshape([1, 1, -1])
        # Where the columns of each photograph of a block begin, among all scores of the block.
        starts = paddle.arange(photos).reshape([-1, 1, 1]) * (self.classes * self.positions)
        self.class_apart, pixel_apart = (1, self.classes) if self.channels_last else (self.positions, 1)
        self.place_b1n = starts + paddle.arange(self.positions) * pixel_apart

    def values(self, logits_bqhw: paddle.Tensor) -> tuple[paddle.Tensor, list[paddle.Tensor]]:
        """Loss of each pixel, (B, h, w), and the rows that `gradient` needs."""
        batch, _, height, width = logits_bqhw.shape
        work = self._buffer()
        scans = [self._scan(logits_bqhw, block, work) for block in self.blocks]
        peak, log_sum, chosen, *even = (paddle.concat(rows) for rows in zip(*scans, strict=True))
        chosen = chosen - log_sum
        values_b1n = (self.weights_bkn * self._cost(chosen)).sum(axis=1)
        if even:
            values_b1n = values_b1n + even[0].squeeze(1)
        return values_b1n.reshape([batch, height, width]), [peak, log_sum, *([chosen, *even[1:]] if self.gamma else [])]

    def _scan(self, logits_bqhw: paddle.Tensor, block: slice, work: paddle.Tensor) -> list[paddle.Tensor]:
        """Of each pixel of a block: greatest logit; relative to it, the logarithm of the sum of exponentials and the
        target's logits; for a uniform share, its loss and its part of G."""
        self._load(logits_bqhw, block, work)
        peak = self._greatest(work)
        # Relative to the greatest all along: two large numbers are subtracted once, and exactly.
        self._add(work, self.ones_1q1, -peak)
        chosen = self._chosen(work, block)
        log_p = work.clone() if self.uniform else None
        log_sum = self._sum(self._exponential(work)).log()
        if log_p is None:
            return [peak, log_sum, chosen]
        self._add(log_p, self.ones_1q1, -log_sum)
        each = self.uniform / self.classes
        even = [each * self._sum(self._cost(log_p))]
        if self.gamma:
            even.append(each * self._sum(self._change(log_p)))
        return [peak, log_sum, chosen, *even]

    def gradient(
        self, logits_bqhw: paddle.Tensor, rows: list[paddle.Tensor], slope_bhw: paddle.Tensor
    ) -> paddle.Tensor:
        """Gradient with respect to the logits, given that with respect to each pixel's loss."""
        peak, log_sum, *of_focal = rows
        slope = slope_bhw.astype(self.dtype).reshape([-1, 1, self.positions])
        size, even, entries_bkn = slope.abs(), [], None
        if self.gamma:
            log_p_bkn, *even = of_focal
            entries_bkn = self.weights_bkn * self._change(log_p_bkn)
            size = size * -(sum(even) + entries_bkn.sum(axis=1, keepdim=True))
        # The factor of each pixel goes into the exponent, where it costs nothing. Its sign cannot, and 0 (a
        # photograph in gray) has no logarithm: on a CPU, a pass more for those photographs alone.
        empty = size == 0
        factor = paddle.where(empty, paddle.ones_like(size), size).log() - log_sum
        sign = paddle.where(empty, paddle.zeros_like(size), slope.sign())
        signed = (sign != 1).any(axis=[1, 2]).tolist() if self.on_cpu else [True] * len(self.blocks)
        gradient = paddle.empty(self._of_pixels(logits_bqhw).shape, dtype=logits_bqhw.dtype)
        in_place = gradient.dtype == self.dtype and slices_are_views()
        work = None if in_place else self._buffer()
        for block, needs_sign in zip(self.blocks, signed, strict=True):
            if in_place:
                work = gradient[block].reshape(self._shape(-1))
            self._load(logits_bqhw, block, work)
            self._add(work, self.ones_1q1, -peak[block])
            of_all = self._even_entries(work, log_sum[block], slope[block]) if even else None
            self._add(work, self.ones_1q1, factor[block])
            self._exponential(work)
            if needs_sign:
                work.multiply_(self._across(sign[block]).expand_as(work))
            if of_all is not None:
                work.add_(of_all)
            elif self.uniform:
                self._add(work, self.ones_1q1, slope[block] * (-self.uniform / self.classes))
            own_bkn = -self.weights_bkn[block] if entries_bkn is None else entries_bkn[block]
            self._scatter(work, block, own_bkn * slope[block])
            if not in_place:
                gradient[block] = work.reshape(gradient[block].shape).astype(gradient.dtype)
        if not self.channels_last:
            return gradient
        batch, classes, height, width = logits_bqhw.shape
        return gradient.reshape([batch, height, width, classes]).transpose([0, 3, 1, 2])

    def _even_entries(self, work: paddle.Tensor, log_sum: paddle.Tensor, slope: paddle.Tensor) -> paddle.Tensor:
        """Slope x t g of the uniform share in a focal loss."""
        log_p = work.clone()
        self._add(log_p, self.ones_1q1, -log_sum)
        return self._change(log_p) * self._across(slope * (self.uniform / self.classes))

    def _shape(self, photos: int) -> list[int]:
        return [photos, *((self.positions, self.classes) if self.channels_last else (self.classes, self.positions))]

    def _of_pixels(self, logits_bqhw: paddle.Tensor) -> paddle.Tensor:
        if not self.channels_last:
            return logits_bqhw
        return logits_bqhw.transpose([0, 2, 3, 1]).reshape([-1, self.positions, self.classes])

    def _entries(self, target_bkhw: paddle.Tensor, batch: int) -> paddle.Tensor:
        """What belongs to a target's classes, (b, k, n); of several photographs that are taken for one, n is longer."""
        photos, entries, *_ = target_bkhw.shape
        apart = target_bkhw.reshape([batch, photos // batch, entries, -1])
        return apart.transpose([0, 2, 1, 3]).reshape([batch, entries, self.positions])

    def _across(self, row: paddle.Tensor) -> paddle.Tensor:
        """A row (b, 1, n) as it is broadcast over scores."""
        return row.transpose([0, 2, 1]) if self.channels_last else row

    def _buffer(self) -> paddle.Tensor:
        return paddle.empty(self._shape(self.place_b1n.shape[0]), dtype=self.dtype)

    def _load(self, logits_bqhw: paddle.Tensor, block: slice, work: paddle.Tensor) -> None:
        own = self._of_pixels(logits_bqhw)[block].reshape(work.shape)
        paddle.assign(own if own.dtype == self.dtype else own.astype(self.dtype), output=work)
        if self.offset_1q1 is not None:
            self._add(work, self.offset_1q1, paddle.ones([1, 1, self.positions], dtype=self.dtype))

    # On a CPU, Paddle's broadcasts, sums and maxima over an axis that is not the last cost ten times what a matrix
    # product, or a maximum of halves, costs. On a GPU a product may be in TF32, which has three digits.

    def _add(self, work: paddle.Tensor, column: paddle.Tensor, row: paddle.Tensor) -> None:
        """Add column (1, Q, 1) x row (b or 1, 1, n), one of which is all ones, in place."""
        if self.channels_last:
            work.baddbmm_(self._across(row), self._across(column))
        elif self.on_cpu:
            work.baddbmm_(column, row)
        else:
            work.add_(row if column is self.ones_1q1 else column)

    def _sum(self, work: paddle.Tensor) -> paddle.Tensor:
        if self.channels_last:
            return paddle.matmul(work, self.ones_1q1).reshape([work.shape[0], 1, -1])
        return paddle.matmul(self.ones_11q, work) if self.on_cpu else work.sum(axis=1, keepdim=True)

    def _exponential(self, work: paddle.Tensor) -> paddle.Tensor:
        if not self.fast:
            return work.exp_()
        exponentiate(work)
        return work

    def _greatest(self, work: paddle.Tensor) -> paddle.Tensor:
        if self.fast:
            return paddle.to_tensor(elements(work).reshape(work.shape).max(axis=2)).unsqueeze(1)
        if self.channels_last:
            return work.max(axis=2).unsqueeze(1)
        if not self.on_cpu:
            return work.max(axis=1, keepdim=True)
        (rest_qn,) = work.unbind(0)
        while rest_qn.shape[0] > 40:
            half = (rest_qn.shape[0] + 1) // 2
            rest_qn = paddle.maximum(rest_qn[:half], rest_qn[-half:])
        return rest_qn.max(axis=0).reshape([1, 1, -1])

    def _chosen(self, work: paddle.Tensor, block: slice) -> paddle.Tensor:
        """Scores at a target's entries, (b, k, n)."""
        places_bkn = self._places(self.indices_bkn[block])
        return paddle.gather(work.flatten(), places_bkn.flatten()).reshape(places_bkn.shape)

    def _scatter(self, work: paddle.Tensor, block: slice, entries_bkn: paddle.Tensor) -> None:
        """Add to the scores at a target's entries, in place."""
        flat = work.reshape([-1])
        places_bkn = self._places(self.indices_bkn[block])
        split = (x.split(self.parts, axis=1) for x in (places_bkn, entries_bkn))
        for places, entries in zip(*split, strict=True):
            flat.index_put_((places.flatten(),), entries.flatten(), accumulate=True)

    def _places(self, indices_bkn: paddle.Tensor) -> paddle.Tensor:
        return indices_bkn * self.class_apart + self.place_b1n

    def _cost(self, log_p: paddle.Tensor) -> paddle.Tensor:
        """(1 - p)^gamma (-ln p)."""
        if not self.gamma:
            return -log_p
        # Rounding can make ln p more than 0 by little.
        log_p = log_p.clip(max=0.0)
        return (-paddle.expm1(log_p)).pow(self.gamma) * -log_p

    def _change(self, log_p: paddle.Tensor) -> paddle.Tensor:
        """p times the derivative of the cost by p, for gamma above 0."""
        log_p = log_p.clip(max=0.0)
        other = -paddle.expm1(log_p)
        # ln p / (1 - p) is -1 where p is 1; so written, no power is below 0 when gamma is below 1.
        ratio = paddle.where(other > 0.0, log_p / other, paddle.full_like(log_p, -1.0))
        return other.pow(self.gamma) * (self.gamma * log_p.exp() * ratio - 1.0)


def on_cpu(tensor: paddle.Tensor) -> bool:
    """Whether a tensor is on the CPU."""
    return tensor.place.is_cpu_place()


@lru_cache(maxsize=1)
def slices_are_views() -> bool:
    """Whether writing to a slice writes to the tensor: Paddle's flag FLAGS_use_stride_kernel."""
    whole = paddle.zeros([2, 1])
    whole[1:].add_(paddle.ones([1, 1]))
    return float(whole[1, 0]) == 1.0
