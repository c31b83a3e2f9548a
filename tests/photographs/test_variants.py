"""Variants: as far apart as asked, the likeliest first, the same each time; and only what the network allows."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000

from oldrestore.color.bins import AB_BINS
from oldrestore.photographs.variants import divided, variants

HEIGHT, WIDTH = 32, 40
GRAY, BLUE, RED = np.array([0.0, 0.0]), np.array([10.0, -50.0]), np.array([50.0, 40.0])
GREEN = np.array([-40.0, 40.0])


def likely(*colors_and_masses) -> np.ndarray:
    """Probabilities of the 313 bins, (313,): Gaussians around some colours."""
    p = sum(mass * np.exp(-((AB_BINS - ab) ** 2).sum(axis=1) / (2 * 6.0**2)) for ab, mass in colors_and_masses)
    return p / p.sum()


def photograph(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and lightness of a photograph with two halves."""
    p_qhw = np.empty((313, HEIGHT, WIDTH))
    p_qhw[:, :, : WIDTH // 2], p_qhw[:, :, WIDTH // 2 :] = left[:, None, None], right[:, None, None]
    L_hw = np.full((HEIGHT, WIDTH), 40.0, np.float32)
    L_hw[:, WIDTH // 2 :] = 70.0
    return np.log(p_qhw + 1e-12).astype(np.float32), L_hw


def mean_color(logits_qhw: np.ndarray) -> np.ndarray:
    p = np.exp(logits_qhw - logits_qhw.max(axis=0))
    return np.einsum("qhw,qc->hwc", p / p.sum(axis=0), AB_BINS).astype(np.float32)


def distance(one: np.ndarray, other: np.ndarray, L_hw: np.ndarray) -> float:
    return float(deltaE_ciede2000(*(np.dstack([L_hw, ab]) for ab in (one, other))).mean())


@pytest.fixture
def unsure():
    """The left half is gray for certain, the right one blue, red or green."""
    return photograph(likely((GRAY, 1.0)), likely((BLUE, 0.5), (RED, 0.3), (GREEN, 0.2)))


@pytest.mark.parametrize("least", [3.0, 8.0])
def test_variants_are_as_far_apart_as_asked_and_the_first_is_the_networks_answer(unsure, least):
    logits, L_hw = unsure
    found = variants(logits, L_hw, mean_color, 1.0, 4, least)
    assert len(found) == 4
    np.testing.assert_array_equal(found[0], mean_color(logits))
    for number, one in enumerate(found):
        assert all(distance(one, other, L_hw) >= least for other in found[:number])


def test_a_region_takes_the_modes_of_its_distribution_by_likelihood_and_what_is_sure_stays(unsure):
    logits, L_hw = unsure
    found = variants(logits, L_hw, mean_color, 1.0, 4, 6.0)
    inside, sure = np.s_[8:-8, 30:36], np.s_[8:-8, 4:10]
    for one, mode in zip(found[1:], (BLUE, RED, GREEN), strict=True):
        np.testing.assert_allclose(one[inside].mean(axis=(0, 1)), mode, atol=8.0)
    for one in found:
        np.testing.assert_allclose(one[sure], 0.0, atol=1.0)


def test_the_same_is_found_again(unsure):
    logits, L_hw = unsure
    for one, again in zip(*(variants(logits, L_hw, mean_color, 1.0, 3, 5.0) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_network_that_is_sure_gives_its_answer_alone():
    logits, L_hw = photograph(likely((GRAY, 1.0)), likely((BLUE, 1.0)))
    assert len(variants(logits, L_hw, mean_color, 1.0, 4, 12.0)) == 1
    assert len(variants(logits, L_hw, mean_color, 1.0, 1, 0.0)) == 1


def test_what_is_lit_and_predicted_alike_is_one_region(unsure):
    logits, L_hw = unsure
    p_qhw = np.exp(logits)
    labels = divided(p_qhw, np.dstack([L_hw, mean_color(logits)]))
    assert set(np.unique(labels)) == {0, 1}
    # Superpixels end at the edge, give or take a pixel.
    assert (labels[:, : WIDTH // 2 - 1] == labels[0, 0]).all() and (labels[:, WIDTH // 2 + 1 :] != labels[0, 0]).all()
