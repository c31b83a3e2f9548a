"""PSNR by number of hints: what is asked, what is measured, and its table, curve and panel."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from skimage.metrics import peak_signal_noise_ratio

from oldrestore.batch import Prediction
from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.evaluator import Evaluated, check_read
from oldrestore.evaluation.hints import HintCurve, curve_rows
from oldrestore.evaluation.scores import ImageScore
from tests.evaluation.shared import context, gray_photograph
from tests.generated_photographs import make_photograph


class Paster:
    """Shows the hints it is given and is gray elsewhere."""

    reads = ("L_b1hw", "hints_b3hw")
    stride = 8

    def __call__(self, L_b1hw, hints_b3hw):
        return Prediction(ab=hints_b3hw[:, :2])

    def decode(self, prediction):
        return prediction.ab


class Gray:
    """Reads no hints."""

    reads = ("L_b1hw",)


def photos(size: int = 40, count: int = 5) -> list[tuple[str, np.ndarray]]:
    return [(f"photo{seed}", make_photograph(seed, size)) for seed in range(count)]


def measured(network, batch_size: int = 2, size: int = 40, count: int = 5, **settings) -> Evaluated:
    return HintCurve(**settings)(context(network, photos(size, count), batch_size))


def psnr_in_gray(rgb: np.ndarray) -> float:
    return peak_signal_noise_ratio(rgb, gray_photograph(rgb), data_range=255)


def values(found, metric: str) -> dict[str, float]:
    return {score.image: score.value for score in found.per_image if score.metric == metric}


def test_a_network_that_pastes_is_as_good_as_pasting():
    found = measured(Paster())
    for count in (0, 1, 2, 5, 10, 20, 50, 100):
        assert values(found, f"psnr_{count}") == values(found, f"pasted_psnr_{count}")
    curve = [row["psnr"] for row in found.rows]
    assert curve == sorted(curve) and curve[-1] > curve[0] + 3


def test_no_hints_are_gray_measured_by_scikit_image():
    found = measured(Paster(), counts=[3])
    assert [row["hints"] for row in found.rows] == [0, 3]
    assert values(found, "psnr_0") == pytest.approx({name: psnr_in_gray(rgb) for name, rgb in photos()})
    assert found.values["psnr_0"] == pytest.approx(np.mean(list(values(found, "psnr_0").values())))


def test_a_network_that_reads_no_hints_is_refused(refusal):
    check_read({"hints": HintCurve()}, Paster())
    said = refusal(check_read, {"hints": HintCurve()}, Gray())
    assert said.startswith("Gray does not read hints_b3hw, which evaluation.evaluators.hints (HintCurve) gives to it")


def test_the_same_is_asked_whatever_the_batch_and_something_else_with_another_seed():
    together, apart = (measured(Paster(), batch_size, counts=[4]) for batch_size in (5, 1))
    assert together.rows == apart.rows and together.per_image == apart.per_image
    assert measured(Paster(), counts=[4], seed=1).rows != together.rows


def test_more_hints_hold_the_fewer_and_show_patch_means():
    curve = HintCurve()
    lab = rgb_to_lab(make_photograph(0, 64))
    few, many = curve.hints("name", lab, 2), curve.hints("name", lab, 50)
    assert 36 < few[2].sum() <= 72 < many[2].sum() <= 50 * 36
    assert (many[2] >= few[2]).all()
    one = curve.hints("name", lab, 1)
    shown = one[2] > 0
    assert shown.sum() == 36
    np.testing.assert_allclose(one[:2][:, shown].T, np.tile(lab[shown][:, 1:].mean(axis=0), (36, 1)), rtol=1e-4)
    assert (curve.hints("another", lab, 1) != one).any()


def test_photographs_are_cut_to_the_stride():
    found = measured(Paster(), size=45, counts=[1])
    expected = {name: psnr_in_gray(rgb[2:42, 2:42]) for name, rgb in photos(45)}
    assert values(found, "psnr_0") == pytest.approx(expected)


def test_rows_against_student():
    rng = np.random.default_rng(0)
    without, with_hints = rng.normal(24, 3, 9), rng.normal(27, 3, 9)
    scores = [
        ImageScore(f"{i}", f"{kind}_{count}", value)
        for kind in ("psnr", "pasted_psnr")
        for count, series in ((0, without), (7, with_hints))
        for i, value in enumerate(series)
    ]
    row = curve_rows(scores, (0, 7))[1]
    assert (row["hints"], row["n"]) == (7, 9)
    assert row["psnr"] == pytest.approx(with_hints.mean())
    assert (row["low"], row["high"]) == pytest.approx(tuple(ttest_1samp(with_hints, 0).confidence_interval(0.95)))
    gain = ttest_1samp(with_hints - without, 0).confidence_interval(0.95)
    assert (row["gain_low"], row["gain_high"]) == pytest.approx(tuple(gain))
    assert curve_rows([s for s in scores if s.image == "0"], (0, 7))[1]["gain_low"] is None


def test_pictures_and_table():
    found = measured(Paster(), counts=[1, 10], samples=2)
    curve, samples = found.panels["curve"], found.panels["samples"]
    assert curve.dtype == samples.dtype == np.uint8 and curve.shape[2] == samples.shape[2] == 3
    assert (curve == [194, 65, 12]).all(axis=2).sum() > 100  # the curve's own colour
    assert found.table.row_count == 3
    assert set(measured(Paster(), count=1, counts=[1], samples=0).panels) == {"curve"}
    assert set(measured(Paster(), counts=[0], samples=1).panels) == {"curve", "samples"}
