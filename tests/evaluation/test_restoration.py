"""Stages of a restoration are measured where they work: known stages, and PSNR computed anew from the pictures."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.batch import Prediction
from oldrestore.color.lab import rgb_to_lab
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config, override_config
from oldrestore.data.damage.base import Damaged
from oldrestore.data.damage.chain import DamageChain
from oldrestore.data.damage.fading import Fading
from oldrestore.data.damage.holes import Holes
from oldrestore.errors import UserError
from oldrestore.evaluation.evaluator import Evaluated
from oldrestore.evaluation.prediction import recolor
from oldrestore.evaluation.restoration import RESTORATION_STREAM, RestorationStages
from oldrestore.evaluation.restoration_stages import VERSIONS
from tests.evaluation.shared import Restorer, context
from tests.generated_photographs import make_photograph

PHOTOS = [(f"{i}.jpg", make_photograph(i, 48)) for i in range(4)]


class Red(nn.Layer):
    """Predicts one colour."""

    predicts = frozenset({"ab"})
    reads = ("L_b1hw",)
    stride = 8

    def forward(self, L_b1hw):
        ab = paddle.to_tensor(np.array([50.0, 20.0], np.float32)).reshape([1, 2, 1, 1])
        return Prediction(ab=ab.expand([L_b1hw.shape[0], 2, *L_b1hw.shape[2:]]))

    def decode(self, prediction):
        return prediction.ab


def measured(network, **changes) -> Evaluated:
    return protocol(**changes)(context(network, PHOTOS))


def damages(seed: int = 0) -> list[Damaged]:
    """The holes of each photograph."""
    seeds = ([RESTORATION_STREAM, seed, place] for place in range(len(PHOTOS)))
    return [Holes(1.0)(rgb, np.random.default_rng(seed)) for (_, rgb), seed in zip(PHOTOS, seeds, strict=True)]


def upper_half(rgb):
    mask = np.zeros(rgb.shape[:2], bool)
    mask[: len(rgb) // 2] = True
    return SimpleNamespace(mask_hw=mask)


def black(rgb, mask):
    return np.where(mask[..., None], 0, rgb).astype(np.uint8)


def lighter(rgb):
    return np.minimum(rgb, 235) + np.uint8(20)


SETTINGS = {"damages": {"holes": Holes()}, "detect": upper_half, "fill": black, "restore": {"lighter": lighter}}
SETTINGS |= {"severities": [1.0], "photographs": None, "samples": 0}


def protocol(**changes) -> RestorationStages:
    return RestorationStages(**SETTINGS | changes)


def decibels(picture, original, where=None):
    error = (picture.astype(float) - original) ** 2
    return 10 * np.log10(255**2 / (error if where is None else error[where]).mean())


def test_every_version_is_what_its_stages_make():
    found = measured(Red(), seed=3)
    expected = {}
    for (_, rgb), damaged in zip(PHOTOS, damages(seed=3), strict=True):
        picture, half = damaged.rgb_hw3, upper_half(rgb).mask_hw
        classical = lighter(black(picture, half))
        L = np.ascontiguousarray(rgb_to_lab(classical)[..., 0])
        made = {
            "nothing": picture,
            "fill_known": black(picture, damaged.mask_hw),
            "fill": black(picture, half),
            "restore": lighter(picture),
            "classical": classical,
            "colorized": recolor(L, np.broadcast_to(np.float32([50, 20]), (*L.shape, 2))),
        }
        for version, result in made.items():
            expected.setdefault(f"{version}_psnr", []).append(decibels(result, rgb))
            expected.setdefault(f"{version}_psnr_hole", []).append(decibels(result, rgb, damaged.mask_hw))
    expected = {name: pytest.approx(np.mean(values)) for name, values in expected.items()}
    rows = {f"{row['version']}_{measure}": row[measure] for row in found.rows for measure in ("psnr", "psnr_hole")}
    assert rows == expected and list(rows) == list(expected)
    for prefix in ("holes_1/", ""):
        assert {name: found.values[f"{prefix}{name}"] for name in expected} == expected
    assert found.values["holes_1/fill_known_psnr_known"] == 100.0
    assert len(found.per_image) == 4 * (6 * 6 + 4)


def test_a_restoring_network_fills_and_repaints():
    def fills(network):
        return lambda rgb, mask: np.where(mask[..., None], 51, rgb).astype(np.uint8)

    def repaints(network):
        return lambda rgb: 255 - rgb

    made = measured(Restorer(), network_fill=fills, network_restore=repaints)
    versions = {row["version"]: row for row in made.rows}
    assert list(versions) == [name for name in VERSIONS if name != "colorized"]
    half = upper_half(PHOTOS[0][1]).mask_hw[..., None]
    filled = [np.where(half, 51, damaged.rgb_hw3).astype(np.uint8) for damaged in damages()]
    expected = [decibels(255 - picture, rgb) for picture, (_, rgb) in zip(filled, PHOTOS, strict=True)]
    assert versions["network"]["psnr"] == pytest.approx(np.mean(expected))

    keeps = measured(Restorer(output="composed"), network_fill=fills, network_restore=repaints)
    versions = {row["version"]: row for row in keeps.rows}
    assert "network_restore" not in versions
    # The classical restore stage follows where the network keeps what it is given.
    expected = [decibels(lighter(picture), rgb) for picture, (_, rgb) in zip(filled, PHOTOS, strict=True)]
    assert versions["network"]["psnr"] == pytest.approx(np.mean(expected))


def test_detection_is_pooled_over_pixels():
    row = measured(Red()).rows[-1]
    masks = [damaged.mask_hw for damaged in damages()]
    both = sum(int(mask[:24].sum()) for mask in masks)
    true = sum(int(mask.sum()) for mask in masks)
    assert row["detect_precision"] == pytest.approx(both / (4 * 24 * 48))
    assert row["detect_recall"] == pytest.approx(both / true)


def test_damage_without_a_mask_is_measured_outside_only():
    found = measured(Red(), damages={"fading": Fading()}, severities=[0.3, 0.9])
    assert [(row["severity"], row["version"]) for row in found.rows][:2] == [(0.3, "nothing"), (0.3, "fill")]
    assert {row["psnr_hole"] for row in found.rows} == {None}
    nothing = [row for row in found.rows if row["version"] == "nothing"]
    assert nothing[0]["psnr"] == pytest.approx(nothing[0]["psnr_known"])
    assert nothing[0]["psnr"] > nothing[1]["psnr"]
    assert found.rows[1]["detect_f1"] is None


def test_stages_may_be_left_out():
    found = measured(Restorer(), detect={}, fill={}, restore={})
    assert [row["version"] for row in found.rows] == ["nothing"]
    found = measured(Restorer(), detect={}, restore={})
    assert [row["version"] for row in found.rows] == ["nothing", "fill_known", "classical"]
    assert found.rows[2]["psnr"] == found.rows[0]["psnr"]


def test_damage_does_not_depend_on_how_many_photographs_are_measured():
    every, one = (measured(Red(), photographs=n) for n in (None, 1))
    assert {score.image for score in one.per_image} == {"0.jpg"}
    assert one.per_image == [score for score in every.per_image if score.image == "0.jpg"]


def test_lpips_is_measured_where_there_are_weights():
    def distance(rgb_b3hw, other_b3hw):
        return (rgb_b3hw - other_b3hw).abs().mean()

    found = measured(Red(), lpips=distance)
    errors = [d.rgb_hw3 - rgb.astype(float) for d, (_, rgb) in zip(damages(), PHOTOS, strict=True)]
    assert found.values["holes_1/nothing_lpips"] == pytest.approx(np.abs(errors).mean() / 255, rel=1e-5)


def test_the_panel_shows_the_last_damage_at_its_worst():
    found = measured(Red(), damages={"holes": Holes(), "chain": DamageChain([Fading(1.0)])}, samples=2)
    (name, panel), *others = found.panels.items()
    assert name == "chain_1"
    assert not others
    assert panel.shape[1] > 4 * 48


def test_the_configured_protocol_measures_a_restorer():
    config = compose_config(
        ["evaluation=restoration", "evaluation.evaluators.restoration.severities=[0.5]"]
        + [f"~evaluation.evaluators.restoration.damages.{name}" for name in ("creases", "stains", "fading", "noise")]
    )
    evaluator = build(config.evaluation.evaluators.restoration)
    evaluator.photographs, evaluator.samples = 1, 1
    found = evaluator(context(Restorer(), PHOTOS))
    assert {row["damage"] for row in found.rows} == {"scratches", "holes", "medium"}
    rows = {(row["damage"], row["version"]): row for row in found.rows}
    # Biharmonic fills of known scratches are far better than scratches.
    assert rows["scratches", "fill_known"]["psnr_hole"] > rows["scratches", "nothing"]["psnr_hole"] + 5
    assert rows["medium", "network"]["n"] == 1


def test_mistakes_are_refused():
    with pytest.raises(UserError, match=r"damages\.holes must be a choice of conf/damage"):
        protocol(damages={"holes": "holes"})
    with pytest.raises(UserError, match="at least one kind of damage"):
        protocol(damages={})
    with pytest.raises(UserError, match=r"severities\.0 must be less than or equal to 1|severities must"):
        compose_config(["evaluation=restoration", "evaluation.evaluators.restoration.severities=[2]"])


def test_a_stage_of_the_protocol_is_chosen_for_a_run():
    run = compose_config(["model=sagan_restore", "loss=restoration", "inputs=holes", "evaluation=holes"])
    place = "evaluation.evaluators.restoration"
    changed = override_config(
        run, ["evaluation=restoration", f"restore/detect@{place}.detect=none", f"{place}.photographs=3"]
    )
    evaluator = build(changed.evaluation.evaluators.restoration)
    assert evaluator.stages.detect is None
    assert evaluator.stages.fill is not None
    assert evaluator.photographs == 3
