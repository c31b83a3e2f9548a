"""Hypothesis the same in every run, and the ledger of what was tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.reliability.ledger import Ledger
from tests.reliability.nursery import Nursery

FEW, MANY = "few", "many"
_COMMON = {
    # The examples depend on the test alone: a failure comes again on any machine.
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
}
settings.register_profile(FEW, max_examples=40, **_COMMON)
settings.register_profile(MANY, max_examples=600, **_COMMON)
settings.load_profile(FEW)


@pytest.fixture
def ledger(request) -> Ledger:
    """Record what this test tried and what came of it; see tests/reliability/ledger.py."""
    test = request.node.nodeid.partition("[")[0]
    return Ledger(test, request.node.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Give the process in whose forks runs meet faults; see tests/reliability/nursery.py."""
    made = Nursery()
    yield made
    made.close()
