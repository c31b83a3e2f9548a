"""Known and unknown pixels are weighted apart, by hand-computed values; features are matched by their mean distance."""

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.errors import UserError
from oldrestore.losses.restoration import KnownUnknownL1, feature_matching
from tests.losses import reference


def batch(hole) -> Batch:
    hole_b1hw = paddle.to_tensor(np.array(hole, np.float32)[None, None])
    rgb = paddle.zeros([1, 3, *hole_b1hw.shape[-2:]])
    return reference.make_batch(rgb[:, :2].numpy(), rgb_b3hw=rgb, hole_b1hw=hole_b1hw)


def test_each_part_is_the_mean_of_its_own_pixels():
    # One of four pixels is a hole, off by 0.5 in each channel; the three known ones are off by 0.1.
    rgb = paddle.to_tensor(np.array([[0.5, 0.1], [0.1, -0.1]], np.float32)).expand([1, 3, 2, 2])
    rgb.stop_gradient = False
    terms = KnownUnknownL1(known_weight=2.0, hole_weight=6.0).terms(Prediction(rgb=rgb), batch([[1, 0], [0, 0]]))
    assert terms["l1_hole"].item() == pytest.approx(0.5)
    assert terms["l1_known"].item() == pytest.approx(0.1)
    assert terms["loss"].item() == pytest.approx(2.0 * 0.1 + 6.0 * 0.5)
    terms["loss"].backward()
    # 6 / (1 pixel x 3 channels) in the hole, 2 / (3 x 3) outside.
    np.testing.assert_allclose(rgb.grad.numpy()[0, 0], [[2.0, 2 / 9], [2 / 9, -2 / 9]], rtol=1e-5)


@pytest.mark.parametrize(("hole", "loss"), [([[0, 0]], 0.2), ([[1, 1]], 1.2)])
def test_a_part_without_pixels_counts_nothing(hole, loss):
    value = KnownUnknownL1()(Prediction(rgb=paddle.full([1, 3, 1, 2], 0.2)), batch(hole))
    assert value.item() == pytest.approx(loss)


def test_photographs_without_holes_are_refused():
    plain = reference.make_batch(np.zeros((1, 2, 2, 2)))
    with pytest.raises(UserError, match="inputs=holes"):
        KnownUnknownL1()(Prediction(rgb=paddle.zeros([1, 3, 2, 2])), plain)


def test_matched_features_are_a_mean_over_layers_and_leave_the_truth_alone():
    fake = [paddle.full([1, 2, 4, 4], 1.0), paddle.full([1, 8, 2, 2], 3.0)]
    real = [paddle.full([1, 2, 4, 4], 0.5), paddle.full([1, 8, 2, 2], 1.0)]
    for tensor in (*fake, *real):
        tensor.stop_gradient = False
    value = feature_matching(fake, real)
    assert value.item() == pytest.approx((0.5 + 2.0) / 2)
    value.backward()
    assert fake[0].grad is not None
    assert real[0].grad is None
