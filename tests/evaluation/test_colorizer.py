"""The colorizer: sizes in and out, batches that do not matter, and colour where the network put it."""

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.batch import Prediction
from oldrestore.evaluation.colorizer import Colorizer, resize


class TintByLightness(nn.Layer):
    """Predicts a = L / 2, b = -L / 4 at a quarter of the size, and remembers the shapes it saw."""

    stride = 8

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, L_b1hw):
        self.seen.append(tuple(L_b1hw.shape))
        L = nn.functional.avg_pool2d(L_b1hw, 4)
        return Prediction(ab=paddle.concat([L / 2, -L / 4], axis=1))

    def decode(self, prediction):
        return prediction.ab


def flat(L: float, height: int, width: int) -> np.ndarray:
    return np.full((height, width), L, np.float32)


def test_every_photograph_comes_back_at_its_own_size_in_order():
    photos = [flat(20, 50, 70), flat(60, 33, 33), flat(40, 70, 50), flat(80, 50, 70)]
    predictions = Colorizer(TintByLightness(), size=32)(photos)
    for photo, prediction in zip(photos, predictions, strict=True):
        assert prediction.ab_hw2.shape == (*photo.shape, 2)
        np.testing.assert_allclose(prediction.ab_hw2[..., 0], photo / 2, rtol=1e-5)
        np.testing.assert_allclose(prediction.ab_hw2[..., 1], -photo / 4, rtol=1e-5)


@pytest.mark.parametrize(("fit", "shape"), [("shorter_side", (32, 48)), ("squash", (32, 32))])
def test_the_network_sees_the_size_asked_for_in_multiples_of_its_stride(fit, shape):
    network = TintByLightness()
    Colorizer(network, size=32, fit=fit)([flat(50, 100, 150)])
    assert network.seen == [(1, 1, *shape)]


def test_photographs_of_one_shape_go_through_together():
    network = TintByLightness()
    Colorizer(network, size=32, batch_size=2)([flat(50, 40, 40)] * 3 + [flat(50, 40, 80)])
    assert sorted(network.seen) == [(1, 1, 32, 32), (1, 1, 32, 64), (2, 1, 32, 32)]


def test_colour_stays_where_it_was_predicted():
    left_dark = np.concatenate([flat(0, 64, 32), flat(100, 64, 32)], axis=1)
    ab = Colorizer(TintByLightness(), size=64)([left_dark])[0].ab_hw2
    assert np.abs(ab[:, :24, 0]).max() < 1e-4
    np.testing.assert_allclose(ab[:, 40:, 0], 50, atol=1e-3)


def test_resizing_keeps_a_constant_and_averages_when_it_shrinks():
    np.testing.assert_allclose(resize(flat(7, 10, 20), (25, 5)), 7, rtol=1e-6)
    stripes = np.tile(np.array([0.0, 100.0], np.float32), (64, 32))
    # Away from the borders a shrunk stripe pattern is its mean, where subsampling would give 0 or 100.
    np.testing.assert_allclose(resize(stripes, (8, 8))[:, 2:-2], 50, atol=2)
