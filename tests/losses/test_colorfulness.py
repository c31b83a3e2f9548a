"""The colourfulness loss against the metric of that name in NumPy, on photographs and at its limits."""

import numpy as np
import paddle
import pytest
from skimage import data

from oldrestore.batch import Batch
from oldrestore.evaluation import metrics
from oldrestore.losses.colorfulness import Colorfulness
from oldrestore.losses.predicted_color import original_rgb
from tests.losses import reference


def metric(rgb_b3hw):
    return 1 - np.mean([metrics.colorfulness(255 * rgb.transpose(1, 2, 0)) for rgb in rgb_b3hw]) / 100


@pytest.mark.parametrize("factor", [1, 4])
def test_value_and_gradient_against_float64(factor):
    L, truth = reference.photographs()
    ab = truth[:, :, ::factor, ::factor] * 0.5
    reference.check(
        Colorfulness(),
        ab,
        reference.make_batch(truth, L),
        lambda given: metric(reference.recolored(given, L)),
        step=1e-3,
    )


def test_it_is_the_metric_of_a_photograph():
    photo = data.coffee()[100:164, 200:264]
    batch = Batch.from_rgb(paddle.to_tensor(photo[None]))
    value, _ = reference.evaluate(Colorfulness(), batch.ab_b2hw.numpy(), batch)
    assert value == pytest.approx(1 - metrics.colorfulness(photo) / 100, abs=1e-4)
    np.testing.assert_allclose(original_rgb(batch).numpy()[0].transpose(1, 2, 0), photo / 255, atol=1e-4)


def test_gray_costs_one_and_has_a_finite_gradient_of_nothing():
    L, truth = reference.photographs()
    value, gradient = reference.evaluate(Colorfulness(), np.zeros_like(truth), reference.make_batch(truth, L))
    assert value == pytest.approx(1.0, abs=2e-4)
    assert np.isfinite(gradient).all()
