"""Self-attention: with gamma 0 the identity, otherwise what NumPy says."""

import numpy as np
import paddle
import pytest

from oldrestore.models.attention import SelfAttention


def block(pooled: bool, gamma: float) -> SelfAttention:
    paddle.seed(5)
    made = SelfAttention(16, pooled=pooled)
    made.gamma.set_value(np.array([gamma], np.float32))
    made.eval()
    return made


def features(height: int = 6, width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 16, height, width)).astype(np.float32)


def normalised(layer) -> np.ndarray:
    """1 x 1 kernel as a matrix, over its largest singular value as the stored u estimates it."""
    weight = layer.weight.numpy().astype(np.float64)[:, :, 0, 0]
    return weight / np.linalg.norm(weight.T @ layer.u.numpy().astype(np.float64))


def reference(layer: SelfAttention, x: np.ndarray, pooled: bool, gamma: float) -> np.ndarray:
    f, g, h, o = (normalised(part) for part in (layer.f, layer.g, layer.h, layer.o))
    out = np.empty(x.shape)
    for index, picture in enumerate(x.astype(np.float64)):
        channels, height, width = picture.shape

        def source(kernel, picture=picture, height=height, width=width):
            mapped = np.einsum("oc,chw->ohw", kernel, picture)
            if pooled:
                mapped = mapped.reshape(len(kernel), height // 2, 2, width // 2, 2).max(axis=(2, 4))
            return mapped.reshape(len(kernel), -1)

        queries = np.einsum("oc,chw->ohw", f, picture).reshape(len(f), -1)
        scores = queries.T @ source(g)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        found = o @ (source(h) @ shares.T)
        out[index] = picture + gamma * found.reshape(channels, height, width)
    return out


@pytest.mark.parametrize("pooled", [True, False])
def test_gamma_zero_is_the_identity(pooled):
    x = features()
    np.testing.assert_array_equal(block(pooled, 0.0)(paddle.to_tensor(x)).numpy(), x)


@pytest.mark.parametrize("pooled", [True, False])
def test_it_is_what_numpy_says(pooled):
    x, layer = features(), block(pooled, 0.7)
    ours = layer(paddle.to_tensor(x)).numpy()
    assert np.abs(ours - x).max() > 0.01
    np.testing.assert_allclose(ours, reference(layer, x, pooled, 0.7), atol=1e-5)


def test_channels_are_those_of_the_paper_and_gamma_starts_at_zero_and_learns():
    layer = SelfAttention(64)
    kernels = {name: tuple(getattr(layer, name).weight.shape[:2]) for name in "fgho"}
    assert kernels == {"f": (8, 64), "g": (8, 64), "h": (32, 64), "o": (64, 32)}
    assert layer.gamma.item() == 0.0
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(1, 64, 4, 4)).astype(np.float32))
    (layer(x) * x).sum().backward()
    assert layer.gamma.grad.item() != 0.0


def test_a_map_of_a_single_row_is_not_pooled():
    x = features(1, 4)
    assert block(True, 1.0)(paddle.to_tensor(x)).shape == list(x.shape)
