"""Learning-rate schedules against values worked out by hand."""

from __future__ import annotations

import pytest

from oldrestore.training.schedules import Constant, Cosine, Step


def test_constant_after_a_linear_rise():
    schedule = Constant(warmup=4)
    assert [schedule(i) for i in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_step_multiplies_at_each_milestone():
    schedule = Step(milestones=[2, 4], factor=0.1)
    assert [schedule(i) for i in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_is_half_way_in_the_middle_and_final_at_the_end():
    schedule = Cosine(iterations=100, final=0.1)
    assert schedule(0) == 1.0
    assert schedule(50) == pytest.approx(0.55)
    assert schedule(100) == pytest.approx(0.1)
    assert schedule(1000) == pytest.approx(0.1)


def test_cosine_starts_after_the_warmup():
    schedule = Cosine(iterations=110, warmup=10)
    assert schedule(0) == pytest.approx(0.1)
    assert schedule(10) == 1.0
    assert schedule(60) == pytest.approx(0.5)
