"""A run folder as a stranger could have made it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from safetensors.numpy import save

from oldrestore.config.compose import compose_config
from tests.workshop import SETTINGS


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder as somebody could have made it up."""
    folder = tmp_path / "outputs" / "tiny" / "run-1"
    (folder / "checkpoints").mkdir(parents=True)
    settings = [text for text in SETTINGS if not text.startswith("outputs")]
    config = compose_config([*settings, f"dataset.root={tmp_path}", f"outputs={tmp_path / 'outputs'}", "run_id=run-1"])
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
    status = {"state": "failed", "reason": "x", "started": "2026-01-01T00:00:00.000Z", "sinks": {}}
    (folder / "status.json").write_text(json.dumps(status))
    for name in ("provenance.json", "data.json"):
        (folder / name).write_text("{}")
    (folder / "metrics.jsonl").write_text("")
    (folder / "checkpoints" / "best.safetensors").write_bytes(save({"model.x": np.zeros(1, np.float32)}))
    return folder
