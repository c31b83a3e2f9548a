"""siggraph17: its two stages, and that it learns; its layers and forward are checked in test_import_parity."""

from functools import partial

import numpy as np
import paddle
from safetensors.numpy import save_file

from oldrestore.color.grid_paddle import GRID_AB
from oldrestore.losses.composite import Composite
from oldrestore.losses.grid_classification import GridCrossEntropy
from oldrestore.losses.regression import SmoothL1
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.training.supervised import SupervisedLearner
from tests.models.overfitting import photographs


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
    batch = photographs(4, 24)
    loss = Composite({"classes": {"loss": GridCrossEntropy()}, "ab": {"weight": 10.0, "loss": SmoothL1()}})
    make = partial(paddle.optimizer.Adam, learning_rate=2e-3)
    learner = SupervisedLearner(Siggraph17(width=0.125), loss, make)
    curve = [{name: float(value) for name, value in learner.step([batch], i).items()} for i in range(90)]
    assert curve[-1]["ab"] < 0.15 * curve[0]["ab"]
    assert curve[-1]["classes"] < 0.7 * curve[0]["classes"]
    with learner.evaluation_weights(), paddle.no_grad():
        error = learner.predict(batch).ab - batch.ab_b2hw
    assert float(error.abs().mean()) < 0.35 * float(batch.ab_b2hw.abs().mean())
