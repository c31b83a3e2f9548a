"""Paddle Inference gives a network's own answer, and leaves OpenMP's and MKL's numbers of threads as they were."""

from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

import oldrestore
from oldrestore.models.engine import Engine, exported
from tests.threads import numbers_of_threads


@pytest.fixture
def three_threads():
    """As many as Paddle Inference would not choose; MKL counts no more than there are cores."""
    before = numbers_of_threads()
    paddle.base.core.set_num_threads(3)
    assert numbers_of_threads()[0] == 3
    yield numbers_of_threads()
    paddle.base.core.set_num_threads(before[0])


class TwoOutputs(nn.Layer):
    """A convolution, and twice the input."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2D(3, 4, 3)

    def forward(self, x):
        return self.convolution(x), 2 * x


IMAGES = np.random.default_rng(4).random((2, 3, 8, 8), dtype=np.float32)
SPEC = paddle.static.InputSpec([None, 3, 8, 8], "float32", name="images")


def test_all_outputs_come_in_order():
    network = TwoOutputs()
    convolved, twice = exported(network, SPEC)([IMAGES])
    np.testing.assert_allclose(convolved, network(paddle.to_tensor(IMAGES))[0].numpy(), atol=1e-6)
    np.testing.assert_array_equal(twice, 2 * IMAGES)


def test_an_exported_network_leaves_the_threads_alone(three_threads):
    paddle.seed(0)
    network = nn.Conv2D(3, 4, 3)
    engine = Engine(network, 8)
    expected = network(paddle.to_tensor(IMAGES)).numpy()
    assert numbers_of_threads() == three_threads
    np.testing.assert_allclose(engine(IMAGES), expected, atol=1e-6)
    assert numbers_of_threads() == three_threads


def test_an_exported_network_leaves_the_threads_alone_when_it_fails(three_threads):
    predictor = exported(nn.Conv2D(3, 4, 3), SPEC)
    with pytest.raises(ValueError, match="number of input's channels"):
        predictor([IMAGES[:, :2]])
    assert numbers_of_threads() == three_threads


def test_nothing_else_calls_paddle_inference():
    package = Path(oldrestore.__file__).parent
    calling = [path for path in package.rglob("*.py") if "create_predictor" in path.read_text()]
    assert calling == [package / "models" / "engine.py"]
