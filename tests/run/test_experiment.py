"""A run end to end: what it leaves behind, that it repeats, and how it ends when it is stopped or goes wrong."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint


def numbers(folder: Path) -> list[tuple]:
    """Every scalar of a run as logged, times aside."""
    rows = []
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        values = {name: value for name, value in record["values"].items() if not name.startswith("time/")}
        rows.append((record["iteration"], values))
    return rows


def test_the_run_folder_holds_everything(tracked_run):
    config = yaml.safe_load((tracked_run / "config.yaml").read_text())
    assert config["model"]["width"] == 0.0625
    assert config["run_id"] == tracked_run.name
    assert "model.width=0.0625" in yaml.safe_load((tracked_run / "overrides.yaml").read_text())
    data = json.loads((tracked_run / "data.json").read_text())
    assert data["train"]["count"] == 6
    assert data["val"]["count"] == 3
    assert len(data["train"]["fingerprint"]) == 64
    provenance = json.loads((tracked_run / "provenance.json").read_text())
    assert provenance["packages"]["paddlepaddle"]
    assert provenance["environment"]["OMP_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"]
    assert provenance["seed"] == 0
    assert Run(tracked_run).status["state"] == "finished"
    log = (tracked_run / "log.txt").read_text()
    assert "iter:0 time:" in log
    assert "iter:6 time:" in log
    assert Image.open(tracked_run / "curves.png").size[0] > 500


def test_the_loss_curve_is_whole_and_starts_at_ln_313(tracked_run, workshop):
    metrics = Run(tracked_run).curves
    assert metrics["train/loss"].iterations.tolist() == list(range(6))
    np.testing.assert_allclose(
        metrics["train/avg_loss"].values,
        [metrics["train/loss"].values[:3].mean(), metrics["train/loss"].values[3:].mean()],
    )
    code, folder = workshop.train(
        "loss=cross_entropy", "trainer.max_iterations=1", "tracking=none", "evaluation.judged=null"
    )
    assert code == 0
    assert Run(folder).curves["train/loss"].values[0] == pytest.approx(math.log(313), rel=0.05)


def test_the_accuracy_table_and_per_image_scores_agree(tracked_run):
    rows = list(csv.DictReader((tracked_run / "accuracy.csv").open()))
    assert [row["iteration"] for row in rows] == ["2", "3"]
    scores = list(csv.DictReader((tracked_run / "per_image.csv").open()))
    correct = [float(s["value"]) for s in scores if s["metric"] == "iter_correct"]
    assert len(correct) == 3
    assert float(rows[-1]["iter_accuracy"]) == pytest.approx(sum(correct) / 3)
    metrics = Run(tracked_run).curves
    for metric in (
        "psnr",
        "ab_rmse",
        "auc",
        "auc_rebalanced",
        "bin_top1",
        "bin_top5",
        "colorfulness_difference",
    ):
        own = [s for s in scores if s["metric"] == metric and s["trained_iterations"] == "6"]
        assert len(own) == 3
        weights = np.array([float(s["weight"]) for s in own])
        values = np.array([float(s["value"]) for s in own])
        assert metrics[f"val/{metric}"].values[-1] == pytest.approx((weights * values).sum() / weights.sum())


def test_panels_show_input_output_and_original(tracked_run):
    names = sorted(path.name for path in (tracked_run / "samples").iterdir())
    assert names == ["validation-000003.png", "validation-000006.png"]
    panel = np.asarray(Image.open(tracked_run / "samples" / names[-1]).convert("RGB"))
    chroma = panel.max(axis=2).astype(int) - panel.min(axis=2)
    third = panel.shape[1] // 3
    assert chroma[:, :third].max() <= 2
    assert chroma[:, -third:].max() > 40


def test_checkpoints_are_last_and_best(tracked_run):
    assert sorted(p.name for p in (tracked_run / "checkpoints").iterdir()) == [
        "best.safetensors",
        "last.safetensors",
    ]
    last = load_checkpoint(tracked_run / "checkpoints" / "last.safetensors")
    assert last.state["iteration"] == 6
    validation = Run(tracked_run).curves["val/loss"]
    best = load_checkpoint(tracked_run / "checkpoints" / "best.safetensors")
    assert best.state["iteration"] == validation.iterations[validation.values.argmin()]
    assert best.state["best"] == validation.values.min()


def test_the_same_command_twice_gives_the_same_bits_and_another_seed_does_not(workshop):
    _, first = workshop.train("tracking=none")
    _, second = workshop.train("tracking=none")
    _, other = workshop.train("tracking=none", "seed=1")
    assert numbers(first) == numbers(second)
    assert numbers(first) != numbers(other)
    ours = load_checkpoint(first / "checkpoints" / "last.safetensors").tensors
    theirs = load_checkpoint(second / "checkpoints" / "last.safetensors").tensors
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def test_loader_workers_change_no_bit(workshop):
    _, alone = workshop.train("tracking=none", "evaluation.judged=null")
    _, helped = workshop.train("tracking=none", "evaluation.judged=null", "trainer.workers=2")
    assert numbers(alone) == numbers(helped)


def test_weights_of_a_run_start_another(workshop, tracked_run):
    checkpoint = tracked_run / "checkpoints" / "last.safetensors"
    code, folder = workshop.train(
        f"model.weights={checkpoint}", "trainer.max_iterations=1", "tracking=none", "evaluation.judged=null"
    )
    assert code == 0
    untrained = Run(tracked_run).curves["train/loss"].values[0]
    assert Run(folder).curves["train/loss"].values[0] < untrained


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.weights=/no/such.safetensors"], "there is no weights file '/no/such.safetensors'"),
        (
            ["model.weights={run}/checkpoints/last.safetensors", "model.width=0.125"],
            "do not fit Eccv16: model1.0.weight has shape",
        ),
        (["dataset.root=/no/such/folder"], "/no/such/folder"),
        (["dataset.root={empty}"], "{empty}"),
        (["dataset.root={corrupt}"], "can be read"),
        (["dataset.root={unlabelled}", "dataset.validation_fraction=0.5"], "without an ImageNet class"),
        (["evaluation.judged_split=train"], "are trained on too"),
        (["dataset.crops.crop=30"], "must be a multiple of 8"),
        (["dataset.crops.evaluation_size=36"], "dataset.crops.evaluation_size=36 must be a multiple of 8"),
        (["optimizer.beta1=2", "evaluation.judged=null"], "the optimizer refuses its settings"),
        (["trainer.device=gpu:99"], "trainer.device=gpu:99 is not available"),
        (["judge=vgg16", "judge.weights=/no/vgg16.pdparams"], "/no/vgg16.pdparams"),
    ],
)
def test_what_a_user_can_mend_is_said_before_a_folder_is_made(
    overrides, sentence, workshop, tracked_run, tmp_path, capsys
):
    from tests.generated_photographs import make_photograph

    for name in ("empty", "corrupt", "unlabelled"):
        (tmp_path / name).mkdir()
    (tmp_path / "corrupt" / "a.jpg").write_bytes(b"\xff\xd8 no photograph")
    for index in range(8):
        Image.fromarray(make_photograph(index)).save(tmp_path / "unlabelled" / f"{index}.png")
    places = {name: str(tmp_path / name) for name in ("empty", "corrupt", "unlabelled")} | {"run": str(tracked_run)}
    code, folder = workshop.train("tracking=none", *(override.format(**places) for override in overrides))
    error = capsys.readouterr().err
    assert code == 2
    assert folder is None
    assert sentence.format(**places) in error
    assert error.count("\n") == 1
    assert not any(workshop.outputs.iterdir())


def test_a_defect_in_drawing_does_not_cost_the_run_its_record(workshop, monkeypatch, capsys):
    from oldrestore.run import run_in_progress

    def no_space(folder, table):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_in_progress, "draw_curves", no_space)
    code, folder = workshop.train("tracking=none", "evaluation.judged=null", "trainer.max_iterations=1")
    assert code == 0
    assert Run(folder).status["state"] == "finished"
    assert "the curves could not be drawn" in capsys.readouterr().out


def test_a_monitor_that_is_not_a_number_still_leaves_a_best_checkpoint(workshop, monkeypatch):
    from oldrestore.run import run_in_progress

    original = run_in_progress.validation_loss
    monkeypatch.setattr(run_in_progress, "validation_loss", lambda *given: {**original(*given), "loss": math.nan})
    code, folder = workshop.train("tracking=none", "evaluation.judged=null", "trainer.max_iterations=2")
    assert code == 0
    assert (folder / "checkpoints" / "best.safetensors").is_file()


def test_a_loss_that_is_not_finite_fails_the_run_and_says_where(workshop, capsys):
    code, folder = workshop.train("tracking=none", "evaluation.judged=null", "optimizer.learning_rate=1.0e+30")
    assert code == 1
    status = Run(folder).status
    assert status["state"] == "failed"
    assert "at iteration" in status["reason"]
    assert ".jpg" in status["reason"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_as_killed_with_a_checkpoint(number, workshop):
    arguments = workshop.arguments(
        [
            "trainer.max_iterations=100000",
            "evaluation.judged=null",
            "trainer.evaluate_every=0",
            "tracking.mlflow.system_metrics=false",
        ]
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "oldrestore", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("iter:3 "):
            process.send_signal(number)
            break
    rest, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error == f"oldrestore: the run was stopped by {signal.Signals(number).name}\n"
    assert "oldrestore evaluate" not in rest  # which needs the best checkpoint of a validation
    (folder,) = workshop.outputs.glob("tiny/*")
    assert rest.splitlines()[-1] == str(folder)
    status = Run(folder).status
    assert status["state"] == "killed"
    assert signal.Signals(number).name in status["reason"]
    iteration = load_checkpoint(folder / "checkpoints" / "last.safetensors").state["iteration"]
    assert iteration == len(Run(folder).curves["train/loss"].values)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{workshop.outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"


def test_a_tracker_that_cannot_be_reached_does_not_hurt_the_run(workshop, capsys):
    began = time.monotonic()
    code, folder = workshop.train(
        "tracking=mlflow",
        "tracking.mlflow.tracking_uri=http://127.0.0.1:9",
        "tracking.mlflow.system_metrics=false",
        "evaluation.judged=null",
    )
    assert code == 0
    assert time.monotonic() - began < 120
    assert capsys.readouterr().err.count("mlflow tracking") == 1
    assert len(Run(folder).curves["train/loss"].values) == 6
