"""LPIPS and the features under it against NumPy in float64, on random weights; and what is said without any."""

import hashlib
from pathlib import Path

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.models.features import AlexNetFeatures, EfficientNetLiteFeatures, Vgg16Features, pretrained_features
from oldrestore.models.lpips import LpipsNetwork
from tests.models import pickle_writer, plain_networks


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """For each backbone: the files, as torch.save writes them, and what is in them."""
    folder = tmp_path_factory.mktemp("lpips")
    found = {}
    for name in plain_networks.NETWORKS:
        arrays, linear = plain_networks.random_weights(name), plain_networks.random_linear_weights(name)
        pickle_writer.write_zip(folder / f"{name}.pth", arrays)
        pickle_writer.write_zip(folder / f"{name}-linear.pth", linear)
        found[name] = (str(folder / f"{name}.pth"), str(folder / f"{name}-linear.pth"), arrays, linear)
    return found


def photographs(side=32, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((2, 3, side, side), dtype=np.float32)


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_features_against_numpy(name, weights):
    path, _, arrays, _ = weights[name]
    network = {"alexnet": AlexNetFeatures, "vgg16": Vgg16Features}[name](path)
    rgb = photographs()
    found = network(paddle.to_tensor(rgb))
    expected = plain_networks.features(name, arrays, rgb)
    assert [f.shape for f in found] == [list(e.shape) for e in expected] and len(found) == network.layers
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-5 * theirs.max())
    assert network.recognizer == name
    assert network.fingerprint == hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_lpips_against_numpy(name, weights):
    path, linear_path, arrays, linear = weights[name]
    network = LpipsNetwork(name, path, linear_path)
    a, b = photographs(), photographs(seed=1)
    found = network(paddle.to_tensor(a), paddle.to_tensor(b))
    assert found.shape == [2] and found.dtype == paddle.float32
    np.testing.assert_allclose(found.numpy(), plain_networks.lpips(name, arrays, linear, a, b), rtol=1e-5)
    assert network.fingerprint == network.backbone.fingerprint and network.recognizer == name


def test_its_gradient_against_finite_differences(weights):
    path, linear_path, arrays, linear = weights["alexnet"]
    network = LpipsNetwork("alexnet", path, linear_path)
    a, b = photographs(), photographs(seed=1)
    tensor = paddle.to_tensor(a, stop_gradient=False)
    network(tensor, paddle.to_tensor(b)).sum().backward()
    gradient = tensor.grad.numpy()
    # Along random directions: a kink of a single ReLU would spoil a single pixel's difference.
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=a.shape) * (np.abs(gradient) > 0)
        ends = [
            plain_networks.lpips("alexnet", arrays, linear, a.astype(np.float64) + step * direction, b).sum()
            for step in (1e-6, -1e-6)
        ]
        assert (gradient * direction).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3, abs=1e-4)


def test_features_that_are_all_zero_give_numbers(tmp_path, weights):
    _, linear_path, arrays, _ = weights["alexnet"]
    path = tmp_path / "dead.pth"
    pickle_writer.write_zip(path, {name: np.zeros_like(array) for name, array in arrays.items()})
    network = LpipsNetwork("alexnet", str(path), linear_path)
    tensor = paddle.to_tensor(photographs(), stop_gradient=False)
    value = network(tensor, paddle.to_tensor(photographs(seed=1)))
    value.sum().backward()
    assert (value.numpy() == 0).all() and (tensor.grad.numpy() == 0).all()


def test_nothing_of_it_learns(weights):
    network = LpipsNetwork("alexnet", *weights["alexnet"][:2])
    network.train()
    tensor = paddle.to_tensor(photographs(), stop_gradient=False)
    network(tensor, paddle.to_tensor(photographs(seed=1))).sum().backward()
    assert all(p.stop_gradient and p.grad is None for p in network.parameters())
    assert (tensor.grad.numpy() != 0).any()


