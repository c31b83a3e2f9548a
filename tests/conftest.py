"""Every test runs with the environment of a real run, a cache of its own and nothing in the user's folders."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest

from oldrestore import runtime

# Before any test module imports Paddle.
runtime.prepare()
_cache = tempfile.TemporaryDirectory(prefix="oldrestore-tests-")
os.environ["OLDRESTORE_CACHE"] = _cache.name
os.environ.pop("MLFLOW_TRACKING_URI", None)
runtime.quiet_import_of_paddle()

from tests.threads import numbers_of_threads  # noqa: E402  (it imports Paddle)

pytest_plugins = ["tests.run_to_track", "tests.workshop"]
_threads = numbers_of_threads()


@pytest.fixture(scope="session", autouse=True)
def _remove_cache() -> Iterator[None]:
    yield
    _cache.cleanup()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own answer to SIGINT, which a shell without job control has its background programs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _threads_are_left_alone() -> Iterator[None]:
    """No call may change how many threads Paddle uses: what trains afterwards would have other bits."""
    yield
    assert numbers_of_threads() == _threads
