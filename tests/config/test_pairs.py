"""A loss that reads what a network does not predict is refused with both names and what would fit."""

import re

import pytest

from oldrestore.config import pairs
from oldrestore.config.compose import compose_config
from oldrestore.losses.classification import SoftCrossEntropy

MODEL = {"_target_": "oldrestore.models.eccv16.Eccv16"}
LOSS = {"_target_": "oldrestore.losses.classification.SoftCrossEntropy"}


def test_a_pair_that_does_not_fit_names_both_and_the_alternatives(monkeypatch, refusal):
    pairs.check_pair(MODEL, LOSS)
    monkeypatch.setattr(SoftCrossEntropy, "reads", frozenset({"logits", "rgb"}))
    message = refusal(pairs.check_pair, MODEL, LOSS)
    assert "SoftCrossEntropy reads logits and rgb" in message and "Eccv16 predicts logits" in message


def test_what_would_fit_is_said_in_three_lines(refusal):
    models, losses = pairs.choices("model"), pairs.choices("loss")

    def fits(model: dict, loss: dict) -> bool:
        return pairs.readings(loss) <= pairs.predictions(model)

    fitting = {name: {model for model, node in models.items() if fits(node, loss)} for name, loss in losses.items()}
    assert fitting["cross_entropy"] == {"eccv16", "lite_unet"} and "larsson" in fitting["hue_chroma"]
    assert {"ddcolor", "resnet", "siggraph17", "sagan_colorize"} == fitting["l1"] and "resnet" in fitting[
        "mse_dispersion"
    ]
    assert fitting["restoration"] == {"sagan_restore"} and fitting["siggraph17_full"] == {"siggraph17"}
    refused = 0
    for loss_name, loss in losses.items():
        for model_name, model in models.items():
            if model_name in fitting[loss_name]:
                continue
            refused += 1
            message = refusal(pairs.check_pair, model, loss)
            assert len(f"oldrestore: {message}") <= 3 * 80, message
            # Every model and loss that is named does fit.
            for kind, named in re.findall(r"(model|loss) \(([^)]+)\)", message):
                for name in named.removesuffix(", ...").split(", "):
                    assert fits(models[name], loss) if kind == "model" else fits(model, losses[name]), message
    assert refused > 100


@pytest.mark.parametrize(
    ("model", "loss", "setting"),
    [
        ("eccv16", "l1", "loss.annealed_mean=0.38"),
        ("resnet", "annealed_mean_l2", "loss.annealed_mean=null"),
        ("lite_unet", "lpips", "loss.annealed_mean=0.38"),
    ],
)
def test_the_setting_that_would_make_a_pair_fit_is_named_and_does(model, loss, setting, refusal):
    config = compose_config([f"model={model}", f"loss={loss}"])
    assert f": set {setting}, or choose another model (" in refusal(pairs.check_pair, config.model, config.loss)
    changed = compose_config([f"model={model}", f"loss={loss}", setting])
    pairs.check_pair(changed.model, changed.loss)


def test_the_setting_may_be_that_of_a_term_or_of_the_model_and_one_that_no_file_has(refusal):
    l1 = {"_target_": "oldrestore.losses.regression.L1"}
    mixed = {"_target_": "oldrestore.losses.composite.Composite", "terms": {"a": {"loss": LOSS}, "b": {"loss": l1}}}
    assert ": set +loss.terms.b.loss.annealed_mean=0.38, or " in refusal(pairs.check_pair, MODEL, mixed)
    hinted = {"_target_": "oldrestore.models.siggraph17.Siggraph17", "stage": "classification"}
    assert ": set model.stage=full, or " in refusal(pairs.check_pair, hinted, l1)


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
