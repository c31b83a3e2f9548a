"""``curves.png``: the lines of the loss, of long runs and of short ones."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from oldrestore.run.curves import _draw_loss


def drawn(count: int):
    axes = Figure().subplots()
    values = np.sin(np.arange(count)) + 3
    _draw_loss(axes, {"train/loss": SimpleNamespace(iterations=np.arange(count), values=values)})
    return axes, values


@pytest.mark.parametrize(("count", "window"), [(500, 25), (100, 25), (20, 5), (8, 2)])
def test_the_mean_is_a_line_however_short_the_run(count, window):
    axes, values = drawn(count)
    each, mean = axes.get_lines()
    assert mean.get_label() == f"mean of {window}"
    assert len(mean.get_xdata()) == count - window + 1 > 1
    np.testing.assert_allclose(mean.get_ydata()[0], values[:window].mean())
    np.testing.assert_allclose(mean.get_ydata()[-1], values[-window:].mean())
    assert mean.get_xdata()[-1] == each.get_xdata()[-1]


def test_a_run_of_a_few_iterations_has_no_mean():
    axes, _ = drawn(3)
    assert [line.get_label() for line in axes.get_lines()] == ["each iteration"]


@pytest.mark.parametrize("count", [3, 8, 20])
def test_iterations_are_whole_numbers(count):
    axes, _ = drawn(count)
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
