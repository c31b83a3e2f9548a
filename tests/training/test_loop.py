"""The loop: what it logs, when it validates and saves, and how it stops."""

import signal
from collections.abc import Sequence

import numpy as np
import paddle
import pytest
from rich.console import Console

from oldrestore.narrator import Narrator
from oldrestore.training.interruption import Interruption, Killed
from oldrestore.training.loop import DivergedError, LoopSettings, run_loop


class Script:
    """A learner whose losses are written down beforehand."""

    accumulate = 1

    def __init__(self, losses: Sequence[float], at=None):
        self.losses, self.at = losses, at or {}

    def step(self, batches, iteration, measure_gradients):
        if iteration in self.at:
            self.at[iteration]()
        return {"loss": paddle.to_tensor(self.losses[iteration])}

    def learning_rate(self, iteration):
        return 0.5


class Log:
    def __init__(self):
        self.rows = []

    def scalars(self, iteration, values):
        self.rows.append((iteration, dict(values)))

    def curve(self, name):
        return [(iteration, values[name]) for iteration, values in self.rows if name in values]

    @property
    def trained(self):
        return [iteration for iteration, _ in self.curve("train/loss")]


def carry_out(losses, settings, at=None, start=0, evaluate=None, **further):
    log, lines, calls = Log(), [], []
    narrator = Narrator(record=lines.append, console=Console(quiet=True))
    interruption = Interruption()
    picture = paddle.zeros([1, 2, 2, 3], dtype="uint8")
    batches = ((picture, (f"photo{i}.jpg",)) for i in range(start, len(losses)))
    with interruption.listening():
        try:
            run_loop(
                Script(losses, at),
                batches,
                lambda rgb, names, position: names,
                settings,
                log,
                narrator,
                evaluate=evaluate or (lambda done: calls.append(("evaluate", done))),
                save=lambda done, keep, due: calls.append(
                    ("keep" if keep else "save", done, *["validation due"] * due)
                ),
                interruption=interruption,
                start=start,
                **further,
            )
        except (DivergedError, Killed) as stop:
            return log, lines, calls, stop
    return log, lines, calls, None


def test_each_loss_is_logged_exactly_and_lines_give_the_mean_of_those_between():
    losses = np.linspace(5.0, 1.0, 10).astype(np.float32).tolist()
    log, lines, _, _ = carry_out(losses, LoopSettings(max_iterations=10, log_every=4))
    assert log.curve("train/loss") == list(enumerate(losses))
    averages = log.curve("train/avg_loss")
    assert [i for i, _ in averages] == [4, 8, 10]
    assert [a for _, a in averages] == pytest.approx([np.mean(losses[:4]), np.mean(losses[4:8]), np.mean(losses[8:])])
    assert [line.split(" time:")[0] for line in lines] == ["iter:0", "iter:4", "iter:8", "iter:10"]
    assert lines[0].endswith("avg_loss:5.0000")
    assert lines[1].endswith(f"avg_loss:{np.mean(losses[:4]):.4f}")


def test_validations_and_checkpoints_come_when_due_and_at_the_end():
    settings = LoopSettings(max_iterations=5, log_every=10, evaluate_every=2, checkpoint_every=3, keep_every=4)
    _, _, calls, _ = carry_out([1.0] * 5, settings)
    assert calls == [
        ("evaluate", 2),
        ("save", 3),
        ("evaluate", 4),
        ("keep", 4),
        ("save", 5, "validation due"),
        ("evaluate", 5),
        ("save", 5),
    ]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_iteration_and_photographs(bad):
    losses = [1.0, 2.0, bad, 3.0, 3.0]
    log, _, calls, stop = carry_out(losses, LoopSettings(max_iterations=5, checkpoint_every=3))
    assert isinstance(stop, DivergedError)
    assert "iteration 2, on photo2.jpg" in str(stop)
    assert calls == []
    assert log.trained == [0, 1, 2]


def test_a_signal_finishes_the_step_writes_a_checkpoint_and_stops():
    at = {2: lambda: signal.raise_signal(signal.SIGTERM)}
    log, _, calls, stop = carry_out([1.0] * 9, LoopSettings(max_iterations=9), at)
    assert isinstance(stop, Killed) and str(stop) == "stopped by SIGTERM"
    assert calls == [("save", 3)]
    assert log.trained == [0, 1, 2]


def test_a_signal_in_the_last_step_lets_the_run_finish_and_zero_means_only_at_the_end():
    at = {2: lambda: signal.raise_signal(signal.SIGINT)}
    _, _, calls, stop = carry_out([1.0] * 3, LoopSettings(max_iterations=3), at)
    assert stop is None
    assert calls == [("save", 3, "validation due"), ("evaluate", 3), ("save", 3)]


def test_a_run_stopped_within_a_validation_keeps_what_it_learned():
    def stop(done):
        raise Killed("stopped by SIGTERM")

    _, _, calls, killed = carry_out([1.0, 1.0], LoopSettings(max_iterations=2), evaluate=stop)
    assert isinstance(killed, Killed)
    assert calls == [("save", 2, "validation due")] * 2


def test_a_resumed_run_counts_on():
    began, settings = [], LoopSettings(max_iterations=8, log_every=4)
    log, lines, calls, _ = carry_out([1.0] * 8, settings, start=4, before_step=began.append)
    assert log.trained == began == [4, 5, 6, 7]
    assert [line.split(" ")[0] for line in lines] == ["iter:8"]
    assert calls == [("save", 8, "validation due"), ("evaluate", 8), ("save", 8)]


def test_the_mean_of_a_line_includes_the_losses_from_before_it_was_resumed():
    losses = [8.0, 4.0, 2.0, 1.0, 1.0, 3.0]
    log, _, _, _ = carry_out(losses, LoopSettings(max_iterations=6, log_every=3), start=2, window=losses[:2])
    assert log.curve("train/avg_loss") == [(3, pytest.approx(14 / 3)), (6, pytest.approx(5 / 3))]


def test_a_signal_before_a_validation_leaves_it_to_the_resumed_run():
    settings = LoopSettings(max_iterations=6, evaluate_every=2)
    at = {1: lambda: signal.raise_signal(signal.SIGUSR1)}
    _, _, calls, stop = carry_out([1.0] * 6, settings, at)
    assert str(stop) == "stopped by SIGUSR1"
    assert calls == [("save", 2, "validation due")]
    log, _, calls, _ = carry_out([1.0] * 6, settings, start=2, evaluate_first=True)
    assert calls[:2] == [("evaluate", 2), ("evaluate", 4)]
    assert log.trained == [2, 3, 4, 5]
