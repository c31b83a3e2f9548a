"""Hue and chroma, the polar coordinates of the ab plane, and histograms of both, on tensors (B, ., h, w).

Larsson, Maire and Shakhnarovich (2016) predict two histograms for each pixel. Their hue and chroma are those of
HSL; here they are those of CIE Lab, so that their network shares measures and judge with the others:
chroma = sqrt(a^2 + b^2), hue = the angle from +a (0, red) towards +b (90 degrees, yellow).
"""

from __future__ import annotations

import math

import paddle
from paddle.nn import functional

HISTOGRAM_BINS = 32  # of each histogram in the paper
CHROMA_LIMIT = 136.0  # centre of the highest chroma bin, Lab units; the most saturated colour of sRGB, blue, has 133.8
FADING = 0.03  # the paper's eta: see `decode_histograms_nchw`
# Below this mean chroma (Lab units) a window has no hue: float32 gives gray pixels a chroma of up to 0.005.
HUELESS = 0.01


def chroma_nchw(ab_b2hw: paddle.Tensor) -> paddle.Tensor:
    """Chroma (B, 1, h, w), Lab units, of colours (B, 2, h, w)."""
    return paddle.sqrt((ab_b2hw * ab_b2hw).sum(axis=1, keepdim=True))


@paddle.no_grad()
def window_histograms_nchw(
    ab_b2hw: paddle.Tensor, window: int = 7, bins: int = HISTOGRAM_BINS
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Histograms of hue and of chroma, float32 (B, bins, h, w), in the square around each pixel; no gradient flows.

    The square's side, `window`, is an odd number of pixels; colours are (B, 2, h, w), Lab units.
    """
    chroma_b1hw, hue_bqhw, chroma_bqhw = _encode(ab_b2hw.astype("float32"), bins)
    mean_b1hw = _box_mean(chroma_b1hw, window)
    hue_bqhw = _box_mean(chroma_b1hw * hue_bqhw, window) / paddle.clip(mean_b1hw, min=HUELESS)
    hue_bqhw = paddle.where(mean_b1hw > HUELESS, hue_bqhw, paddle.full_like(hue_bqhw, 1.0 / bins))
    return hue_bqhw, _box_mean(chroma_bqhw, window)


@paddle.no_grad()
def window_histograms_at(
    ab_b2hw: paddle.Tensor, positions_bn2: paddle.Tensor, window: int = 7, bins: int = HISTOGRAM_BINS
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Histograms as of `window_histograms_nchw`, float32 (B, bins, 1, N), around some pixels only.

    Positions, int64 (B, N, 2), are row and column of each pixel, within the photograph.
    """
    height, width = ab_b2hw.shape[2:]
    reach = paddle.arange(window, dtype="int64") - window // 2
    rows_bnk = (positions_bn2[..., :1] + reach).unsqueeze(3).expand([-1, -1, window, window])
    columns_bnk = (positions_bn2[..., 1:] + reach).unsqueeze(2).expand([-1, -1, window, window])
    rows_bnk, columns_bnk = rows_bnk.flatten(start_axis=2), columns_bnk.flatten(start_axis=2)
    inside = (rows_bnk >= 0) & (rows_bnk < height) & (columns_bnk >= 0) & (columns_bnk < width)
    inside_b1nk = inside.astype("float32").unsqueeze(1)
    ab_b2nk = gather_pixels(ab_b2hw, paddle.clip(rows_bnk, 0, height - 1), paddle.clip(columns_bnk, 0, width - 1))
    chroma_b1nk, hue_bqnk, chroma_bqnk = _encode(ab_b2nk.astype("float32"), bins)
    chroma_bq1n = ((chroma_bqnk * inside_b1nk).sum(axis=3) / inside_b1nk.sum(axis=3)).unsqueeze(2)
    weight_b1nk = chroma_b1nk * inside_b1nk
    total_b1n = weight_b1nk.sum(axis=3)
    hue_bqn = (hue_bqnk * weight_b1nk).sum(axis=3) / paddle.clip(total_b1n, min=HUELESS)
    has_hue = total_b1n > HUELESS * inside_b1nk.sum(axis=3)
    return paddle.where(has_hue, hue_bqn, paddle.full_like(hue_bqn, 1.0 / bins)).unsqueeze(2), chroma_bq1n


def gather_pixels(x_bchw: paddle.Tensor, rows: paddle.Tensor, columns: paddle.Tensor) -> paddle.Tensor:
    """Values (B, C, ...) of pixels by their rows and columns, int64 (B, ...), within the picture."""
    batch, channels, height, width = x_bchw.shape
    first = paddle.arange(batch, dtype="int64").reshape([batch] + [1] * (rows.ndim - 1)) * (height * width)
    flat = first + rows * width + columns
    # A lookup like gather, but one whose gradient a deterministic run makes repeat on a GPU (trainer.deterministic).
    picked = functional.embedding(flat, x_bchw.transpose([0, 2, 3, 1]).reshape([-1, channels]))
    return paddle.moveaxis(picked, -1, 1)


def decode_histograms_nchw(
    hue_bqhw: paddle.Tensor, chroma_bqhw: paddle.Tensor, fading: float = FADING
) -> paddle.Tensor:
    """Decode two histograms to colours: expected chroma, circular mean of hue, chromatic fading.

    The mean hue is the direction of z = mean_k p_k exp(i theta_k). If hue is uncertain, z is short and a vivid
    colour of a mean hue would be wrong: chromatic fading multiplies chroma by min(|z| / fading, 1). As z is a mean
    over K bins, |z| is at most 1 / K: with 32 bins and the paper's 0.03, colour fades wherever the resultant length
    K |z| is below 0.96.

    Histograms are probabilities (B, bins, h, w) that sum to 1; colours are float32 (B, 2, h, w), Lab units.
    """
    bins = hue_bqhw.shape[1]
    with paddle.amp.auto_cast(enable=False):
        angles = paddle.arange(bins, dtype="float32") * (2.0 * math.pi / bins)
        directions_2q = paddle.stack([paddle.cos(angles), paddle.sin(angles)])
        z_b2n = paddle.matmul(directions_2q, hue_bqhw.astype("float32").flatten(start_axis=2)) / bins
        length_b1n = paddle.sqrt((z_b2n * z_b2n).sum(axis=1, keepdim=True))
        centres_1q = paddle.linspace(0.0, CHROMA_LIMIT, chroma_bqhw.shape[1]).unsqueeze(0)
        chroma_b1n = paddle.matmul(centres_1q, chroma_bqhw.astype("float32").flatten(start_axis=2))
        ab_b2n = chroma_b1n * z_b2n / paddle.clip(length_b1n, min=max(fading, 1e-12))
    return ab_b2n.reshape([hue_bqhw.shape[0], 2, *hue_bqhw.shape[2:]])


def _encode(ab_b2hw: paddle.Tensor, bins: int) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
    """Chroma (B, 1, h, w), and the weights of each colour's hue and chroma bins (B, bins, h, w)."""
    chroma_b1hw = chroma_nchw(ab_b2hw)
    index_1q11 = paddle.arange(bins, dtype="float32").reshape([1, -1, 1, 1])
    turn_b1hw = paddle.atan2(ab_b2hw[:, 1:], ab_b2hw[:, :1]) * (bins / (2.0 * math.pi))
    distance = (turn_b1hw - index_1q11).abs()  # 0..1.5 turns, as atan2 gives -0.5..0.5
    distance = paddle.where(distance > bins, distance - bins, distance)
    hue_bqhw = paddle.clip(1.0 - paddle.minimum(distance, bins - distance), min=0.0)
    place_b1hw = paddle.clip(chroma_b1hw, max=CHROMA_LIMIT) * ((bins - 1) / CHROMA_LIMIT)
    return chroma_b1hw, hue_bqhw, paddle.clip(1.0 - (place_b1hw - index_1q11).abs(), min=0.0)


def _box_mean(x_bchw: paddle.Tensor, window: int) -> paddle.Tensor:
    """Mean over the window around each pixel, cut off at the border."""
    reach = window // 2
    rows = functional.avg_pool2d(x_bchw, (window, 1), stride=1, padding=(reach, 0), exclusive=True)
    return functional.avg_pool2d(rows, (1, window), stride=1, padding=(0, reach), exclusive=True)
