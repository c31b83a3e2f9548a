"""Checkpoints are read bit for bit, replaced whole, and no other file is taken for one."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from oldrestore.training import checkpoint as module
from oldrestore.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


def example(value: float = 1.0) -> Checkpoint:
    rng = np.random.default_rng(0)
    tensors = {"model.w": (value * rng.normal(size=(3, 4))).astype(np.float32), "model.n": np.array([7], np.int64)}
    return Checkpoint(tensors=tensors, state={"iteration": 12, "best": 0.1, "monitor": "val/loss"})


def test_round_trip(tmp_path):
    save_checkpoint(tmp_path / "a" / "last.safetensors", example())
    loaded = load_checkpoint(tmp_path / "a" / "last.safetensors")
    assert loaded.state == example().state
    for name, value in example().tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], value)
        assert loaded.tensors[name].dtype == value.dtype


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, example(1.0))

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, example(2.0))
    np.testing.assert_array_equal(load_checkpoint(path).tensors["model.w"], example(1.0).tensors["model.w"])
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


def test_what_is_missing_or_only_weights_is_refused(tmp_path, refusal):
    save_file(example().tensors, tmp_path / "weights.safetensors")
    for name in ("weights.safetensors", "missing.safetensors"):
        assert name in refusal(load_checkpoint, tmp_path / name)
