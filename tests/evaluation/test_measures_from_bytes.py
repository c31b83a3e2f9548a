"""What a validation says of photographs, against measures computed apart from the bytes on."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.prediction import ColorPrediction, recolor
from oldrestore.evaluation.validation import measure_photos, summarize_validation
from tests.evaluation import plain_measures as plain
from tests.evaluation.shared import gray, knowing

RNG = np.random.default_rng(11)


def soft(size=24):
    """A photograph of smooth colour with some noise."""
    y, x = np.mgrid[:size, :size] / size
    clean = np.stack([120 + 100 * np.sin(3 * x), 110 + 90 * y, 140 - 100 * x * y], axis=-1)
    return np.clip(clean + RNG.normal(0, 6, clean.shape), 0, 255).astype(np.uint8)


def saturated(size=24):
    """The corners of sRGB: nothing is more colourful."""
    corners = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]], np.uint8)
    return corners[RNG.integers(0, 6, (size // 4, size // 4))].repeat(4, axis=0).repeat(4, axis=1)


PHOTOGRAPHS = {
    "soft": soft(),
    "saturated": saturated(),
    "gray": np.full((24, 24, 3), 90, np.uint8) + RNG.integers(0, 99, (24, 24, 1), dtype=np.uint8),
    "black": np.zeros((24, 24, 3), np.uint8),
    "white": np.full((36, 24, 3), 255, np.uint8),
}
COLORIZERS = {
    "gray": lambda true: np.zeros_like(true),
    "truth": lambda true: true.copy(),
    "paler": lambda true: 0.5 * true,
    "wrong": lambda true: -true,
    "vivid": lambda true: np.full_like(true, 95.0),
}


@pytest.mark.parametrize("named", COLORIZERS)
def test_every_measure_of_every_photograph(named):
    answer = COLORIZERS[named]
    colorize = knowing(PHOTOGRAPHS.values(), lambda ab: ColorPrediction(answer(ab).astype(np.float32)))
    truths = {}
    for name, rgb in PHOTOGRAPHS.items():
        truths[name] = rgb2lab(rgb)
        # float32 against float64: two independent conversions agree to a few thousandths of a Lab unit.
        np.testing.assert_allclose(rgb_to_lab(rgb), truths[name], atol=0.02)
    result = summarize_validation(measure_photos(colorize, PHOTOGRAPHS.items(), batch_size=2))
    ours = {(score.image, score.metric): score for score in result.per_image}

    counts = sum(np.bincount(plain.bins(true[..., 1:]).ravel(), minlength=313) for true in truths.values())
    prior = plain.smoothed(counts)
    np.testing.assert_allclose(result.prior, prior, rtol=0.02, atol=1e-7)
    totals, pixels = np.zeros(2), np.zeros(2)
    for name, rgb in PHOTOGRAPHS.items():
        true = truths[name][..., 1:]
        lightness = rgb_to_lab(rgb)[..., 0]
        own = colorize([lightness])[0].ab_hw2
        made = recolor(lightness, own)
        assert ours[name, "auc"].value == pytest.approx(plain.auc(own, true), abs=0.004)
        pixels += true[..., 0].size * np.array([ours[name, "auc"].value, 1])
        weights = 1 / prior[plain.bins(true)]
        rebalanced = plain.auc(own, true, weights)
        assert ours[name, "auc_rebalanced"].value == pytest.approx(rebalanced, abs=0.004)
        totals += weights.sum() * np.array([rebalanced, 1])
        expected = min(100.0, plain.psnr(made, rgb)) if (made != rgb).any() else 100.0
        assert ours[name, "psnr"].value == pytest.approx(expected, rel=1e-12)
        assert ours[name, "ssim"].value == pytest.approx(plain.ssim(made, rgb), abs=1e-9)
        cf, original = plain.colorfulness(made), plain.colorfulness(rgb)
        assert ours[name, "colorfulness"].value == pytest.approx(cf, rel=1e-9, abs=1e-9)
        assert ours[name, "colorfulness_original"].value == pytest.approx(original, rel=1e-9, abs=1e-9)
        assert ours[name, "colorfulness_difference"].value == pytest.approx(abs(cf - original), abs=1e-9)
        difference = deltaE_ciede2000(rgb2lab(made), rgb2lab(rgb))
        assert ours[name, "de2000"].value == pytest.approx(difference.mean(), abs=1e-4)
        assert ours[name, "de2000_p95"].value == pytest.approx(np.quantile(difference, 0.95), abs=1e-3)
        of_gray = deltaE_ciede2000(rgb2lab(recolor(lightness, 0 * own)), rgb2lab(rgb))
        nearer = (difference < of_gray - 1e-4).mean() + (np.abs(difference - of_gray) <= 1e-4).mean() / 2
        assert ours[name, "nearer_than_gray"].value == pytest.approx(nearer, abs=0.01)
        assert ours[name, "ab_rmse"].value == pytest.approx(np.sqrt(((own - true) ** 2).mean()), abs=0.01)
    assert result.summary["auc"] == pytest.approx(pixels[0] / pixels[1])
    assert result.summary["auc_rebalanced"] == pytest.approx(totals[0] / totals[1], abs=0.004)


def test_the_ends_of_the_measures():
    found = summarize_validation(measure_photos(gray, PHOTOGRAPHS.items()))
    ours = {(score.image, score.metric): score.value for score in found.per_image}
    for name in ("gray", "black", "white"):
        # A photograph without colour is what a colorizer makes that gives none.
        assert ours[name, "psnr"] == 100.0
        assert ours[name, "ssim"] == pytest.approx(1)
        # Rounding leaves gray a few hundredths of a Lab unit, which count as an error of 1 on the grid of thresholds.
        assert ours[name, "auc"] >= 149.5 / 150 - 1e-12
        assert ours[name, "colorfulness"] == pytest.approx(0, abs=1.5)
        assert ours[name, "colorfulness_difference"] == pytest.approx(0, abs=1.5)
    # The corners of sRGB are 97 to 134 Lab units from gray.
    assert ours["saturated", "auc"] < 0.4
    assert ours["saturated", "psnr"] < 10
    assert ours["saturated", "colorfulness_original"] > 150
