"""A run folder as a stranger could have made it, and the memory that an attack costs."""

import contextlib
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from safetensors.numpy import save

from oldrestore.config.compose import compose_config
from tests.workshop import SETTINGS


@pytest.fixture
def section() -> str:
    return "What others hand you"


@pytest.fixture
def within_mib() -> Callable[[float], AbstractContextManager[None]]:
    """Fail if a block takes more memory than so many MiB above the most that this process has held before."""

    @contextlib.contextmanager
    def within(limit: float) -> Iterator[None]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < limit * 1024

    return within


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "outputs" / "tiny" / "run-1"
    (folder / "checkpoints").mkdir(parents=True)
    places = [f"dataset.root={tmp_path}", f"outputs={tmp_path / 'outputs'}", "run_id=run-1"]
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(compose_config([*SETTINGS, *places])))
    status = {"state": "failed", "reason": "x", "started": "2026-01-01T00:00:00.000Z", "sinks": {}}
    (folder / "status.json").write_text(json.dumps(status))
    for name in ("provenance.json", "data.json"):
        (folder / name).write_text("{}")
    (folder / "metrics.jsonl").write_text("")
    (folder / "checkpoints" / "best.safetensors").write_bytes(save({"model.x": np.zeros(1, np.float32)}))
    return folder
