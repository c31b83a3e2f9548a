"""The protocol measures what a detector says: perfect, blind, and seeing damage everywhere."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from oldrestore.batch import Prediction
from oldrestore.data.damage.holes import Holes
from oldrestore.data.damage.scratches import Scratches
from oldrestore.errors import UserError
from oldrestore.evaluation.detection import DamageDetection
from oldrestore.evaluation.evaluator import Evaluated
from oldrestore.evaluation.scores import summarize
from tests.evaluation.shared import context
from tests.generated_photographs import make_photograph

PHOTOS = [(f"photo{i}", make_photograph(i, 48)) for i in range(3)]


class Constant:
    predicts = frozenset({"damage_logits"})

    def __init__(self, score: float) -> None:
        self.score = score

    def __call__(self, damaged_b3hw: paddle.Tensor) -> Prediction:
        return Prediction(damage_logits=paddle.full_like(damaged_b3hw[:, :1], self.score))


def found_by(network, **settings) -> Evaluated:
    return protocol(**settings)(context(network, PHOTOS))


def protocol(**settings) -> DamageDetection:
    return DamageDetection({"scratches": Scratches(0.5), "holes": Holes(0.5)}, samples=2, **settings)


def test_who_sees_damage_everywhere_has_recall_1_and_the_damaged_share_as_precision():
    measure = protocol(seed=3)
    found = measure(context(Constant(1.0), PHOTOS))
    for kind in ("scratches", "holes"):
        cases = [measure.cases(rgb, place)[kind] for place, (_, rgb) in enumerate(PHOTOS)]
        share = np.mean([case.mask_hw.mean() for case in cases])
        assert 0.001 < share < 0.5
        assert found.values[f"network_{kind}_recall"] == 1.0
        assert found.values[f"network_{kind}_precision"] == pytest.approx(share)
        assert found.values[f"network_{kind}_iou"] == pytest.approx(share)
        assert found.values[f"network_{kind}_f1"] == pytest.approx(2 * share / (1 + share))
    assert found.values["network_undamaged"] == 1.0
    pooled = summarize(found.per_image)
    assert pooled["network_holes_f1"] == pytest.approx(found.values["network_holes_f1"])
    assert found.panels["found"].dtype == np.uint8


def test_who_sees_nothing_finds_nothing_and_the_threshold_decides():
    blind = found_by(Constant(-1.0)).values
    assert blind["network_f1"] == blind["network_undamaged"] == 0.0
    # The sigmoid of -1 is 0.27.
    assert found_by(Constant(-1.0), threshold=0.25).values["network_undamaged"] == 1.0


def test_a_further_detector_is_measured_on_the_same_damage():
    truth = {}
    measure = protocol()
    for place, (_, rgb) in enumerate(PHOTOS):
        truth |= {case.rgb_hw3.tobytes(): case.mask_hw for case in measure.cases(rgb, place).values()}
    measure.detectors["all_knowing"] = lambda rgb: SimpleNamespace(mask_hw=truth[rgb.tobytes()])
    values = measure(context(Constant(-1.0), PHOTOS)).values
    assert values["all_knowing_f1"] == 1.0 and values["all_knowing_undamaged"] == 0.0


def test_damage_depends_on_seed_and_place_alone():
    rgb = PHOTOS[0][1]
    masks = [protocol(seed=seed).cases(rgb, place)["holes"].mask_hw for seed, place in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any() and (masks[0] != masks[3]).any()


def test_other_networks_and_what_is_no_damage_are_refused():
    with pytest.raises(UserError, match="predicts ab: use a model that predicts damage_logits"):
        found_by(SimpleNamespace(predicts=frozenset({"ab"})))
    with pytest.raises(UserError, match=r"damages\.fire must be a choice of conf/damage"):
        DamageDetection({"fire": 3})
