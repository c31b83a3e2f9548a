"""Which kernels are used when, and what is said when oneDNN's are not there."""

import ctypes
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.kernels import choice
from oldrestore.kernels.library import load_from
from oldrestore.models.convolution import Conv2D, Conv2DTranspose, Sequential


def test_float32_on_a_cpu_goes_through_onednn_and_comes_out_channels_last():
    with choice.using("auto"):
        assert list(Conv2D(3, 4, 3, padding=1)(paddle.ones([2, 3, 5, 5])).strides) == [100, 1, 20, 4]


def test_another_precision_goes_through_paddle():
    assert not choice.usable(paddle.ones([2, 3, 5, 5], dtype="float64"))
    assert not choice.usable(paddle.ones([3, 5, 5]))


def test_a_choice_holds_within_its_block():
    with choice.using("paddle"):
        assert choice.described() == "paddle"
        assert list(Conv2D(3, 4, 3, padding=1)(paddle.ones([2, 3, 5, 5])).strides) == [4 * 25, 25, 5, 1]
        with choice.using("onednn"):
            assert choice.described().startswith("onednn 3.")


@pytest.mark.parametrize("training", [True, False])
def test_layers_in_a_row_give_what_paddles_give(training):
    layers = [
        *(nn.ReLU(), Conv2D(3, 8, 3, padding=1), nn.LeakyReLU(0.2), nn.BatchNorm2D(8), nn.ReLU()),
        *(Conv2DTranspose(8, 4, 4, stride=2, padding=1), nn.ReLU6(), nn.Tanh(), Conv2D(4, 2, 1, groups=2)),
    ]
    x = paddle.randn([2, 3, 6, 6])
    results = {}
    for kernels in ("paddle", "onednn"):
        network = Sequential(*layers)
        network.train() if training else network.eval()
        network[3]._mean.set_value(paddle.zeros([8]))
        network[3]._variance.set_value(paddle.ones([8]))
        network.clear_gradients()
        with choice.using(kernels):
            y = network(x)
            (y * y).sum().backward()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        results[kernels] = [t.numpy() for t in (y, network[3]._mean, network[3]._variance, *gradients)]
    for one, other in zip(results["onednn"], results["paddle"], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1.0, np.abs(other).max()))


def test_a_missing_library_is_a_sentence(tmp_path):
    assert load_from(tmp_path) == "this Paddle brings no oneDNN library"
    (tmp_path / "libdnnl.so.3").write_bytes(b"not a library")
    assert load_from(tmp_path).startswith("oneDNN cannot be loaded: ")


@pytest.mark.parametrize("version", [(2, 7, 3), (3, 0, 1), (4, 0, 0)])
def test_another_version_is_a_sentence(tmp_path, monkeypatch, version):
    (tmp_path / "libdnnl.so.2").touch()
    answer = SimpleNamespace(contents=SimpleNamespace(**dict(zip(("major", "minor", "patch"), version, strict=True))))

    def dnnl_version():
        return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda path: SimpleNamespace(dnnl_version=dnnl_version))
    named = ".".join(map(str, version))
    assert load_from(tmp_path) == f"oneDNN is {named}, and versions from 3.1 to before 4.0 are used"
