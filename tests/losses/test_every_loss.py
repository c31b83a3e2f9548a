"""Every choice of conf/loss, found by listing: it trains a small network on two photographs, and goes down."""

import copy
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from safetensors.numpy import save_file

from oldrestore.batch import Batch, Prediction
from oldrestore.color.lab import rgb_to_lab
from oldrestore.color.prior import count_bins, smooth_prior
from oldrestore.config.build import build
from oldrestore.config.pairs import choices, predictions, readings
from oldrestore.losses.base import Loss
from oldrestore.training.supervised import SupervisedLearner
from tests.models import plain_networks
from tests.models.overfitting import pixels

SIDE = 32
ITERATIONS = 30
LOSSES = choices("loss")
# What `Tiny` predicts, and how many channels it has; other kinds of prediction need a network of conf/model.
CHANNELS = {"logits": 313, "ab": 2, "class_logits": 529, "hue_logits": 32, "chroma_logits": 32}
NETWORKS = {"sagan_restore": {"width": 0.0625}, "damage_unet": {"width": 0.125}}
# A recognition network within a loss costs seconds.
NOT_SO_SMALL = {"agreement"}  # nothing is recognised at 32 pixels, nor can be: see test_recognition.py
EXPENSIVE = [name for name, node in LOSSES.items() if "oldrestore.models" in str(node)]


class Tiny(nn.Layer):
    """Three convolutions from lightness to whatever is asked for, at a quarter of the size."""

    reads = ("L_b1hw",)

    def __init__(self, fields: frozenset[str]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2D(1, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2D(32, 64, 3, stride=2, padding=1), nn.ReLU()
        )
        self.heads = nn.LayerDict({field: nn.Conv2D(64, CHANNELS[field], 3, padding=1) for field in sorted(fields)})

    def forward(self, L_b1hw: paddle.Tensor) -> Prediction:
        features = self.trunk((L_b1hw - 50.0) / 50.0)
        found = {field: head(features) for field, head in self.heads.items()}
        if "ab" in found:
            found["ab"] = 110.0 * found["ab"]  # a network predicts ab / 110
        return Prediction(**found)


@cache
def prior() -> np.ndarray:
    return smooth_prior(count_bins(rgb_to_lab(pixels(2, SIDE).numpy())[..., 1:]))


@cache
def inputs() -> list[dict[str, Any]]:
    nodes = choices("inputs")
    return [nodes.pop("colors"), *nodes.values()]


def batch_for(network: nn.Layer) -> Batch:
    """Photographs as the first choice of conf/inputs makes them that gives what the network reads."""
    for node in inputs():
        batch = build(node)(pixels(2, SIDE), ("one", "other"), np.random.default_rng(0))
        if all(getattr(batch, field) is not None for field in network.reads):
            return batch
    raise AssertionError(f"no inputs give {network.reads}")


def make_network(loss: dict[str, Any]) -> nn.Layer:
    paddle.seed(0)
    read = readings(loss)
    if read <= CHANNELS.keys():
        return Tiny(read)
    models = choices("model")
    fits = [name for name in NETWORKS if read <= predictions(models[name])]
    assert fits, f"name a small network in NETWORKS that predicts {sorted(read)}"
    return build({**models[fits[0]], **NETWORKS[fits[0]]})


def make_loss(name: str, folder: Path) -> Loss:
    node = copy.deepcopy(LOSSES[name])
    if name == "lpips":
        node["network"] |= random_lpips(folder)
    loss = build(node)
    loss.prepare(prior=prior(), prior_pixels=float(2 * SIDE * SIDE), labels={"one": 3, "other": 5})
    return loss


def random_lpips(folder: Path) -> dict[str, str]:
    """Files of AlexNet and of the linear layers as LPIPS has them, filled at random."""
    arrays = plain_networks.random_weights("alexnet"), plain_networks.random_linear_weights("alexnet")
    files = {f"{kind}_weights": folder / f"{kind}.safetensors" for kind in ("backbone", "linear")}
    for one, file in zip(arrays, files.values(), strict=True):
        save_file(one, file)
    return {setting: str(file) for setting, file in files.items()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in EXPENSIVE else name
        for name in sorted(LOSSES.keys() - NOT_SO_SMALL)
    ],
)
def test_it_trains_a_network_on_two_photographs(name, tmp_path):
    loss, network = make_loss(name, tmp_path), make_network(LOSSES[name])
    batch = batch_for(network)
    learner = SupervisedLearner(network, loss, partial(paddle.optimizer.Adam, learning_rate=2e-3))

    network.train()
    first = loss.terms(learner.predict(batch), batch)
    first["loss"].backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(bool(paddle.isfinite(value).all()) for value in (*first.values(), *gradients))
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0
    network.clear_gradients()

    values = np.array([float(learner.step([batch], iteration)["loss"]) for iteration in range(ITERATIONS)])
    assert np.isfinite(values).all()
    assert values[-5:].mean() < 0.98 * values[0], values
