"""Networks at full width: losses of 20 iterations with oneDNN beside those with Paddle's kernels.

Rounding grows in training. How much is measured in the same run: a third training has Paddle's kernels, and first
weights that are changed by one part in ten million, about float32's own rounding.
"""

import numpy as np
import paddle
import pytest

from oldrestore.config.compose import compose_config
from oldrestore.kernels import choice
from oldrestore.run.components import build_components

ITERATIONS = 20
SMALL = ["dataset.crops.crop=32", "dataset.crops.size=64", "evaluation.judged=null"]
NETWORKS = {
    "eccv16": [],
    "siggraph17": ["loss=siggraph17_full", "inputs=hints"],
    "sagan_restore": ["loss=restoration", "inputs=holes", "optimizer=adam_adversarial", "evaluation=holes"],
}


def losses(model, kernels, nudge=0.0):
    with choice.using(kernels):
        paddle.seed(0)
        components = build_components(compose_config([f"model={model}", *SMALL, *NETWORKS[model]]))
        rng = np.random.default_rng(3)
        for parameter in components.learner.network.parameters():
            noise = rng.uniform(-nudge, nudge, parameter.shape).astype(np.float32)
            parameter.set_value(parameter * (1 + paddle.to_tensor(noise)))
        found = []
        for iteration in range(1, ITERATIONS + 1):
            rgb = paddle.to_tensor(np.random.default_rng(iteration % 4).integers(0, 256, (2, 32, 32, 3), np.uint8))
            batch = components.inputs(rgb, ("a", "b"), np.random.default_rng(iteration))
            found.append(float(components.learner.step([batch], iteration)["loss"]))
        return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("model", NETWORKS)
def test_losses_part_as_rounding_grows(model):
    paddles, onednns, nudged = losses(model, "paddle"), losses(model, "onednn"), losses(model, "paddle", nudge=1e-7)
    apart, growth = np.abs(onednns / paddles - 1), np.abs(nudged / paddles - 1)
    print(f"{model}: apart {apart.max():.1e}, a nudge of 1e-7 grows to {growth.max():.1e}")
    assert apart[0] < 1e-5
    assert apart.max() < max(1e-5, 10 * growth.max())
