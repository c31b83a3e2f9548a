"""A loss that reads what a network does not predict is refused with both names and the pairs that fit."""

from oldrestore.config import pairs
from oldrestore.losses.classification import SoftCrossEntropy

MODEL = {"_target_": "oldrestore.models.eccv16.Eccv16"}
LOSS = {"_target_": "oldrestore.losses.classification.SoftCrossEntropy"}


def test_a_pair_that_does_not_fit_names_both_and_the_alternatives(monkeypatch, refusal):
    pairs.check_pair(MODEL, LOSS)
    monkeypatch.setattr(SoftCrossEntropy, "reads", frozenset({"logits", "rgb"}))
    message = refusal(pairs.check_pair, MODEL, LOSS)
    assert "SoftCrossEntropy reads logits and rgb" in message and "Eccv16 predicts logits" in message


def test_fitting_pairs_come_from_the_folders():
    fitting = dict(pair.split(" with ") for pair in pairs.fitting_pairs())
    eccv16 = set(fitting["eccv16"].split(", "))
    assert eccv16 >= {"cross_entropy", "rebalanced_cross_entropy", "squared_emd", "annealed_mean_l1"}
    assert not eccv16 & {"l1", "l2", "colorfulness", "ddcolor", "siggraph17_full", "hue_chroma", "restoration"}
    assert "hue_chroma" in fitting["larsson"] and "mse_dispersion" in fitting["resnet"]
    siggraph17 = set(fitting["siggraph17"].split(", "))
    assert siggraph17 >= {"l1", "l2", "siggraph17_classification", "siggraph17_full", "smooth_l1"}
    assert not siggraph17 & {"cross_entropy", "rebalanced_cross_entropy"}
    assert "restoration" in fitting["sagan_restore"].split(", ")
    assert "l1" in fitting["sagan_colorize"].split(", ")
    assert "restoration" not in fitting["sagan_colorize"].split(", ")


def test_a_stage_that_leaves_a_prediction_out_is_known_before_anything_is_built(refusal):
    model = {"_target_": "oldrestore.models.siggraph17.Siggraph17"}
    l1 = {"_target_": "oldrestore.losses.regression.L1"}
    both = {"terms": {"a": {"loss": l1}, "b": {"loss": {"_target_": "oldrestore.losses.regression.L2"}}}}
    composite = {"_target_": "oldrestore.losses.composite.Composite", **both}
    pairs.check_pair(model, composite)
    message = refusal(pairs.check_pair, model | {"stage": "classification"}, composite)
    assert "reads ab but the model " in message and "Siggraph17 predicts class_logits:" in message


def test_a_loss_whose_reading_depends_on_its_settings_is_asked():
    l2 = {"_target_": "oldrestore.losses.regression.L2"}
    assert pairs.readings(l2) == pairs.readings(l2 | {"annealed_mean": None}) == {"ab"}
    assert pairs.readings(l2 | {"annealed_mean": 0.38}) == {"logits"}
    nested = {"terms": {"a": {"loss": l2}, "b": {"loss": l2 | {"annealed_mean": 1.0}}}}
    assert pairs.readings(nested) == {"ab", "logits"}
    assert pairs.readings({"terms": {"a": LOSS, "b": {"weight": 2.0}}}) == {"logits"}
    assert pairs.readings(l2 | {"features": MODEL}) == {"ab"}  # a network within a loss adds nothing


def test_choices_that_are_put_together_from_others_are_whole():
    inputs = pairs.choices("inputs")
    assert all("defaults" not in node and "_target_" in node for node in inputs.values())
    assert {"colors", "hints", "holes"} <= set(inputs)
