"""The colourfulness loss against the metric of that name in NumPy, on photographs and at its limits."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from skimage import data

from oldrestore.batch import Batch
from oldrestore.evaluation import metrics
from oldrestore.losses.colorfulness import Colorfulness
from oldrestore.losses.predicted_color import original_rgb, recolored_rgb
from tests.losses import reference


def metric(rgb_b3hw):
    return 1 - np.mean([metrics.colorfulness(255 * rgb.transpose(1, 2, 0)) for rgb in rgb_b3hw]) / 100


def test_the_reference_s_colours_are_scikit_image_s():
    from skimage.color import lab2rgb

    L, ab = reference.photographs()
    expected = lab2rgb(np.concatenate([L, ab], axis=1).transpose(0, 2, 3, 1).astype(np.float64))
    np.testing.assert_allclose(reference.recolored(ab, L).transpose(0, 2, 3, 1), expected, atol=1e-3)
    assert expected.min() > 0 and expected.max() < 1


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


def test_one_colour_everywhere_counts_by_its_distance_from_gray():
    # sigma is 0 but for rounding, so CF = 0.3 mu.
    L, truth = np.full((1, 1, 4, 4), 60.0, np.float32), np.zeros((1, 2, 4, 4), np.float32)
    ab = np.broadcast_to(np.reshape([15.0, -10.0], (1, 2, 1, 1)), truth.shape)
    red, green, blue = 255 * reference.recolored(ab, L)[0, :, 0, 0]
    value, _ = reference.evaluate(Colorfulness(), ab, reference.make_batch(truth, L))
    assert value == pytest.approx(1 - 0.003 * np.hypot(red - green, (red + green) / 2 - blue), abs=2e-5)


def test_more_chroma_costs_less():
    L, truth = reference.photographs()
    values = [
        reference.evaluate(Colorfulness(), share * truth, reference.make_batch(truth, L))[0]
        for share in (0.0, 0.3, 0.6, 1.0)
    ]
    assert values == sorted(values, reverse=True) and len(set(values)) == 4


def test_a_smaller_ab_is_enlarged_and_a_full_one_kept():
    L, truth = reference.photographs()
    batch = reference.make_batch(truth, L)
    for factor in (1, 2, 4):
        small = truth[:, :, ::factor, ::factor]
        found = recolored_rgb(paddle.to_tensor(small), batch).numpy()
        np.testing.assert_allclose(found, reference.recolored(small.astype(np.float64), L), atol=1e-4)
