"""Spectral norm: the largest singular value is 1 by NumPy's SVD, repeats by seed, and evaluation changes nothing."""

import numpy as np
import paddle
import pytest

from oldrestore.kernels.choice import using
from oldrestore.models.spectral_norm import SpectralConv2D


@pytest.fixture(autouse=True, params=["onednn", "paddle"])
def _kernels(request):
    with using(request.param):
        yield


def made() -> SpectralConv2D:
    paddle.seed(3)
    return SpectralConv2D(5, 7, 3, padding=1)


def as_matrix(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(weight.shape[0], -1)


def top(weight: np.ndarray) -> float:
    return float(np.linalg.svd(as_matrix(weight), compute_uv=False)[0])


def test_an_untrained_layer_is_normalised_already():
    layer = made()
    layer.eval()
    assert top(layer.weight.numpy()) != pytest.approx(1.0, abs=0.05)
    assert top(layer.kernel().numpy()) == pytest.approx(1.0, abs=0.02)


def test_iterations_bring_the_largest_singular_value_to_one():
    layer = made()
    layer.weight.set_value(np.random.default_rng(0).normal(size=layer.weight.shape).astype(np.float32))
    for _ in range(60):
        weight = layer.kernel()
    assert top(weight.numpy()) == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(weight.numpy(), layer.weight.numpy() / top(layer.weight.numpy()), rtol=1e-3)


def test_training_moves_u_and_evaluation_does_not():
    layer = made()
    layer.weight.set_value(np.random.default_rng(0).normal(size=layer.weight.shape).astype(np.float32))
    before = layer.u.numpy()
    layer.eval()
    first, second = layer.kernel().numpy(), layer.kernel().numpy()
    np.testing.assert_array_equal(layer.u.numpy(), before)
    np.testing.assert_array_equal(first, second)
    layer.train()
    layer.kernel()
    assert not np.array_equal(layer.u.numpy(), before)


def test_the_same_seed_gives_the_same_bits_and_u_travels_in_the_state_dict():
    one, other = made(), made()
    np.testing.assert_array_equal(one.u.numpy(), other.u.numpy())
    for _ in range(3):
        one.kernel()
    other.set_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.kernel().numpy(), other.kernel().numpy())


def test_one_power_iteration_is_the_one_of_numpy():
    layer = made()
    weight, u = as_matrix(layer.weight.numpy()).astype(np.float64), layer.u.numpy().astype(np.float64)
    v = weight.T @ u
    v /= np.linalg.norm(v)
    u = weight @ v
    u /= np.linalg.norm(u)
    np.testing.assert_allclose(as_matrix(layer.kernel().numpy()), weight / (u @ weight @ v), rtol=1e-5)
    np.testing.assert_allclose(layer.u.numpy(), u, atol=1e-6)


def test_the_gradient_is_that_of_the_quotient_with_u_and_v_held():
    # d/dW of sum(G * W / s), s = u^T W v: (G - sum(G * W / s) u v^T) / s (Miyato et al. 2018, equation 12).
    layer = made()
    layer.eval()
    G = np.random.default_rng(1).normal(size=layer.weight.shape).astype(np.float32)
    (layer.kernel() * paddle.to_tensor(G)).sum().backward()
    W, G = as_matrix(layer.weight.numpy()).astype(np.float64), as_matrix(G)
    u = layer.u.numpy().astype(np.float64)
    v = W.T @ u
    v /= np.linalg.norm(v)
    s = u @ W @ v
    expected = (G - (G * W / s).sum() * np.outer(u, v)) / s
    np.testing.assert_allclose(as_matrix(layer.weight.grad.numpy()), expected, atol=1e-5)


def test_a_weight_of_zeros_gives_zeros_and_recovers():
    layer = made()
    weight = layer.weight.numpy()
    layer.weight.set_value(np.zeros_like(weight))
    np.testing.assert_array_equal(layer.kernel().numpy(), 0.0)
    layer.weight.set_value(weight)
    for _ in range(20):
        recovered = layer.kernel()
    assert top(recovered.numpy()) == pytest.approx(1.0, abs=0.01)
