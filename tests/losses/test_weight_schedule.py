"""Weights that change in training: values on, between and beyond their corners, and what is refused."""

import numpy as np
import pytest

from oldrestore.errors import UserError
from oldrestore.losses.weight_schedule import Linear, PiecewiseConstant


def test_a_line_is_numpys_interpolation():
    for start, end in ((0.0, 3.0), (2.0, 0.5)):
        schedule = Linear(start, end, until=70, from_=20)
        iterations = np.arange(0, 100)
        expected = np.interp(iterations, [20, 70], [start, end])
        np.testing.assert_allclose([schedule(int(i)) for i in iterations], expected, rtol=1e-12)
        assert schedule.highest == max(start, end)


def test_the_ends_of_a_line_are_exact():
    schedule = Linear(0.1, 0.7, until=3)
    assert (schedule(0), schedule(3), schedule(10**9)) == (0.1, 0.7, 0.7)


def test_steps_hold_from_their_milestone_on():
    schedule = PiecewiseConstant([1.0, 0.0, 5.0], [2, 4])
    assert [schedule(i) for i in range(6)] == [1.0, 1.0, 0.0, 0.0, 5.0, 5.0]
    assert schedule.highest == 5.0
    assert PiecewiseConstant([3.0], [])(1000) == 3.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0.0, 1.0, until=5, from_=5), "from_ below until, not from_=5 and until=5"),
        (lambda: PiecewiseConstant([1.0, 2.0], [1, 2]), "one more of values than of milestones, not 2 and 2"),
        (lambda: PiecewiseConstant([1.0, 2.0, 3.0], [4, 4]), "must rise, not \\[4, 4\\]"),
        (
            lambda: PiecewiseConstant([1.0, float("inf")], [4]),
            r"Constant\.values\.1 must be a finite number, not inf",
        ),
    ],
)
def test_what_is_no_schedule_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
