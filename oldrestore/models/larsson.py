"""larsson: histograms of hue and chroma from hypercolumns of a VGG-16-shaped network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.hue_chroma_paddle import FADING, HISTOGRAM_BINS, decode_histograms_nchw, gather_pixels
from oldrestore.config.values import checked
from oldrestore.models.convolution import Conv2D
from oldrestore.models.layers import initialise
from oldrestore.models.weights import load_weights

# Output channels of the convolutions of VGG-16; each block but the first begins with a pooling by 2.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
TOP = 4096  # fc6 and fc7, as convolutions
HIDDEN = 1024


class Larsson(nn.Layer):
    """Two histograms for each pixel, of hue and of chroma, from the features of every level of a network.

    The encoder is VGG-16 as convolutions, for one channel: thirteen of 3 x 3 in five blocks, then fc6 (7 x 7) and
    fc7 (1 x 1) at 1/32 of the size. A pixel's hypercolumn is its lightness and its features in all fifteen
    layers, coarse ones interpolated bilinearly: 12,417 channels. One hidden layer of 1024 units reads it, and
    two linear layers give the histograms. 147,041,024 parameters at width 1.

    With ``positions_bn2`` hypercolumns are computed at those pixels alone (training). Without, every pixel is
    predicted: the hidden layer is linear before its ReLU, so each level goes through its share of the weights
    at its own resolution and is then interpolated, in stripes of rows that bound memory. Both give the same.

    Batch norm (shift only) follows each convolution, as in the authors' training file: the levels of a
    hypercolumn must be of one scale for one layer to read them all, and an encoder trained from random weights
    would not give that. ``batch_norm: false`` is plain VGG, for weights that need none.

    Parameters
    ----------
    fading : float
        The paper's eta: see `decode_histograms_nchw`.
    dropout : float
        Of fc6, fc7 and the hidden layer. 0.5 in the authors' training file; off by default, because its random
        numbers are not in a checkpoint, so a resumed run would differ.
    tile : int
        Pixels predicted at a time without positions, over the whole batch: memory is about 12 kB for each.

    References
    ----------
    Larsson, Maire, Shakhnarovich. Learning Representations for Automatic Colorization. ECCV 2016.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"hue_logits", "chroma_logits"})
    reads: ClassVar[tuple[str, ...]] = ("L_b1hw", "positions_bn2")
    stride: ClassVar[int] = 32

    @checked
    def __init__(
        self,
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        weights: str | None = None,
        bins: Annotated[int, Field(ge=3, le=256)] = HISTOGRAM_BINS,
        fading: Annotated[float, Field(ge=0, le=1)] = FADING,
        batch_norm: bool = True,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        tile: Annotated[int, Field(ge=1)] = 16384,
    ) -> None:
        super().__init__()
        self.fading = fading
        self.dropout = dropout
        self.tile = tile
        inputs, self._blocks, channels = 1, [], 1
        for number, outputs in enumerate(BLOCKS, 1):
            names = []
            for index, full in enumerate(outputs, 1):
                count = max(1, round(full * width))
                names.append(f"conv{number}_{index}")
                self.add_sublayer(names[-1], _convolution(inputs, count, 3, batch_norm))
                inputs = count
                channels += count
            self._blocks.append(names)
        top, hidden = max(1, round(TOP * width)), max(1, round(HIDDEN * width))
        self.fc6 = _convolution(inputs, top, 7, batch_norm)
        self.fc7 = _convolution(top, top, 1, batch_norm)
        self.hidden = nn.Linear(channels + 2 * top, hidden)
        self.hue = nn.Linear(hidden, bins)
        self.chroma = nn.Linear(hidden, bins)
        initialise(self, heads=[self.hue, self.chroma])
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, L_b1hw: paddle.Tensor, positions_bn2: paddle.Tensor | None = None) -> Prediction:
        """Predict histograms (B, bins, H, W) from lightness (B, 1, H, W), 0..100.

        With int64 positions (B, N, 2), rows and columns of pixels, histograms are (B, bins, 1, N), in their order.
        """
        levels = self._levels(L_b1hw)
        if positions_bn2 is not None:
            return self._heads(self._hidden_at(levels, positions_bn2).unsqueeze(1))
        height, width = L_b1hw.shape[2:]
        rows = max(1, self.tile // (L_b1hw.shape[0] * width))
        stripes = [
            self._heads(self._hidden_in(levels, range(top, min(top + rows, height)), width))
            for top in range(0, height, rows)
        ]
        return Prediction(
            hue_logits=paddle.concat([stripe.hue_logits for stripe in stripes], axis=2),
            chroma_logits=paddle.concat([stripe.chroma_logits for stripe in stripes], axis=2),
        )

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, h, w), Lab units: expected chroma, mean hue, chromatic fading."""
        hue, chroma = (
            functional.softmax(logits.astype("float32"), axis=1)
            for logits in (prediction.hue_logits, prediction.chroma_logits)
        )
        return decode_histograms_nchw(hue, chroma, self.fading)

    def _levels(self, L_b1hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of each resolution, finest first: (B, C, H / 2^i, W / 2^i)."""
        x = (L_b1hw - 50.0) / 100.0
        levels = []
        for names in self._blocks:
            x = functional.max_pool2d(x, 2) if levels else x
            features = [] if levels else [x]
            for name in names:
                x = getattr(self, name)(x)
                features.append(x)
            levels.append(paddle.concat(features, axis=1))
        fc6 = self._drop(self.fc6(functional.max_pool2d(x, 2)))
        return [*levels, paddle.concat([fc6, self._drop(self.fc7(fc6))], axis=1)]

    def _hidden_at(self, levels: list[paddle.Tensor], positions_bn2: paddle.Tensor) -> paddle.Tensor:
        """Hidden units (B, N, hidden) of some pixels, from their hypercolumns."""
        columns = [_sample(level, positions_bn2, 2**index) for index, level in enumerate(levels)]
        return self._drop(functional.relu(self.hidden(paddle.concat(columns, axis=2))))

    def _hidden_in(self, levels: list[paddle.Tensor], rows: range, width: int) -> paddle.Tensor:
        """Hidden units (B, rows, width, hidden) of all pixels of some rows."""
        total, first = self.hidden.bias, 0
        for index, level in enumerate(levels):
            weight = self.hidden.weight[first : first + level.shape[1]]
            first += level.shape[1]
            if index == 0:
                total = total + paddle.matmul(level[:, :, rows.start : rows.stop].transpose([0, 2, 3, 1]), weight)
                continue
            down = _interpolation(paddle.arange(rows.start, rows.stop), 2**index, level.shape[2])
            across = _interpolation(paddle.arange(width), 2**index, level.shape[3])
            # Only the rows of the level that these lie between.
            top, bottom = _cells_between(rows, 2**index, level.shape[2])
            x_brwc = paddle.matmul(level[:, :, top : bottom + 1].transpose([0, 2, 3, 1]), weight)
            x_brwc = paddle.matmul(across, x_brwc)
            x_brwc = paddle.matmul(down[:, top : bottom + 1], x_brwc.flatten(start_axis=2)).reshape(
                [x_brwc.shape[0], len(rows), width, -1]
            )
            total = total + x_brwc
        return self._drop(functional.relu(total))

    def _heads(self, hidden_bhwc: paddle.Tensor) -> Prediction:
        hue, chroma = (head(hidden_bhwc).transpose([0, 3, 1, 2]) for head in (self.hue, self.chroma))
        return Prediction(hue_logits=hue, chroma_logits=chroma)

    def _drop(self, x: paddle.Tensor) -> paddle.Tensor:
        return functional.dropout(x, self.dropout, training=self.training) if self.dropout else x


