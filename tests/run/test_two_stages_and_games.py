"""siggraph17 in its two stages and SAGAN's smoke experiments, shrunk, leave curves, tables and panels."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.cli import main
from oldrestore.device import seed_everything
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint
from tests.run.same_run import last
from tests.workshop import SETTINGS

LIGHT = ["tracking=none", "evaluation.judged=null"]
QUICK = [*LIGHT, "model=siggraph17", "model.width=0.0625", "trainer.evaluate_every=0"]
HINTS = "+evaluation.evaluators.hints={_target_: oldrestore.evaluation.hints.HintCurve, counts: [1, 10], samples: 2}"


@pytest.fixture(scope="module")
def stages(make_workshop):
    """Run folders of the classification stage and of the full one that starts from it."""
    workshop = make_workshop()
    stage = ["loss=siggraph17_classification", "model.stage=classification", "trainer.max_iterations=3"]
    code, first = workshop.train(*QUICK, *stage)
    assert code == 0
    weights = f"model.weights={first}/checkpoints/last.safetensors"
    code, second = workshop.train(*QUICK, "loss=siggraph17_full", "inputs=hints", weights, HINTS)
    assert code == 0
    return first, second


def test_the_first_stage_leaves_the_regression_as_it_was(stages):
    seed_everything(0)
    fresh = Siggraph17(width=0.0625).state_dict()
    tensors = last(stages[0]).tensors
    regression = ("model9", "model2short9", "model10", "model1short10", "model_out")
    for name, value in fresh.items():
        same = (tensors[f"model.{name}"] == value.numpy()).all()
        assert same == name.startswith(regression), name
    losses = Run(stages[0]).curves["train/loss"].values
    assert losses[0] == pytest.approx(np.log(529), rel=0.05)


def test_the_second_starts_from_it_and_draws_a_curve_for_each_term(stages):
    metrics = Run(stages[1]).curves
    for kind in ("train", "val"):
        names = ("loss", "classification", "regression")
        total, classes, regression = (metrics[f"{kind}/{name}"].values for name in names)
        np.testing.assert_allclose(total, classes + 10 * regression, rtol=1e-5)
    assert metrics["train/classification"].values[0] < Run(stages[0]).curves["train/loss"].values[0]


def test_hints_are_measured_at_the_end(stages):
    rows = list(csv.DictReader((stages[1] / "hints.csv").open()))
    assert [(row["hints"], row["n"]) for row in rows] == [("0", "3"), ("1", "3"), ("10", "3")]
    metrics = Run(stages[1]).curves
    scores = Run(stages[1]).scores
    for row in rows:
        values = scores[(scores["set"] == "hints") & (scores["metric"] == f"psnr_{row['hints']}")]["value"]
        assert len(values) == 3
        assert float(row["psnr"]) == pytest.approx(values.mean())
        assert metrics[f"hints/psnr_{row['hints']}"].values.tolist() == [pytest.approx(values.mean())]
    assert {"hints-curve-000006.png", "hints-samples-000006.png"} <= set(Run(stages[1]).panels)


# The rest of the workshop's settings would change what the recorded experiments say.
SMALL = [s for s in SETTINGS if s.startswith(("dataset", "trainer.device", "trainer.batch_size"))]
SMALL += ["tracking=none", "trainer.max_iterations=4", "trainer.learner.pretrain_iterations=2"]


def train(workshop, *overrides: str) -> tuple[int, Path | None]:
    places = [f"dataset.root={workshop.photos}", f"outputs={workshop.outputs}"]
    code = main(["train", *SMALL, *places, *overrides])
    return code, next(workshop.outputs.glob("*/*"), None)


def test_restoring_leaves_a_table_a_panel_and_the_curves_of_the_game(workshop, capsys):
    code, folder = train(workshop, "experiments=sagan_restore_smoke", "trainer.monitor=holes/network_psnr_hole")
    assert code == 0
    rows = list(csv.DictReader((folder / "holes.csv").open()))
    assert [row["fill"] for row in rows] == ["mean", "start", "biharmonic", "network"]
    assert "Filled holes (medium, free_form; n = 3)" in capsys.readouterr().out
    metrics = Run(folder).curves
    assert metrics["train/loss"].iterations.tolist() == [0, 1, 2, 3]
    for curve in ("d_real", "d_fake", "d_loss", "d_gradient_norm", "g_adversarial", "g_feature"):
        assert metrics[f"train/{curve}"].iterations.tolist() == [2, 3]
    for curve in ("gamma_g_trunk.attention", "gamma_d_layers.1.2", "g_gradient_norm", "l1_hole"):
        assert metrics[f"train/{curve}"].iterations.tolist() == [0, 1, 2, 3]
    assert metrics["holes/network_psnr_hole"].values[-1] == np.float64(rows[-1]["psnr_hole"])
    scores = [s for s in csv.DictReader((folder / "per_image.csv").open()) if s["metric"] == "network_psnr_hole"]
    assert np.mean([float(s["value"]) for s in scores]) == float(rows[-1]["psnr_hole"])
    panel = Image.open(folder / "samples" / "holes-filled-000004.png")
    assert panel.size[0] > 4 * 32
    best = load_checkpoint(folder / "checkpoints" / "best.safetensors")
    assert best.state["monitor"] == "holes/network_psnr_hole"
    assert any(name.startswith("discriminator_optimizer.") for name in best.tensors)
    # Scored again, thick holes are harder than the medium ones; and the same holes give the same figure.
    values = {}
    for thickness in ("medium", "thick"):
        capsys.readouterr()
        again = f"evaluation.evaluators.holes.thickness={thickness}"
        assert main(["evaluate", str(folder), "--checkpoint", "last", "--json", again]) == 0
        values[thickness] = json.loads(capsys.readouterr().out)["validation"]["holes/network_psnr_hole"]
    assert values["medium"] == metrics["holes/network_psnr_hole"].values[-1]
    assert values["thick"] < values["medium"]


def test_colouring_goes_through_the_protocol_of_every_colorizer(workshop):
    code, folder = train(workshop, "experiments=sagan_colorize_smoke", "evaluation.size=32", "evaluation.judged=null")
    assert code == 0
    metrics = Run(folder).curves
    assert metrics["train/d_real"].iterations.tolist() == [2, 3]
    assert np.isfinite(metrics["val/auc_rebalanced"].values[-1])
    assert (folder / "samples" / "validation-000004.png").is_file()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["evaluation.color=true"], "SaganRestorer predicts no colour to be measured: take evaluation=holes"),
        (["inputs=colors"], "SaganRestorer needs damaged photographs: take inputs=holes"),
        (["trainer.learner.discriminator.judges=ab"], "judges ab but SaganRestorer predicts rgb"),
        (["loss=l1"], "L1 reads ab but the model"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(workshop, capsys, overrides, sentence):
    assert train(workshop, "experiments=sagan_restore_smoke", *overrides)[0] != 0
    assert sentence in capsys.readouterr().err
