"""A whole training on prepared photographs: the same losses and weights, to the last bit, and said beforehand."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from oldrestore.cli import main

LIGHT = ("evaluation.judged=null", "evaluation.samples=0", "tracking=none", "trainer.evaluate_every=0")


@pytest.fixture(scope="module")
def workshop(make_workshop):
    return make_workshop()


def losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    values = {}
    for line in lines:
        values |= {(name, line["iteration"]): v for name, v in line["values"].items() if not name.startswith("time/")}
    return values


def test_training_with_and_without(workshop, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path_factory.mktemp("cache")))
    code, _ = workshop.train("dataset.prepared=required")
    assert code == 2
    assert "are not prepared at this size" in capsys.readouterr().err
    code, without = workshop.train("dataset.prepared=off", *LIGHT)
    assert code == 0
    assert main(["data", "prepare", *workshop.arguments()]) == 0
    printed = capsys.readouterr().out.splitlines()[-2:]
    assert printed[0].startswith("prepared ") and "at a training size of 48 (shorter_side)" in printed[0]
    assert printed[1].endswith(".photographs")
    code, with_it = workshop.train("dataset.prepared=required", "trainer.workers=1", *LIGHT)
    assert code == 0
    assert losses(with_it) == losses(without)
    assert ("train/loss", 5) in losses(with_it)
    weights, others = (load_file(folder / "checkpoints" / "last.safetensors") for folder in (with_it, without))
    assert weights.keys() == others.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(array, others[name])
    assert main(["data", "prepare", *workshop.arguments()]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("already prepared: ")
