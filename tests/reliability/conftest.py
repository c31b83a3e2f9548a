"""Hypothesis the same in every run, the ledger of what was tried, and the process in whose forks runs meet faults."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.generated_photographs import make_folder
from tests.reliability.faulty_runs import Yard
from tests.reliability.ledger import Ledger
from tests.reliability.nursery import Nursery

settings.register_profile(
    "reliability",
    max_examples=40,
    derandomize=True,  # the examples depend on the test alone: a failure comes again on any machine
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.load_profile("reliability")
_thorough = False


def pytest_configure(config: pytest.Config) -> None:
    global _thorough
    _thorough = "not slow" not in config.option.markexpr


def examples(few: int, many: int) -> settings:
    """Decorate a property: how many examples are tried by ``make test``, and by ``make test-all``."""
    return settings(max_examples=many if _thorough else few)


@pytest.fixture
def section(request) -> str:
    """Heading of docs/reliability.md under which a module records."""
    return request.module.SECTION


@pytest.fixture
def ledger(request, section) -> Ledger:
    test = request.node.nodeid.partition("[")[0]
    return Ledger(section, test, request.node.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    return Nursery()


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photographs") / "set")


@pytest.fixture
def yard(photos, tmp_path, nursery) -> Yard:
    return Yard(photos, tmp_path / "outputs", nursery)