def test_efficientnet_s_features_stay_as_they_are_in_training_mode():
    features = EfficientNetLiteFeatures("lite0")
    rgb = paddle.to_tensor(photographs(side=33))
    expected = [f.numpy() for f in features(rgb)]
    assert len(expected) == features.layers and features.recognizer == "efficientnet_lite0"
    plain = features.network.features((rgb * 255.0 - 127.0) / 128.0)
    for found, whole in zip(expected, plain, strict=True):
        np.testing.assert_allclose(found, whole.numpy(), atol=1e-4)
    before = {name: value.numpy().copy() for name, value in features.network.state_dict().items()}
    features.train()
    for found, again in zip(features(rgb), expected, strict=True):
        np.testing.assert_array_equal(found.numpy(), again)
    for name, value in features.network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    assert all(p.stop_gradient for p in features.parameters())


def test_networks_are_chosen_by_name(weights):
    path = weights["alexnet"][0]
    assert isinstance(pretrained_features("alexnet", path), AlexNetFeatures)
    assert pretrained_features("vgg16", weights["vgg16"][0]).recognizer == "vgg16"
    assert pretrained_features("efficientnet_lite0").recognizer == "efficientnet_lite0"
    assert pretrained_features().recognizer == "efficientnet_lite2"
    with pytest.raises(UserError, match="vgg16 comes without weights: name a file"):
        pretrained_features("vgg16")
    with pytest.raises(UserError, match="efficientnet_lite2 has the weights of its package"):
        pretrained_features("efficientnet_lite2", path)


def test_making_one_moves_no_random_numbers(weights):
    paddle.seed(3)
    expected = paddle.rand([4]).numpy()
    paddle.seed(3)
    LpipsNetwork("alexnet", *weights["alexnet"][:2])
    np.testing.assert_array_equal(paddle.rand([4]).numpy(), expected)


def test_missing_and_foreign_weights_are_refused_in_a_sentence(tmp_path, weights):
    path, linear_path, _, _ = weights["alexnet"]
    with pytest.raises(UserError, match=r"name both files.*backbone_weights is null"):
        LpipsNetwork()
    with pytest.raises(UserError, match=r"name both files.*linear_weights is null"):
        LpipsNetwork(backbone_weights=path)
    with pytest.raises(UserError, match=r"there is no weights file 'none\.pth' for alexnet"):
        LpipsNetwork("alexnet", "none.pth", linear_path)
    with pytest.raises(UserError, match=r"linear layers of LPIPS.*lin0\.model\.1\.weight is missing"):
        LpipsNetwork("alexnet", path, path)
    with pytest.raises(UserError, match=r"lin1\.model\.1\.weight has shape \(1, 128, 1, 1\) instead"):
        LpipsNetwork("alexnet", path, weights["vgg16"][1])
    with pytest.raises(UserError, match=r"do not fit AlexNetFeatures: features\.3\.weight is missing"):
        LpipsNetwork("alexnet", weights["vgg16"][0], linear_path)
    with pytest.raises(UserError, match="vgg16 comes without weights"):
        Vgg16Features()
    (tmp_path / "weights.txt").write_text("x")
    with pytest.raises(UserError, match=r"of vgg16 must end in one of \.pth"):
        Vgg16Features(str(tmp_path / "weights.txt"))
    (tmp_path / "broken.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(UserError, match="not a readable safetensors file"):
        Vgg16Features(str(tmp_path / "broken.safetensors"))


@pytest.mark.parametrize(("name", "smallest"), [("alexnet", 31), ("vgg16", 16)])
def test_the_smallest_photographs(name, smallest, weights):
    network = LpipsNetwork(name, *weights[name][:2])
    enough = paddle.to_tensor(photographs(side=smallest))
    assert np.isfinite(network(enough, 1.0 - enough).numpy()).all()
    small = enough[:, :, 1:]
    with pytest.raises(UserError, match=rf"{name} needs photographs of at least {smallest} x {smallest}.*larger crops"):
        network(small, small)
