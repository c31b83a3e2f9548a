"""Effective-number weights against the paper's formula, and resources that a run gives."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from oldrestore.color.prior import rebalancing_weights
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.image_folder import ImageFolder
from oldrestore.losses.class_weights import EffectiveNumber, Rebalance
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.run.components import prepare_loss
from tests.losses import reference
from tests.losses.reference import PRIOR


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99, 0.9999, 0.999999])
def test_effective_number_against_the_sum_that_it_stands_for(beta):
    # E_n = 1 + beta + ... + beta^(n - 1), for whole numbers of pixels.
    pixels = np.random.default_rng(1).integers(1, 3000, 313)
    weights = EffectiveNumber(beta).weights(pixels / pixels.sum(), float(pixels.sum()))
    effective = np.array([(beta ** np.arange(n)).sum() for n in pixels])
    expected = 1.0 / effective
    expected /= (pixels / pixels.sum() * expected).sum()
    np.testing.assert_allclose(weights, expected, rtol=1e-9)


def test_effective_number_at_its_limits():
    np.testing.assert_array_equal(EffectiveNumber(0.0).weights(PRIOR, 1e6), np.ones(313))
    np.testing.assert_allclose(EffectiveNumber(1e-12).weights(PRIOR, 1e6), 1.0, rtol=1e-9)
    # beta to 1 is the inverse of the frequency, which sum(p w) = 1 makes 1 / (313 p).
    np.testing.assert_allclose(EffectiveNumber(1 - 1e-15).weights(PRIOR, 1e10), 1 / (313 * PRIOR), rtol=1e-5)


@pytest.mark.parametrize("weights", [Rebalance(), Rebalance(0.0, clamp=5.0), EffectiveNumber(0.999)])
def test_weights_average_one_under_the_prior_and_rare_colours_weigh_more(weights):
    found = weights.weights(PRIOR, 1e6)
    assert found.dtype == np.float64 and (PRIOR * found).sum() == pytest.approx(1.0, rel=1e-12)
    assert (np.diff(found[np.argsort(PRIOR)]) <= 0).all() and found.max() > 1.5


def test_a_colour_of_less_than_a_pixel_counts_as_one():
    prior = np.full(313, 1.0)
    prior[7] = 0.0
    weights = EffectiveNumber(0.99).weights(prior, 1e9)
    assert weights[7] / weights[8] == pytest.approx(1 / (1 - 0.99), rel=1e-9)


@pytest.mark.parametrize("pixels", [None, 0.0, float("nan")])
def test_no_pixels_is_no_number(pixels):
    with pytest.raises(ValueError, match="number of pixels above 0"):
        EffectiveNumber().weights(PRIOR, pixels)


def test_a_run_gives_the_prior_and_its_pixels(tmp_path):
    for name, colour in {"a": (220, 40, 30), "b": (30, 60, 200), "gray": (90, 90, 90)}.items():
        Image.new("RGB", (16, 16), colour).save(tmp_path / f"{name}.png")
    crops = Crops(16, 8)
    train = ImageFolder(crops, str(tmp_path), validation_fraction=0).split("train")
    given = {}
    loss, alike = (SoftCrossEntropy(rebalance=EffectiveNumber(0.99), logit_adjustment=1.0) for _ in range(2))
    prepare, loss.prepare = loss.prepare, lambda **resources: (given.update(resources), prepare(**resources))
    prepare_loss(loss, train, train, SimpleNamespace(crops=crops))
    assert given.keys() == {"prior", "prior_pixels"}
    assert given["prior_pixels"] == 512.0 and given["prior"].sum() == pytest.approx(1.0)
    alike.prepare(**given)
    logits, ab = reference.of_bins()
    values = [reference.evaluate(one, logits, reference.make_batch(ab))[0] for one in (loss, alike)]
    assert values[0] == values[1]


def test_rebalancing_is_that_of_the_colour_prior():
    np.testing.assert_array_equal(Rebalance(0.3, 0.8, 9.0).weights(PRIOR), rebalancing_weights(PRIOR, 0.3, 0.8, 9.0))