def _convolution(inputs: int, outputs: int, kernel: int, batch_norm: bool) -> nn.Sequential:
    """Build a convolution of the same size, its batch norm and ReLU. The norm has no scale: the next layer has one."""
    convolution = Conv2D(inputs, outputs, kernel, padding=kernel // 2, bias_attr=False if batch_norm else None)
    norm = [nn.BatchNorm2D(outputs, weight_attr=False)] if batch_norm else []
    return nn.Sequential(convolution, *norm, nn.ReLU())


def _cells_between(rows: range, scale: int, cells: int) -> tuple[int, int]:
    """First and last cell that `_neighbours` gives the pixels of some rows, as plain numbers, which exports need."""
    first, last = (min(max((row + 0.5) / scale - 0.5, 0.0), cells - 1.0) for row in (rows.start, rows.stop - 1))
    return math.floor(first), min(math.floor(last) + 1, cells - 1)


def _neighbours(pixels: paddle.Tensor, scale: int, cells: int) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Cells between whose centres pixels lie, and the share of the second; at the edge, the last cell twice.

    A cell of a level at 1/scale covers `scale` pixels, so pixel x lies at (x + 0.5) / scale - 0.5 cells.
    """
    place = paddle.clip((pixels.astype("float32") + 0.5) / scale - 0.5, 0.0, cells - 1.0)
    low = place.floor()
    return low.astype("int64"), paddle.clip(low + 1.0, max=cells - 1.0).astype("int64"), place - low


def _sample(level_bchw: paddle.Tensor, positions_bn2: paddle.Tensor, scale: int) -> paddle.Tensor:
    """Features (B, N, C) of pixels, interpolated bilinearly in a level at 1/scale of the size."""
    if scale == 1:
        return gather_pixels(level_bchw, positions_bn2[..., 0], positions_bn2[..., 1]).transpose([0, 2, 1])
    top, bottom, down = _neighbours(positions_bn2[..., 0], scale, level_bchw.shape[2])
    left, right, across = _neighbours(positions_bn2[..., 1], scale, level_bchw.shape[3])
    down, across = down.unsqueeze(1), across.unsqueeze(1)
    above, below = (
        (1.0 - across) * gather_pixels(level_bchw, row, left) + across * gather_pixels(level_bchw, row, right)
        for row in (top, bottom)
    )
    return ((1.0 - down) * above + down * below).transpose([0, 2, 1])


def _interpolation(pixels: paddle.Tensor, scale: int, cells: int) -> paddle.Tensor:
    """Linear interpolation of cells at pixels, as a matrix (pixels, cells): faster than indexing a level four times."""
    low, high, share = _neighbours(pixels, scale, cells)
    first, second = (functional.one_hot(index, cells) for index in (low, high))
    return (1.0 - share).unsqueeze(1) * first + share.unsqueeze(1) * second
