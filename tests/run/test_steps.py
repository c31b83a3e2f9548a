"""Parts of a run: what a step draws, the reason of a failure in one sentence, and ``curves.png``."""

import errno
import random

import numpy as np
import paddle
import pytest
from matplotlib.figure import Figure

from oldrestore import parallel
from oldrestore.errors import UserError
from oldrestore.run.curves import draw_curves
from oldrestore.run.run_in_progress import failure_in_words
from oldrestore.run.streams import seed_step
from oldrestore.training.loop import DivergedError


def drawn_in(seed: int, iteration: int) -> tuple:
    seed_step(seed, iteration)
    dropped = paddle.nn.functional.dropout(paddle.ones([64]), 0.5).numpy()
    return random.random(), np.random.rand(), paddle.rand([1]).item(), dropped.tobytes()


def test_a_step_draws_the_same_whatever_was_drawn_before():
    first = drawn_in(3, 10)
    paddle.rand([5])
    np.random.rand(7)
    assert drawn_in(3, 10) == first
    for other in (drawn_in(3, 11), drawn_in(4, 10)):
        assert all(a != b for a, b in zip(first, other, strict=True))


# What Paddle makes of an error that is raised within a backward pass.
WRAPPED = "(External)\n{\n  LostProcessError: process 1 of 2 died\n}\n (at /paddle/py_layer_node.cc:177)\n"


def test_a_lost_process_is_named_whatever_type_paddle_gives_the_error(monkeypatch):
    monkeypatch.setattr(parallel, "lost", lambda: True)
    monkeypatch.setattr(parallel, "loss_in_words", lambda error: "process 1 of 2 died")
    for error in (OSError(WRAPPED), RuntimeError(WRAPPED), parallel.LostProcessError("x"), UserError("x")):
        assert failure_in_words(error) == "process 1 of 2 died"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("take another"), "take another"),
        (DivergedError("train/loss is nan", 1), "train/loss is nan"),
        (OSError(errno.ENOSPC, "No space left on device", "a/metrics.jsonl"), "'a/metrics.jsonl': the disk is full"),
        (OSError("(External) CUDA error(719).\n  [Hint: a]\n"), "(external) cuda error(719). [hint: a]"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed."), "a process that loads photographs"),
        (RuntimeError("shapes differ"), None),
        (KeyError("model"), None),
    ],
)
def test_each_failure_is_one_sentence_and_a_bug_is_none(error, words):
    reason = failure_in_words(error)
    assert reason == words if words is None else reason.startswith(words)
    assert reason is None or "\n" not in reason


VALUES = np.sin(np.arange(500)) + 3


@pytest.fixture
def drawn(folder, monkeypatch):
    """Draw the curves of a run of so many iterations; returns the axes."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **settings: figures.append(figure))

    def draw(count: int):
        for iteration, value in enumerate(VALUES[:count]):
            folder.scalars(iteration, {"train/loss": value})
        draw_curves(folder.path, None)
        (axes,) = figures[0].axes
        return axes

    return draw


@pytest.mark.parametrize(("count", "window"), [(500, 25), (100, 25), (20, 5), (8, 2), (3, None)])
def test_the_mean_is_a_line_however_short_the_run(drawn, count, window):
    axes = drawn(count)
    each, *means = axes.get_lines()
    assert each.get_label() == "each iteration" and each.get_ydata().tolist() == VALUES[:count].tolist()
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
    assert [mean.get_label() for mean in means] == ([f"mean of {window}"] if window else [])
    for mean in means:
        assert len(mean.get_xdata()) == count - window + 1 > 1
        assert mean.get_ydata()[[0, -1]] == pytest.approx(
            [VALUES[:window].mean(), VALUES[count - window : count].mean()]
        )
        assert mean.get_xdata()[-1] == each.get_xdata()[-1]
