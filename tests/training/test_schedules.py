"""Learning-rate schedules against values worked out by hand."""

import pytest

from oldrestore.training.schedules import Constant, Cosine, Step


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Constant(warmup=4), {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0, 4: 1.0, 5: 1.0}),
        (Step(milestones=[2, 4], factor=0.1), {0: 1, 1: 1, 2: 0.1, 3: 0.1, 4: 0.01, 5: 0.01}),
        (Cosine(iterations=100, final=0.1), {0: 1.0, 50: 0.55, 100: 0.1, 1000: 0.1}),
        (Cosine(iterations=110, warmup=10), {0: 0.1, 10: 1.0, 60: 0.5}),
    ],
)
def test_factors(schedule, factors):
    assert {iteration: schedule(iteration) for iteration in factors} == pytest.approx(factors)
