"""Filled holes are measured where they are: hand-computed PSNR, and a network that knows the answer."""

import numpy as np
import paddle
import pytest
from skimage.restoration import inpaint_biharmonic

from oldrestore.data.inputs.holes import HoleInputs
from oldrestore.errors import UserError
from oldrestore.evaluation.holes import HOLES_STREAM, HoleFilling, score_fill
from tests.evaluation.shared import Restorer, context
from tests.generated_photographs import make_photograph

PHOTOS = [(f"{i}.jpg", make_photograph(i, 32)) for i in range(3)]


def test_psnr_is_that_of_the_pixels_concerned():
    original = np.full((16, 16, 3), 100, np.uint8)
    hole = np.zeros((16, 16), bool)
    hole[4:8, 4:8] = True
    picture = original.copy()
    picture[hole] += 10
    scores = score_fill(picture, original, hole)
    assert scores["psnr_hole"] == (pytest.approx(10 * np.log10(255**2 / 100)), 1.0)
    assert scores["psnr_known"] == (100.0, 1.0)
    assert scores["ssim_hole"][0] < scores["ssim_known"][0] < 1.0
    assert score_fill(original, original, hole)["ssim_hole"] == (pytest.approx(1.0), 1.0)
    assert score_fill(original, original, np.zeros((16, 16), bool))["psnr_hole"][1] == 0.0


def test_every_fill_is_measured_on_the_same_seeded_holes():
    found = HoleFilling(seed=5, samples=2)(context(Restorer(), PHOTOS))
    expected = {"mean": [], "biharmonic": [], "network": []}
    for place, (name, rgb) in enumerate(PHOTOS):
        rng = np.random.default_rng([HOLES_STREAM, 5, place])
        hole = HoleInputs()(paddle.to_tensor(rgb[None]), [name], rng).hole_b1hw.numpy()[0, 0] > 0
        known = np.where(hole[..., None], 0, rgb) / 255
        fills = {
            "mean": np.where(hole[..., None], np.round(rgb[~hole].mean(axis=0)), rgb),
            "biharmonic": np.round(np.clip(inpaint_biharmonic(known, hole, channel_axis=-1), 0, 1) * 255),
            "network": np.where(hole[..., None], 51, rgb),
        }
        for method, fill in fills.items():
            error = ((fill.astype(float) - rgb)[hole] ** 2).mean()
            expected[method].append(10 * np.log10(255**2 / error))
    for method, values in expected.items():
        assert found.values[f"{method}_psnr_hole"] == pytest.approx(np.mean(values), abs=0.02)
    gain = np.mean(expected["network"]) - np.mean(expected["mean"])
    assert found.values["psnr_gain_over_mean"] == pytest.approx(gain, abs=0.04)
    assert [row["fill"] for row in found.rows] == ["mean", "biharmonic", "network"]
    assert {row["n"] for row in found.rows} == {3}
    assert len(found.per_image) == 3 * 3 * 4
    assert found.panels["filled"].shape[1] > 4 * 32


def test_measures_do_not_depend_on_the_batch_size():
    one, three = (HoleFilling(biharmonic=False)(context(Restorer(), PHOTOS, size)).values for size in (1, 3))
    assert one == three


def test_a_network_that_predicts_colour_is_refused():
    network = Restorer()
    network.predicts = frozenset({"ab"})
    with pytest.raises(UserError, match="predicts ab: use a model that predicts rgb"):
        HoleFilling()(context(network, PHOTOS))
