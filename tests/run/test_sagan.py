"""SAGAN through ``oldrestore train``: the recorded smoke experiments, shrunk, leave tables, panels and curves."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint

SMALL = [
    "trainer.device=cpu",
    "tracking=none",
    "dataset=image_folder",
    "dataset.crops.size=40",
    "dataset.crops.crop=32",
    "dataset.crops.evaluation_size=32",
    "trainer.max_iterations=4",
    "trainer.batch_size=2",
    "trainer.learner.pretrain_iterations=2",
]


def train(workshop, *overrides: str):
    arguments = [*SMALL, f"dataset.root={workshop.photos}", f"outputs={workshop.outputs}", *overrides]
    assert main(["train", *arguments]) == 0
    (config,) = workshop.outputs.glob("*/*/config.yaml")
    return config.parent


def test_restoring_leaves_a_table_a_panel_and_the_curves_of_the_game(workshop, capsys):
    folder = train(workshop, "experiments=sagan_restore_smoke", "trainer.monitor=holes/network_psnr_hole")
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
    folder = train(workshop, "experiments=sagan_colorize_smoke", "evaluation.size=32", "evaluation.judged=null")
    metrics = Run(folder).curves
    assert metrics["train/d_real"].iterations.tolist() == [2, 3]
    assert np.isfinite(metrics["val/auc_rebalanced"].values[-1])
    assert (folder / "samples" / "validation-000004.png").is_file()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["evaluation.color=true"], "SaganRestorer predicts no colour to be measured: take evaluation=holes"),
        (["inputs=colors"], "SaganRestorer reads damaged photographs, which inputs=holes makes"),
        (["trainer.learner.discriminator.judges=ab"], "judges ab but SaganRestorer predicts rgb"),
        (["loss=l1"], "L1 reads ab but the model"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(workshop, capsys, overrides, sentence):
    arguments = [*SMALL, f"dataset.root={workshop.photos}", f"outputs={workshop.outputs}"]
    assert main(["train", "experiments=sagan_restore_smoke", *arguments, *overrides]) != 0
    assert sentence in capsys.readouterr().err
