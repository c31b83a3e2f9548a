"""siggraph17 trained in its two stages through the command line, with hints measured at the end."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from oldrestore.device import seed_everything
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint

QUICK = [
    "model=siggraph17",
    "model.width=0.0625",
    "tracking=none",
    "evaluation.judged=null",
    "trainer.evaluate_every=0",
]
HINTS = "+evaluation.evaluators.hints={_target_: oldrestore.evaluation.hints.HintCurve, counts: [1, 10], samples: 2}"


@pytest.fixture(scope="module")
def stages(make_workshop):
    """Run folders of the classification stage and of the full one that starts from it."""
    workshop = make_workshop()
    code, first = workshop.train(
        *QUICK, "loss=siggraph17_classification", "model.stage=classification", "trainer.max_iterations=3"
    )
    assert code == 0
    weights = f"model.weights={first}/checkpoints/last.safetensors"
    code, second = workshop.train(*QUICK, "loss=siggraph17_full", "inputs=hints", weights, HINTS)
    assert code == 0
    return first, second


def test_the_first_stage_leaves_the_regression_as_it_was(stages):
    seed_everything(0)
    fresh = Siggraph17(width=0.0625).state_dict()
    tensors = load_checkpoint(stages[0] / "checkpoints" / "last.safetensors").tensors
    regression = ("model9", "model2short9", "model10", "model1short10", "model_out")
    for name, value in fresh.items():
        same = (tensors[f"model.{name}"] == value.numpy()).all()
        assert same == name.startswith(regression), name
    losses = Run(stages[0]).curves["train/loss"].values
    assert losses[0] == pytest.approx(np.log(529), rel=0.05)


def test_the_second_starts_from_it_and_draws_a_curve_for_each_term(stages):
    metrics = Run(stages[1]).curves
    for kind in ("train", "val"):
        parts = (metrics[f"{kind}/{name}"].values for name in ("loss", "classification", "regression"))
        total, classes, regression = parts
        np.testing.assert_allclose(total, classes + 10 * regression, rtol=1e-5)
    assert metrics["train/classification"].values[0] < Run(stages[0]).curves["train/loss"].values[0]


def test_hints_are_measured_at_the_end(stages):
    rows = list(csv.DictReader((stages[1] / "hints.csv").open()))
    assert [(row["hints"], row["n"]) for row in rows] == [("0", "3"), ("1", "3"), ("10", "3")]
    metrics = Run(stages[1]).curves
    scores = list(csv.DictReader((stages[1] / "per_image.csv").open()))
    for row in rows:
        own = [float(s["value"]) for s in scores if (s["set"], s["metric"]) == ("hints", f"psnr_{row['hints']}")]
        assert len(own) == 3
        assert float(row["psnr"]) == pytest.approx(np.mean(own))
        assert metrics[f"hints/psnr_{row['hints']}"].values.tolist() == [pytest.approx(np.mean(own))]
    drawn = {path.name for path in (stages[1] / "samples").iterdir()}
    assert {"hints-curve-000006.png", "hints-samples-000006.png"} <= drawn


def test_the_regression_is_refused_in_the_first_stage(make_workshop, capsys):
    code, folder = make_workshop().train(*QUICK, "loss=siggraph17_full", "model.stage=classification")
    assert (code, folder) == (2, None)
    assert "reads ab and class_logits but the model" in capsys.readouterr().err
