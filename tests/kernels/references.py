"""The kernels' computations in float64 NumPy, written out window by window, with their gradients."""

from collections.abc import Callable

import numpy as np
import paddle

from oldrestore.kernels.activations import RELU, RELU6, leaky_relu


def windows(shape: tuple[int, int], kernel: tuple[int, int], stride: int, dilation: int):
    """For each place in a kernel: its row, its column, and the slices of a padded input that it meets."""
    rows, columns = shape
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilation, j * dilation
            yield (
                *(i, j, slice(top, top + (rows - 1) * stride + 1, stride)),
                slice(left, left + (columns - 1) * stride + 1, stride),
            )


def convolution(x, weight, bias, stride, padding, dilation, groups):
    """Convolve; returns the result and a function from its gradient to those of x, weight and bias."""
    top, left, bottom, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs, _, *kernel = weight.shape
    shape = tuple((padded.shape[2 + i] - dilation * (kernel[i] - 1) - 1) // stride + 1 for i in (0, 1))
    inputs, share = weight.shape[1], outputs // groups
    y = np.zeros((len(x), outputs, *shape))
    for g in range(groups):
        ins, outs = slice(g * inputs, (g + 1) * inputs), slice(g * share, (g + 1) * share)
        for i, j, rows, columns in windows(shape, kernel, stride, dilation):
            y[:, outs] += np.einsum("bchw,oc->bohw", padded[:, ins, rows, columns], weight[outs, :, i, j])

    def gradients(dy):
        dpadded, dweight = np.zeros_like(padded), np.zeros_like(weight)
        for g in range(groups):
            ins, outs = slice(g * inputs, (g + 1) * inputs), slice(g * share, (g + 1) * share)
            for i, j, rows, columns in windows(shape, kernel, stride, dilation):
                dpadded[:, ins, rows, columns] += np.einsum("bohw,oc->bchw", dy[:, outs], weight[outs, :, i, j])
                dweight[outs, :, i, j] += np.einsum("bohw,bchw->oc", dy[:, outs], padded[:, ins, rows, columns])
        height, width = x.shape[2:]
        return dpadded[:, :, top : top + height, left : left + width], dweight, dy.sum(axis=(0, 2, 3))

    return y + (0 if bias is None else bias[:, None, None]), gradients


def transposed(x, weight, bias, stride, padding, dilation, groups, output_padding=0):
    """Transpose a convolution: what its gradient does to an input is what this does."""
    _, share, *kernel = weight.shape
    sizes = [
        (x.shape[2 + i] - 1) * stride - 2 * padding + dilation * (kernel[i] - 1) + 1 + output_padding for i in (0, 1)
    ]
    zeros = np.zeros((len(x), share * groups, *sizes))
    around = (padding,) * 4
    _, back = convolution(zeros, weight, None, stride, around, dilation, groups)
    y = back(x)[0] + (0 if bias is None else bias[:, None, None])

    def gradients(dy):
        forward, back = convolution(dy, weight, None, stride, around, dilation, groups)
        return forward, back(x)[1], dy.sum(axis=(0, 2, 3))

    return y, gradients


def batch_norm(x, scale, shift, mean, variance, epsilon):
    """Normalise by a batch's own mean and variance if `mean` is None; returns gradients of x, scale and shift."""
    axes, count = (0, 2, 3), x.size // x.shape[1]
    own = mean is None
    mean = x.mean(axis=axes) if own else mean
    variance = x.var(axis=axes) if own else variance
    inverse = 1 / np.sqrt(variance + epsilon)
    normal = (x - mean[:, None, None]) * inverse[:, None, None]

    def gradients(dy):
        dscale, dshift = (dy * normal).sum(axis=axes), dy.sum(axis=axes)
        dnormal = dy
        if own:
            dnormal = dy - (dshift[:, None, None] + normal * dscale[:, None, None]) / count
        return dnormal * (scale * inverse)[:, None, None], dscale, dshift

    return normal * scale[:, None, None] + shift[:, None, None], gradients


ACTIVATIONS: dict[str | None, tuple[Callable, Callable]] = {
    None: (lambda y: y, lambda y: np.ones_like(y)),
    "relu": (lambda y: np.maximum(y, 0), lambda y: (y > 0).astype(float)),
    "relu6": (lambda y: np.clip(y, 0, 6), lambda y: ((y > 0) & (y < 6)).astype(float)),
    "leaky_relu": (lambda y: np.where(y > 0, y, 0.2 * y), lambda y: np.where(y > 0, 1.0, 0.2)),
}


OF_ONEDNN = {None: None, "relu": RELU, "relu6": RELU6, "leaky_relu": leaky_relu(0.2)}


def away_from_kinks(y: np.ndarray) -> bool:
    """Whether no value is so near 0 or 6 that rounding decides on which side it lies."""
    return min(np.abs(y).min(), np.abs(y - 6).min()) > 1e-5


def relative(values, expected) -> float:
    """Greatest difference as a share of the greatest value."""
    values = values.numpy() if isinstance(values, paddle.Tensor) else values
    assert values.shape == expected.shape
    return float(np.abs(values - expected).max() / np.abs(expected).max())
