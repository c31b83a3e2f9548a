"""VGG-16 as a judge: every kind of weights, what it sees, and where its weights are looked for."""

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file

from oldrestore.errors import UserError
from oldrestore.evaluation import vgg16
from tests.models import pickle_writer
from tests.models.plain_networks import MEAN, STD


class Narrow(paddle.nn.Layer):
    """Stands in for VGG-16 where only its weights and input matter: classes from the mean colour."""

    def __init__(self):
        super().__init__()
        self.features = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 1))
        self.avgpool = paddle.nn.AdaptiveAvgPool2D(1)
        self.classifier = paddle.nn.Sequential(paddle.nn.Linear(4, 1000))


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(paddle.vision.models, "vgg16", lambda pretrained: Narrow())


def narrow_weights():
    rng = np.random.default_rng(0)
    shapes = {name: value.shape for name, value in Narrow().state_dict().items()}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def expected(photo_224):
    """The whole way in NumPy: ImageNet's range, a 1 x 1 convolution, the mean, a linear layer, softmax."""
    w = narrow_weights()
    x = (photo_224 / 255.0 - MEAN) / STD
    hidden = (x @ w["features.0.weight"][:, :, 0, 0].T + w["features.0.bias"]).mean((0, 1))
    logits = hidden @ w["classifier.0.weight"] + w["classifier.0.bias"]
    p = np.exp(logits - logits.max())
    return p / p.sum()


def write_weights(path):
    weights = narrow_weights()
    if path.suffix == ".pth":
        weights["classifier.0.weight"] = weights["classifier.0.weight"].T.copy()
    pickle_writer.write(path, weights)


@pytest.mark.parametrize("suffix", ["safetensors", "pdparams", "pth"])
def test_every_kind_of_weights_gives_the_same_judgement(tmp_path, narrow, suffix):
    path = tmp_path / f"weights.{suffix}"
    write_weights(path)
    judge = vgg16.Vgg16(weights=str(path), batch_size=2)
    # 256 x 300 is not resized: the centre is cut pixel for pixel. Red outside the centre must not be seen.
    photo = np.random.default_rng(1).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    framed = photo.copy()
    framed[:16] = framed[240:] = framed[:, :38] = framed[:, 262:] = (255, 0, 0)
    probabilities = judge.probabilities([photo, framed, photo[..., ::-1]])
    np.testing.assert_allclose(probabilities[0], expected(photo[16:240, 38:262]), atol=1e-5)
    np.testing.assert_allclose(probabilities[1], probabilities[0], atol=1e-6)
    np.testing.assert_allclose(probabilities[2], expected(photo[16:240, 38:262, ::-1]), atol=1e-5)
    assert judge.name == "vgg16"


def test_the_shorter_side_becomes_256():
    gradient = np.repeat(np.linspace(0, 255, 1024).astype(np.uint8)[:, None], 512, axis=1)
    cut = vgg16.resize_and_cut(np.repeat(gradient[..., None], 3, axis=-1))
    # 1024 x 512 becomes 512 x 256; rows 144 to 368 are left of the gradient.
    np.testing.assert_allclose(cut[:, 0, 0], (np.arange(144, 368) + 0.5) / 512 * 255, atol=1.5)


def test_weights_that_do_not_fit(tmp_path, narrow):
    path = tmp_path / "w.safetensors"
    save_file({"features.0.weight": np.zeros((4, 3, 1, 1), np.float32)}, path)
    with pytest.raises(UserError, match=r"features\.0\.bias is missing"):
        vgg16.Vgg16(weights=str(path))


def test_where_to_put_weights_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"put vgg16\.pdparams into .*judge\.weights=FILE"):
        vgg16.Vgg16()
    with pytest.raises(UserError, match="no file"):
        vgg16.Vgg16(weights=str(tmp_path / "none.pdparams"))
    (tmp_path / "w.txt").write_text("x")
    with pytest.raises(UserError, match=r"\.safetensors, \.pdparams"):
        vgg16.Vgg16(weights=str(tmp_path / "w.txt"))


def test_paddles_own_cache_is_used(tmp_path, monkeypatch, narrow):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".cache/paddle/hapi/weights"
    folder.mkdir(parents=True)
    (folder / "vgg16_bn.pdparams").write_bytes(b"another network")
    write_weights(folder / "vgg16.pdparams")
    assert vgg16.find_weights(None) == folder / "vgg16.pdparams"
    vgg16.Vgg16()


@pytest.mark.slow
def test_the_real_network_with_random_weights(tmp_path):
    paddle.nn.initializer.set_global_initializer(paddle.nn.initializer.KaimingNormal())
    network = paddle.vision.models.vgg16(pretrained=False)
    paddle.nn.initializer.set_global_initializer(None)
    network.eval()
    save_file({name: value.numpy() for name, value in network.state_dict().items()}, tmp_path / "vgg16.safetensors")
    judge = vgg16.Vgg16(weights=str(tmp_path / "vgg16.safetensors"))
    photo = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    x = ((photo[16:240, 16:240] / 255.0 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    with paddle.no_grad():
        p = paddle.nn.functional.softmax(network(paddle.to_tensor(x))).numpy()
    assert p.max() > 0.005  # and not 0.001 of each class
    np.testing.assert_allclose(judge.probabilities([photo]), p, atol=1e-4)
