"""Adam by NumPy against Paddle's own, and the same bits on any number of threads."""

import numpy as np
import paddle
import pytest

from oldrestore.kernels import choice
from oldrestore.training import adam
from oldrestore.training.adam import Adam

SETTINGS = {"learning_rate": 1e-2, "beta1": 0.9, "beta2": 0.99, "weight_decay": 1e-2}


@pytest.fixture(autouse=True)
def _onednn():
    with choice.using("onednn"):
        yield


def trained(ours: bool, steps: int = 20, **settings):
    """Weights and moments after some steps; the second layer gets no gradient in the first five of them."""
    paddle.seed(0)
    first, second = paddle.nn.Linear(40, 500), paddle.nn.Linear(40, 3)
    parameters = [*first.parameters(), *second.parameters()]
    optimizer = paddle.optimizer.Adam(parameters=parameters, **(SETTINGS | settings))
    for step in range(steps):
        x = paddle.to_tensor(np.random.default_rng(step).normal(size=(8, 40)).astype(np.float32))
        loss = (first(x) ** 2).sum() if step < 5 else (first(x) ** 2).sum() + second(x).exp().sum()
        loss.backward()
        if ours:
            assert Adam.can_replace(optimizer, parameters)
            Adam(optimizer, parameters).step()
        else:
            optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
    # Paddle counts the layers that a process has made in the names of weights.
    moments = [value.numpy() for value in optimizer.state_dict().values() if isinstance(value, paddle.Tensor)]
    return [*[parameter.numpy() for parameter in parameters], *moments]


@pytest.mark.parametrize("settings", [{}, {"weight_decay": None}, {"epsilon": 1e-2}])
def test_weights_and_moments_are_paddles(settings):
    for one, other in zip(trained(ours=True, **settings), trained(ours=False, **settings), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6 * np.abs(other).max())


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(adam, "paddle_threads", lambda threads=threads: threads)
        monkeypatch.setattr(adam, "AT_ONCE", 16_384 if threads == 1 else 100)
        results.append(trained(ours=True))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spoiled", [np.nan, np.inf, 1e30])
def test_gradients_without_bounds_spoil_their_weights_alone_and_warn_of_nothing(spoiled):
    parameter = paddle.create_parameter([2, 3], "float32")
    optimizer = paddle.optimizer.Adam(parameters=[parameter])
    factors = np.ones((2, 3), np.float32)
    factors[0, 1] = spoiled
    for _ in range(2):
        (parameter * paddle.to_tensor(factors)).sum().backward()
        assert Adam.can_replace(optimizer, [parameter])
        Adam(optimizer, [parameter]).step()
        optimizer.clear_grad(set_to_zero=False)
    finite = np.isfinite(parameter.numpy())
    assert finite.sum() == (6 if spoiled == 1e30 else 5)


@pytest.mark.parametrize("settings", [{"amsgrad": True}, {"grad_clip": paddle.nn.ClipGradByGlobalNorm(1.0)}])
def test_what_it_cannot_do_is_left_to_paddle(settings):
    parameters = paddle.nn.Linear(2, 2).parameters()
    assert not Adam.can_replace(paddle.optimizer.Adam(parameters=parameters, **settings), parameters)
    assert not Adam.can_replace(paddle.optimizer.AdamW(parameters=parameters), parameters)
    plain = paddle.optimizer.Adam(parameters=parameters)
    assert Adam.can_replace(plain, parameters)
    with choice.using("paddle"):
        assert not Adam.can_replace(plain, parameters)
