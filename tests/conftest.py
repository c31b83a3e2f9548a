"""Every test runs with the environment of a real run, a cache of its own and nothing in the user's folders."""

import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from oldrestore import runtime
from oldrestore.cli import main
from oldrestore.errors import UserError

# Before any test module imports Paddle.
runtime.prepare()
_cache = tempfile.TemporaryDirectory(prefix="oldrestore-tests-")
os.environ["OLDRESTORE_CACHE"] = _cache.name
os.environ.pop("MLFLOW_TRACKING_URI", None)
runtime.quiet_import_of_paddle()

from oldrestore.kernels.choice import using  # noqa: E402  (it imports Paddle)
from tests.threads import numbers_of_threads  # noqa: E402  (it imports Paddle)

pytest_plugins = ["tests.run_to_track", "tests.workshop"]
_threads = numbers_of_threads()


@pytest.fixture(scope="session", autouse=True)
def _remove_cache() -> Iterator[None]:
    yield
    _cache.cleanup()


@dataclass
class Answer:
    """What a verb printed."""

    out: str
    err: str

    @property
    def content(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)


@pytest.fixture
def cli(capsys) -> Callable[..., Answer]:
    """Run ``oldrestore`` in this process, which must end with this exit code."""

    def run(*arguments: object, code: int = 0) -> Answer:
        capsys.readouterr()
        assert main(list(map(str, arguments))) == code
        return Answer(*capsys.readouterr())

    return run


@pytest.fixture
def refusal() -> Callable[..., str]:
    """The sentence with which a call is refused."""

    def sentence_of(call: Callable, *arguments: object, **named: object) -> str:
        with pytest.raises(UserError) as refused:
            call(*arguments, **named)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    return sentence_of


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


@pytest.fixture(autouse=True)
def _kernels_end_with_the_test() -> Iterator[None]:
    """A run chooses the kernels of its process: not for the tests after it."""
    with using("auto"):
        yield
