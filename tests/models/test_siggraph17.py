"""siggraph17: the published network's size and names, its forward pass worked out in NumPy, its two stages."""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file
from scipy.signal import convolve2d, correlate2d

from oldrestore.batch import Batch
from oldrestore.color.grid import GRID_AB
from oldrestore.losses.composite import Composite
from oldrestore.losses.grid_classification import GridCrossEntropy
from oldrestore.losses.regression import SmoothL1
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.weights import parameter_count
from oldrestore.training.supervised import SupervisedLearner
from tests.generated_photographs import make_photograph

# Every layer of the released state dict: name, shape of its weight, length of its bias.
CONVOLUTIONS = {
    "model1.0": ((64, 4, 3, 3), 64),
    "model1.2": ((64, 64, 3, 3), 64),
    "model2.0": ((128, 64, 3, 3), 128),
    "model2.2": ((128, 128, 3, 3), 128),
    "model3.0": ((256, 128, 3, 3), 256),
    "model3.2": ((256, 256, 3, 3), 256),
    "model3.4": ((256, 256, 3, 3), 256),
    "model4.0": ((512, 256, 3, 3), 512),
    "model4.2": ((512, 512, 3, 3), 512),
    "model4.4": ((512, 512, 3, 3), 512),
    "model5.0": ((512, 512, 3, 3), 512),
    "model5.2": ((512, 512, 3, 3), 512),
    "model5.4": ((512, 512, 3, 3), 512),
    "model6.0": ((512, 512, 3, 3), 512),
    "model6.2": ((512, 512, 3, 3), 512),
    "model6.4": ((512, 512, 3, 3), 512),
    "model7.0": ((512, 512, 3, 3), 512),
    "model7.2": ((512, 512, 3, 3), 512),
    "model7.4": ((512, 512, 3, 3), 512),
    "model8up.0": ((512, 256, 4, 4), 256),
    "model3short8.0": ((256, 256, 3, 3), 256),
    "model8.1": ((256, 256, 3, 3), 256),
    "model8.3": ((256, 256, 3, 3), 256),
    "model9up.0": ((256, 128, 4, 4), 128),
    "model2short9.0": ((128, 128, 3, 3), 128),
    "model9.1": ((128, 128, 3, 3), 128),
    "model10up.0": ((128, 128, 4, 4), 128),
    "model1short10.0": ((128, 64, 3, 3), 128),
    "model10.1": ((128, 128, 3, 3), 128),
    "model_class.0": ((529, 256, 1, 1), 529),
    "model_out.0": ((2, 128, 1, 1), 2),
}
# Batch norms and their channels; each has weight, bias, _mean and _variance (Paddle's names of the statistics).
NORMS = {
    "model1.4": 64,
    "model2.4": 128,
    "model3.6": 256,
    "model4.6": 512,
    "model5.6": 512,
    "model6.6": 512,
    "model7.6": 512,
    "model8.5": 256,
    "model9.3": 128,
}


def published_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (weight, bias) in CONVOLUTIONS.items():
        shapes |= {f"{name}.weight": weight, f"{name}.bias": (bias,)}
    for name, channels in NORMS.items():
        shapes |= {f"{name}.{part}": (channels,) for part in ("weight", "bias", "_mean", "_variance")}
    return shapes


def test_full_width_is_the_published_network():
    network = Siggraph17()
    assert parameter_count(network) == 34_187_027
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == published_shapes()
    assert len(published_shapes()) == 98


def small_network(seed: int = 0, **settings) -> Siggraph17:
    """A sixteenth of the width, with every weight and statistic random, so that none can be left out unseen."""
    network = Siggraph17(width=0.0625, **settings)
    network.eval()
    rng = np.random.default_rng(seed)
    for name, value in network.state_dict().items():
        if name.endswith("_variance"):
            drawn = rng.uniform(0.5, 2.0, value.shape)
        elif value.ndim == 4:
            drawn = rng.normal(0, (2 / np.prod(value.shape[1:])) ** 0.5, value.shape)
        else:
            drawn = rng.normal(float(name.endswith("weight")), 0.3, value.shape)
        value.set_value(drawn.astype(np.float32))
    return network


