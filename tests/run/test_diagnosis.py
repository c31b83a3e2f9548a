"""Runs that serve to find a fault: planted NaN is named with advice; gradients are logged; batches come again."""

import math
import signal

import numpy as np
import pytest

from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.models.eccv16 import Eccv16
from oldrestore.records.run import Run
from oldrestore.training.checkpoint import load_checkpoint
from oldrestore.training.supervised import SupervisedLearner
from tests.run.same_run import assert_same_tensors
from tests.training.test_first_nan import Spoiled

LIGHT = ("tracking=none", "evaluation.judged=null", "loss=cross_entropy", "trainer.evaluate_every=0")


@pytest.fixture
def plant(monkeypatch):
    """Spoil a layer of eccv16, or the loss, in every step of an iteration."""
    now = {"iteration": 0}
    step = SupervisedLearner.step

    def counted(learner, batches, iteration, measure_gradients=False):
        now["iteration"] = iteration
        return step(learner, batches, iteration, measure_gradients)

    monkeypatch.setattr(SupervisedLearner, "step", counted)

    def planted(part: str, at: int) -> None:
        if part == "loss":
            original = SoftCrossEntropy.forward

            def forward(loss, prediction, batch):
                value = original(loss, prediction, batch)
                return value * math.nan if now["iteration"] == at else value

            monkeypatch.setattr(SoftCrossEntropy, "forward", forward)
            return
        make = Eccv16.__init__

        def spoiled(network, *arguments, **settings):
            make(network, *arguments, **settings)
            layer = network.model3[2]
            convolve = layer.forward

            def forward(x, *activation):
                y = convolve(x, *activation)
                return Spoiled.apply(y, part) if now["iteration"] == at else y

            layer.forward = forward

        monkeypatch.setattr(Eccv16, "__init__", spoiled)

    return planted


FIRST = "no update had been made, so it is"
RATE = "try a lower optimizer.learning_rate, schedule.warmup or trainer.learner.gradient_clip=1"


@pytest.mark.parametrize(
    ("part", "at", "words", "advice"),
    [
        ("loss", 0, "in the loss (SoftCrossEntropy), whose prediction is finite", f"{FIRST} the loss or its input"),
        ("loss", 4, "in the loss (SoftCrossEntropy), whose prediction is finite", RATE),
        ("value", 0, "in the layer model3.2 (Conv2D), at iteration 0", f"{FIRST} the network"),
        ("value", 5, "in the layer model3.2 (Conv2D), at iteration 5", RATE),
        ("gradient", 2, "in the gradient of the layer model3.2 (Conv2D), at iteration 2", RATE),
    ],
)
@pytest.mark.parametrize("kernels", ["auto", "paddle"])
def test_nan_names_where_it_began_and_what_may_help(workshop, plant, part, at, words, advice, kernels):
    plant(part, at)
    code, folder = workshop.train(*LIGHT, f"trainer.kernels={kernels}")
    status = Run(folder).status
    assert (code, status["state"]) == (1, "failed")
    assert f": it began {words}" in status["reason"] and f"; {advice}" in status["reason"]
    # The steps that were repeated left no trace.
    iterations = Run(folder).curves["train/loss"].iterations.tolist()
    assert iterations == list(range(len(iterations)))


def test_a_stop_while_steps_are_repeated_leaves_the_run_failed(workshop, plant, monkeypatch):
    plant("loss", 2)
    step, made = SupervisedLearner.step, []

    def stopping(learner, batches, iteration, measure_gradients=False):
        made.append(iteration)
        if len(made) == 5:  # the second of those that are repeated
            signal.raise_signal(signal.SIGINT)
        return step(learner, batches, iteration, measure_gradients)

    monkeypatch.setattr(SupervisedLearner, "step", stopping)
    code, folder = workshop.train(*LIGHT)
    assert (code, made) == (1, [0, 1, 2, 0, 1])
    reason = Run(folder).status["reason"]
    assert "train/loss is nan at iteration 2" in reason and "the search was stopped" in reason


def test_logged_gradients_change_no_bit_and_their_blocks_add_up(workshop):
    folders = [workshop.train(*LIGHT, f"trainer.log_gradients={on}")[1] for on in ("false", "true")]
    assert_same_tensors(*(load_checkpoint(folder / "checkpoints" / "last.safetensors") for folder in folders))
    plain, logged = (Run(folder).curves for folder in folders)
    assert not any("gradient" in name for name in plain)
    np.testing.assert_array_equal(plain["train/loss"].values, logged["train/loss"].values)
    norms = {name: curve for name, curve in logged.items() if "gradient_norm" in name}
    whole = norms.pop("train/gradient_norm")
    assert set(norms) == {f"train/gradient_norm/model{number}" for number in range(1, 9)}
    assert whole.iterations.tolist() == [0, 2, 5]  # with the log lines of 0, 3 and 6 updates
    together = np.sqrt(sum(curve.values**2 for curve in norms.values()))
    np.testing.assert_allclose(whole.values, together, rtol=1e-6)


def test_batches_to_learn_by_heart_come_again_with_their_crops_and_hints(workshop, cli):
    settings = ("inputs=hints", "model=siggraph17", "loss=l1", "optimizer.learning_rate=1e-30", *LIGHT[:2])
    code, folder = workshop.train(*settings, "trainer.overfit_batches=2", "trainer.evaluate_every=0")
    losses = Run(folder).curves["train/loss"].values
    assert code == 0
    assert losses[0] != losses[1]
    assert losses.tolist() == [*losses[:2]] * 3
    (run,) = cli("runs", f"outputs={workshop.outputs}", "--json", "--where", "kind=overfit").content
    assert run["note"] == "trains on a few batches again and again"


def test_a_range_test_suggests_a_rate_and_is_no_equal_of_runs(workshop, cli, capsys):
    capsys.readouterr()
    code, folder = workshop.train(*LIGHT, "schedule=range_test", "schedule.iterations=40", "schedule.warmup=5")
    out = capsys.readouterr().out
    assert code == 0 and f"range     {folder / 'range_test.png'}" in out
    assert "\nsuggested optimizer.learning_rate=" in out
    run = Run(folder)
    rates = run.curves["train/learning_rate"].values
    np.testing.assert_allclose(rates, np.geomspace(1e-6, 1, 40)[: len(rates)])
    table = np.genfromtxt(folder / "range_test.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["loss"], run.curves["train/loss"].values)
    assert 0 < run.status["summary"]["range_test/suggestion"] <= table["learning_rate"].max() / 10
    assert (run.kind.name, run.scores.empty) == ("range_test", True)
    assert not (folder / "checkpoints" / "last.safetensors").exists()
    # Beside a run of its experiment it is left out.
    assert workshop.train(*LIGHT[:3])[0] == 0
    answer = cli("compare", "--experiment", "tiny", f"outputs={workshop.outputs}", "--json")
    assert f"{folder.name} is a learning-rate range test: left out" in answer.err


def test_a_range_test_whose_loss_becomes_nan_says_so(workshop, plant, capsys):
    plant("loss", 14)
    code, folder = workshop.train(*LIGHT, "schedule=range_test", "schedule.iterations=20")
    rates = Run(folder).curves["train/learning_rate"].values
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("suggested "))
    assert (code, len(rates)) == (0, 15)
    assert f"became NaN at {rates[-1]:.2g}: if the learning rate is not the reason" in line and "diverges" not in line
