"""What networks are made of, in NumPy and float64, on arrays (B, C, H, W): written out from the definitions."""

import numpy as np


def padded(x, rows, columns, value=0.0):
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)), constant_values=value)


def windows(x, kernel, stride):
    """Windows (B, C, H', W', *kernel)."""
    return np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))[:, :, ::stride, ::stride]


def conv(x, weight, bias=None, stride=1, dilation=1, padding=None):
    """Convolution by a weight (O, C, h, w); `padding` keeps the size unless it is given."""
    sides = [dilation * (side - 1) + 1 for side in weight.shape[2:]]
    pads = [side // 2 for side in sides] if padding is None else [padding, padding]
    seen = windows(padded(np.asarray(x, np.float64), *pads), sides, stride)[..., ::dilation, ::dilation]
    out = np.tensordot(seen, weight.astype(np.float64), axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
    return out if bias is None else out + np.asarray(bias, np.float64)[:, None, None]


def up(x, weight, bias):
    """Transposed convolution, 4 x 4, stride 2, padding 1: each number spreads over a 4 x 4 square."""
    weight = np.asarray(weight, dtype=np.float64)
    batch, _, height, width = x.shape
    spread = np.zeros((batch, weight.shape[1], 2 * height + 2, 2 * width + 2))
    for i in range(4):
        for j in range(4):
            part = np.tensordot(weight[:, :, i, j], x, axes=(0, 1)).transpose(1, 0, 2, 3)
            spread[:, :, i : i + 2 * height : 2, j : j + 2 * width : 2] += part
    return spread[:, :, 1:-1, 1:-1] + np.asarray(bias, np.float64)[:, None, None]


def norm(x, weight, bias, mean, variance, epsilon=1e-5):
    weight, bias, mean, variance = (np.asarray(v, np.float64)[:, None, None] for v in (weight, bias, mean, variance))
    return (x - mean) / np.sqrt(variance + epsilon) * weight + bias


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def bilinear(x, size):
    """Sample at the centres of the new pixels, between the centres of the old ones; beyond the border it repeats."""
    for axis, new in zip((2, 3), np.broadcast_to(size, 2), strict=True):
        old = x.shape[axis]
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, old - 1), axis) * share
    return x