def inputs(seed: int = 1, batch: int = 2, height: int = 16, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Lightness and hints."""
    rng = np.random.default_rng(seed)
    mask = (rng.random((batch, 1, height, width)) < 0.2).astype(np.float32)
    hints = np.concatenate([rng.uniform(-80, 80, (batch, 2, height, width)) * mask, mask], axis=1)
    return rng.uniform(0, 100, (batch, 1, height, width)).astype(np.float32), hints.astype(np.float32)


class Reference:
    """The network in float64 with SciPy's convolutions, written from the paper's layer table."""

    def __init__(self, network: Siggraph17) -> None:
        self.state = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}

    def __call__(self, L: np.ndarray, hints: np.ndarray, mask_center: float) -> tuple[np.ndarray, np.ndarray]:
        ab, classes = zip(*(self.one(*each, mask_center) for each in zip(L, hints, strict=True)), strict=True)
        return np.stack(ab), np.stack(classes)

    def one(self, L, hints, mask_center):
        x = np.concatenate([(L - 50) / 100, hints[:2] / 110, hints[2:] - mask_center]).astype(np.float64)
        conv1 = self.block("model1", x, 2)
        conv2 = self.block("model2", conv1[:, ::2, ::2], 2)
        conv3 = self.block("model3", conv2[:, ::2, ::2], 3)
        x = self.block("model4", conv3[:, ::2, ::2], 3)
        x = self.block("model5", x, 3, dilation=2)
        x = self.block("model6", x, 3, dilation=2)
        x = self.block("model7", x, 3)
        x = relu(self.up("model8up.0", x) + self.conv("model3short8.0", conv3))
        x = self.norm("model8.5", relu(self.conv("model8.3", relu(self.conv("model8.1", x)))))
        classes = self.conv("model_class.0", x)
        x = relu(self.up("model9up.0", x) + self.conv("model2short9.0", conv2))
        x = self.norm("model9.3", relu(self.conv("model9.1", x)))
        x = relu(self.up("model10up.0", x) + self.conv("model1short10.0", conv1))
        x = self.conv("model10.1", x)
        x = np.where(x > 0, x, 0.2 * x)
        return np.tanh(self.conv("model_out.0", x)) * 110, classes

    def block(self, name, x, layers, dilation=1):
        for index in range(layers):
            x = relu(self.conv(f"{name}.{2 * index}", x, dilation))
        return self.norm(f"{name}.{2 * layers}", x)

    def conv(self, name, x, dilation=1):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        size = dilation * (weight.shape[2] - 1) + 1
        spread = np.zeros((*weight.shape[:2], size, size))
        spread[:, :, ::dilation, ::dilation] = weight
        return np.stack(
            [
                sum(correlate2d(channel, kernel, mode="same") for channel, kernel in zip(x, kernels, strict=True)) + b
                for kernels, b in zip(spread, bias, strict=True)
            ]
        )

    def up(self, name, x):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        apart = np.zeros((len(x), 2 * x.shape[1] - 1, 2 * x.shape[2] - 1))
        apart[:, ::2, ::2] = x
        return np.stack(
            [
                sum(convolve2d(apart[i], weight[i, o]) for i in range(len(x)))[1:-1, 1:-1] + bias[o]
                for o in range(weight.shape[1])
            ]
        )

    def norm(self, name, x):
        gain, shift, mean, variance = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias", "_mean", "_variance")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gain + shift


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


@pytest.mark.parametrize("mask_center", [0.0, 0.5])
def test_the_forward_pass_against_scipy(mask_center):
    network = small_network(mask_center=mask_center)
    L, hints = inputs()
    expected_ab, expected_classes = Reference(network)(L, hints, mask_center)
    prediction = network(paddle.to_tensor(L), paddle.to_tensor(hints))
    assert prediction.ab.shape == [2, 2, 16, 24]
    assert prediction.class_logits.shape == [2, 529, 4, 6]
    np.testing.assert_allclose(prediction.ab.numpy() / 110, expected_ab / 110, atol=1e-4)
    np.testing.assert_allclose(prediction.class_logits.numpy(), expected_classes, atol=1e-4)
    assert expected_ab.std() > 5
    assert network.decode(prediction) is prediction.ab


def test_no_hints_are_hints_with_an_empty_mask():
    network = small_network(mask_center=0.5)
    L, hints = inputs()
    alone = network(paddle.to_tensor(L)).ab.numpy()
    np.testing.assert_array_equal(alone, network(paddle.to_tensor(L), paddle.zeros([2, 3, 16, 24])).ab.numpy())
    assert np.abs(alone - network(paddle.to_tensor(L), paddle.to_tensor(hints)).ab.numpy()).max() > 1


def test_an_untrained_network_says_gray_and_every_square_alike():
    paddle.seed(0)
    network = Siggraph17(width=0.125)
    network.eval()
    L, _ = inputs()
    prediction = network(paddle.to_tensor(L))
    assert np.abs(prediction.ab.numpy()).mean() < 20
    assert float(paddle.nn.functional.softmax(prediction.class_logits, axis=1).max()) < 0.1


def gradients(network: Siggraph17, value: paddle.Tensor) -> set[str]:
    """Names of the parameters that a value sends a gradient to."""
    value.backward()
    reached = {n for n, p in network.named_parameters() if p.grad is not None and np.abs(p.grad.numpy()).max() > 0}
    network.clear_gradients(set_to_zero=False)
    return reached


def test_in_the_full_stage_the_class_head_learns_without_steering_the_network():
    network = small_network()
    L, hints = (paddle.to_tensor(x) for x in inputs())
    assert gradients(network, network(L, hints).class_logits.square().mean()) == {
        "model_class.0.weight",
        "model_class.0.bias",
    }
    trained = {name for name, value in network.named_parameters() if not value.stop_gradient}
    regression = gradients(network, network(L, hints).ab.square().mean())
    assert regression == trained - {"model_class.0.weight", "model_class.0.bias"}


def test_in_the_classification_stage_the_class_head_trains_the_network_and_nothing_else_runs():
    network = small_network(stage="classification")
    network.train()
    L, hints = (paddle.to_tensor(x) for x in inputs())
    rest = ("model9", "model2short9", "model10", "model1short10", "model_out")
    before = {n: v.numpy().copy() for n, v in network.state_dict().items() if n.startswith(rest)}
    prediction = network(L, hints)
    assert prediction.ab is None
    reached = gradients(network, prediction.class_logits.square().mean())
    trained = {name for name, value in network.named_parameters() if not value.stop_gradient}
    assert reached == {name for name in trained if not name.startswith(rest)}
    for name, value in before.items():  # running statistics of batch norm included
        np.testing.assert_array_equal(network.state_dict()[name].numpy(), value)


def test_in_the_classification_stage_colour_is_the_annealed_mean_of_the_classes():
    network = small_network(stage="classification", temperature=1.0)
    prediction = network(*(paddle.to_tensor(x) for x in inputs()))
    p = np.exp(prediction.class_logits.numpy().astype(np.float64))
    expected = np.einsum("bchw,cd->bdhw", p / p.sum(axis=1, keepdims=True), GRID_AB)
    np.testing.assert_allclose(network.decode(prediction).numpy(), expected, atol=1e-3)


def test_the_second_stage_starts_from_the_weights_of_the_first(tmp_path):
    first = small_network(stage="classification")
    save_file({f"model.{n}": v.numpy() for n, v in first.state_dict().items()}, tmp_path / "best.safetensors")
    second = Siggraph17(width=0.0625, weights=str(tmp_path / "best.safetensors"))
    second.eval()
    tensors = [paddle.to_tensor(x) for x in inputs()]
    np.testing.assert_array_equal(second(*tensors).class_logits.numpy(), first(*tensors).class_logits.numpy())


def test_it_overfits_four_photographs():
    paddle.seed(0)
    rgb = np.stack([make_photograph(seed, size=24) for seed in range(4)])
    batch = Batch.from_rgb(paddle.to_tensor(rgb))
    loss = Composite({"classes": {"loss": GridCrossEntropy()}, "ab": {"weight": 10.0, "loss": SmoothL1()}})
    make = partial(paddle.optimizer.Adam, learning_rate=2e-3)
    learner = SupervisedLearner(Siggraph17(width=0.125), loss, make)
    curve = [{name: float(value) for name, value in learner.step([batch], i).items()} for i in range(90)]
    assert curve[-1]["ab"] < 0.15 * curve[0]["ab"]
    assert curve[-1]["classes"] < 0.7 * curve[0]["classes"]
    with learner.evaluation_weights(), paddle.no_grad():
        error = learner.predict(batch).ab - batch.ab_b2hw
    assert float(error.abs().mean()) < 0.35 * float(batch.ab_b2hw.abs().mean())
