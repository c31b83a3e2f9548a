"""A run end to end: what it leaves behind, that it repeats, and how it ends when it is stopped or goes wrong."""

import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.run import run_in_progress, validation
from oldrestore.training.checkpoint import load_checkpoint
from tests.generated_photographs import make_photograph
from tests.run.same_run import assert_same_tensors, last, mlflow_steps, records

LIGHT = ("tracking=none", "evaluation.judged=null")


def test_the_run_folder_holds_everything(tracked_run):
    run = Run(tracked_run)
    assert (run.config["model"]["width"], run.config["run_id"]) == (0.0625, tracked_run.name)
    assert "model.width=0.0625" in run.overrides
    assert (run.data["train"]["count"], run.data["val"]["count"]) == (6, 3)
    assert len(run.data["train"]["fingerprint"]) == 64
    assert run.provenance["packages"]["paddlepaddle"]
    assert run.environment["OMP_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"]
    assert (run.provenance["seed"], run.state) == (0, "finished")
    log = (tracked_run / "log.txt").read_text()
    assert "iter:0 time:" in log and "iter:6 time:" in log
    assert Image.open(tracked_run / "curves.png").size[0] > 500


def test_the_loss_curve_is_whole_and_starts_at_ln_313(tracked_run, workshop):
    metrics = Run(tracked_run).curves
    losses = metrics["train/loss"]
    assert losses.iterations.tolist() == list(range(6))
    means = [losses.values[:3].mean(), losses.values[3:].mean()]
    np.testing.assert_allclose(metrics["train/avg_loss"].values, means)
    code, folder = workshop.train("loss=cross_entropy", "trainer.max_iterations=1", *LIGHT)
    assert code == 0
    assert Run(folder).curves["train/loss"].values[0] == pytest.approx(math.log(313), rel=0.05)


def test_the_accuracy_table_and_per_image_scores_agree(tracked_run):
    run = Run(tracked_run)
    assert [row["iteration"] for row in run.accuracy_rows] == [2, 3]
    scores = dict(iter(run.scores.groupby("metric")))
    correct = scores["iter_correct"]["value"]
    assert len(correct) == 3
    assert run.accuracy_rows[-1]["iter_accuracy"] == pytest.approx(correct.mean())
    for metric in ("psnr", "ab_rmse", "auc", "auc_rebalanced", "bin_top1", "bin_top5", "colorfulness_difference"):
        final = scores[metric]
        assert final["trained_iterations"].tolist() == [6] * 3
        mean = np.average(final["value"], weights=final["weight"])
        assert run.curves[f"val/{metric}"].values[-1] == pytest.approx(mean)


def test_panels_show_input_output_and_original(tracked_run):
    names = Run(tracked_run).panels
    assert names == ("validation-000003.png", "validation-000006.png")
    panel = np.asarray(Image.open(tracked_run / "samples" / names[-1]).convert("RGB"))
    chroma = panel.max(axis=2).astype(int) - panel.min(axis=2)
    third = panel.shape[1] // 3
    assert chroma[:, :third].max() <= 2
    assert chroma[:, -third:].max() > 40


def test_checkpoints_are_last_and_best(tracked_run):
    assert list(Run(tracked_run).checkpoints) == ["best", "last"]
    assert last(tracked_run).state["iteration"] == 6
    losses = Run(tracked_run).curves["val/loss"]
    best = load_checkpoint(tracked_run / "checkpoints" / "best.safetensors")
    assert best.state["iteration"] == losses.iterations[losses.values.argmin()]
    assert best.state["best"] == losses.values.min()


def test_the_same_command_twice_gives_the_same_bits_and_another_seed_does_not(workshop):
    first, second, other = (workshop.train("tracking=none", f"seed={seed}")[1] for seed in (0, 0, 1))
    assert records(first) == records(second)
    assert records(first) != records(other)
    assert_same_tensors(last(first), last(second))


