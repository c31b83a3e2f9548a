"""Configurations of earlier versions name classes that have moved since: they are found, and count as the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from safetensors.numpy import save_file

from oldrestore.config.aliases import MOVED, current_target, with_current_targets, with_first_targets
from oldrestore.config.build import build, locate
from oldrestore.evaluation.protocol import Protocol
from oldrestore.models.weights_header import WEIGHTS_FORMAT, WeightsHeader, read_header
from tests.config.earlier_targets import TARGETS

FIXTURE = Path(__file__).parents[1] / "records" / "version_0_1"


def targets_in(node) -> set[str]:
    if isinstance(node, dict):
        own = {node["_target_"]} if "_target_" in node else set()
        return own.union(*map(targets_in, node.values()))
    return set().union(*map(targets_in, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("before", MOVED)
def test_a_row_leads_to_a_class_that_exists_in_one_step(before):
    now = MOVED[before]
    assert now not in MOVED
    assert locate(before) is locate(now)
    assert f"{locate(now).__module__}.{locate(now).__name__}" == now


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_of_an_earlier_version_is_found(target):
    assert locate(target).__module__.startswith(target.partition(".")[0])


def test_every_target_of_logged_runs_is_found():
    configs = [OmegaConf.to_container(OmegaConf.load(path)) for path in FIXTURE.rglob("config.yaml")]
    found = set().union(*map(targets_in, configs))
    assert "oldrestore.data.image_folder.ImageFolder" in found
    for target in found:
        assert locate(target).__name__


def test_a_node_is_built_by_its_path_before_at_any_depth():
    node = {
        "_target_": "oldrestore.data.image_folder.ImageFolder",
        "crops": {"_target_": "oldrestore.data.crops.Crops", "size": 64, "crop": 32},
        "root": "there",
    }
    source = build(node)
    assert type(source).__module__ == "oldrestore.data.sources.image_folder"
    assert (source.crops.size, source.crops.crop) == (64, 32)


def test_only_targets_are_renamed_nested_and_flat():
    before, now = "oldrestore.data.inputs.Colors", "oldrestore.data.inputs.colors.Colors"
    node = {"a": [{"_target_": before, "note": before}], "b._target_": before, "c": {"_target_": ["no text"]}}
    renamed = {"a": [{"_target_": now, "note": before}], "b._target_": now, "c": {"_target_": ["no text"]}}
    assert with_current_targets(node) == renamed
    assert with_first_targets(renamed) == node
    assert current_target("oldrestore.models.eccv16.Eccv16") == "oldrestore.models.eccv16.Eccv16"


def test_a_protocol_keeps_its_hash_when_a_class_moves():
    before, now = next(iter(MOVED.items()))
    hashes = {Protocol("p", 1, {"evaluation.judged._target_": target, "n": 3}).hash for target in (before, now)}
    assert len(hashes) == 1


def test_the_header_of_a_weights_file_names_the_classes_of_today(tmp_path):
    written = WeightsHeader("eccv16", {"width": 0.5}, trained={"inputs": {"_target_": "oldrestore.data.inputs.Colors"}})
    metadata = {"format": WEIGHTS_FORMAT, **written.to_metadata()}
    save_file({"w": np.zeros(2, np.float32)}, tmp_path / "file.safetensors", metadata)
    header = read_header(tmp_path / "file.safetensors")
    assert header.trained == {"inputs": {"_target_": "oldrestore.data.inputs.colors.Colors"}}
    assert (header.model, header.settings) == ("eccv16", {"width": 0.5})
