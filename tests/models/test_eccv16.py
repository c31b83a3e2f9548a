"""eccv16: the published network's size, names and both ways of decoding."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS
from oldrestore.errors import UserError
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.weights import load_weights, parameter_count

# Blocks of the published network: name, channels in, channels of its convolutions.
BLOCKS = {
    "model1": (1, [64, 64]),
    "model2": (64, [128, 128]),
    "model3": (128, [256, 256, 256]),
    "model4": (256, [512, 512, 512]),
    "model5": (512, [512, 512, 512]),
    "model6": (512, [512, 512, 512]),
    "model7": (512, [512, 512, 512]),
}


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Every name and shape of the released state dict, with Paddle's names for batch-norm statistics."""
    shapes: dict[str, tuple[int, ...]] = {}
    for block, (channels, outputs) in BLOCKS.items():
        for index, out in enumerate(outputs):
            shapes[f"{block}.{2 * index}.weight"] = (out, channels, 3, 3)
            shapes[f"{block}.{2 * index}.bias"] = (out,)
            channels = out
        for name in ("weight", "bias", "_mean", "_variance"):
            shapes[f"{block}.{2 * len(outputs)}.{name}"] = (channels,)
    shapes |= {"model8.0.weight": (512, 256, 4, 4), "model8.0.bias": (256,)}
    for index in (2, 4):
        shapes |= {f"model8.{index}.weight": (256, 256, 3, 3), f"model8.{index}.bias": (256,)}
    shapes |= {"model8.6.weight": (313, 256, 1, 1), "model8.6.bias": (313,), "model_out.weight": (2, 313, 1, 1)}
    return shapes


def test_full_width_is_the_published_network():
    network = Eccv16()
    assert parameter_count(network) == 32_236_011
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == published_shapes()


def test_width_multiplies_the_hidden_channels_only():
    shapes = {name: tuple(value.shape) for name, value in Eccv16(width=0.125).state_dict().items()}
    assert shapes["model7.4.weight"] == (64, 64, 3, 3)
    assert shapes["model8.6.weight"] == (313, 32, 1, 1)
    assert shapes["model_out.weight"] == (2, 313, 1, 1)


def test_logits_are_at_a_quarter_of_the_size():
    network = Eccv16(width=0.0625)
    assert network(paddle.full([2, 1, 32, 48], 50.0)).logits.shape == [2, 313, 8, 12]


def logits_of(probabilities: np.ndarray) -> Prediction:
    return Prediction(logits=paddle.to_tensor(np.log(probabilities)[None, :, None, None].astype(np.float32)))


def test_the_released_decoding_is_the_mean_and_the_annealed_one_lies_between_mean_and_mode():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(313, 0.05)) + 1e-6
    p /= p.sum()
    mean, mode = p @ AB_BINS, AB_BINS[p.argmax()]
    released = Eccv16(width=0.0625, decoding="released").decode(logits_of(p)).numpy()[0, :, 0, 0]
    np.testing.assert_allclose(released, mean, atol=1e-3)
    sharp = p ** (1 / 0.38)
    annealed = Eccv16(width=0.0625).decode(logits_of(p)).numpy()[0, :, 0, 0]
    np.testing.assert_allclose(annealed, (sharp / sharp.sum()) @ AB_BINS, atol=1e-3)
    coldest = Eccv16(width=0.0625, temperature=0.0).decode(logits_of(p)).numpy()[0, :, 0, 0]
    np.testing.assert_allclose(coldest, mode, atol=1e-3)


def test_weights_are_all_loaded_or_refused(tmp_path):
    network = Eccv16(width=0.0625)
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    save_file(tensors, tmp_path / "whole.safetensors")
    paddle.seed(1)
    other = Eccv16(width=0.0625, weights=str(tmp_path / "whole.safetensors"))
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), tensors[name])

    missing = {name: value for name, value in tensors.items() if name != "model4.2.bias"}
    extra = tensors | {"model9.0.bias": tensors["model1.0.bias"]}
    misshapen = tensors | {"model1.0.bias": np.zeros(3, np.float32)}
    for wrong, sentence in (
        (missing, "model4.2.bias is missing"),
        (extra, "model9.0.bias is not of this network"),
        (misshapen, "model1.0.bias has shape"),
    ):
        save_file(wrong, tmp_path / "wrong.safetensors")
        with pytest.raises(UserError, match=sentence):
            load_weights(other, tmp_path / "wrong.safetensors")