def test_neither_loader_workers_nor_prepared_photographs_change_a_bit(workshop, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "cache"))
    assert workshop.train("dataset.prepared=required") == (2, None)
    assert "are not prepared at this size" in capsys.readouterr().err
    _, alone = workshop.train("dataset.prepared=off", *LIGHT)
    assert main(["data", "prepare", *workshop.arguments()]) == 0
    printed = capsys.readouterr().out.splitlines()[-2:]
    assert printed[0].startswith("prepared ") and "at a training size of 48 (shorter_side)" in printed[0]
    assert printed[1].endswith(".photographs")
    for settings in (["dataset.prepared=off", "trainer.workers=2"], ["dataset.prepared=required", "trainer.workers=1"]):
        code, other = workshop.train(*settings, *LIGHT)
        assert code == 0
        assert records(other) == records(alone)
        assert_same_tensors(last(other), last(alone))
    assert main(["data", "prepare", *workshop.arguments()]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("already prepared: ")


def test_weights_of_a_run_start_another(workshop, tracked_run):
    weights = f"model.weights={tracked_run / 'checkpoints' / 'last.safetensors'}"
    code, folder = workshop.train(weights, "trainer.max_iterations=1", *LIGHT)
    assert code == 0
    untrained = Run(tracked_run).curves["train/loss"].values[0]
    assert Run(folder).curves["train/loss"].values[0] < untrained


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.weights=/no/such.safetensors"], "there is no weights file '/no/such.safetensors'"),
        (["model.weights={weights}", "model.width=0.125"], "do not fit Eccv16: model1.0.weight has shape"),
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
def test_mistakes_are_refused_before_a_folder_is_made(overrides, sentence, workshop, tracked_run, tmp_path, capsys):
    places = {name: tmp_path / name for name in ("empty", "corrupt", "unlabelled")}
    for place in places.values():
        place.mkdir()
    (tmp_path / "corrupt" / "a.jpg").write_bytes(b"\xff\xd8 no photograph")
    for index in range(8):
        Image.fromarray(make_photograph(index)).save(tmp_path / "unlabelled" / f"{index}.png")
    places["weights"] = tracked_run / "checkpoints" / "last.safetensors"
    assert workshop.train("tracking=none", *(override.format(**places) for override in overrides)) == (2, None)
    error = capsys.readouterr().err
    assert sentence.format(**places) in error
    assert error.count("\n") == 1
    assert not any(workshop.outputs.iterdir())


def test_a_failure_to_draw_does_not_cost_the_run_its_record(workshop, monkeypatch, capsys):
    def no_space(folder, table):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_in_progress, "draw_curves", no_space)
    code, folder = workshop.train("trainer.max_iterations=1", *LIGHT)
    assert (code, Run(folder).state) == (0, "finished")
    assert "the curves could not be drawn" in capsys.readouterr().out


def test_a_monitor_that_is_not_a_number_still_leaves_a_best_checkpoint(workshop, monkeypatch):
    original = validation.validation_loss
    monkeypatch.setattr(validation, "validation_loss", lambda *given: {**original(*given), "loss": math.nan})
    code, folder = workshop.train("trainer.max_iterations=2", *LIGHT)
    assert code == 0
    assert "best" in Run(folder).checkpoints


def test_a_loss_that_is_not_finite_fails_the_run_and_says_where(workshop, capsys):
    code, folder = workshop.train("optimizer.learning_rate=1.0e+30", *LIGHT)
    assert code == 1
    status = Run(folder).status
    assert status["state"] == "failed"
    assert "at iteration" in status["reason"] and ".jpg" in status["reason"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_as_killed_with_a_checkpoint(number, workshop):
    endless = ["trainer.max_iterations=100000", "evaluation.judged=null", "trainer.evaluate_every=0"]
    arguments = workshop.arguments([*endless, "tracking.mlflow.system_metrics=false"])
    command = [sys.executable, "-m", "oldrestore", "train", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
    assert status["state"] == "killed" and signal.Signals(number).name in status["reason"]
    assert last(folder).state["iteration"] == len(Run(folder).curves["train/loss"].values)
    assert mlflow_steps(workshop.outputs, folder.name)[1].info.status == "KILLED"
