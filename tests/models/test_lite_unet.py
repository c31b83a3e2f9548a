"""lite_unet: what its checkpoint holds, that the encoder stays as it is, decoding by NumPy, and that it learns."""

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS
from oldrestore.color.lab import lab_to_rgb
from oldrestore.errors import UserError
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.models.efficientnet_lite import VARIANTS, EfficientNetLiteNetwork, normalize
from oldrestore.models.lite_unet import LiteUnet
from tests.models.overfitting import photographs, train


@pytest.fixture(scope="module")
def network() -> LiteUnet:
    paddle.seed(0)
    network = LiteUnet(width=0.125)
    network.eval()
    return network


def test_a_checkpoint_holds_the_decoder_and_the_encoders_fingerprint(network):
    state = network.state_dict()
    assert not [name for name in state if name.startswith("encoder.")]
    assert bytes(state["encoder_sha256"].numpy()).hex() == VARIANTS["lite2"].sha256
    trained = {name for name, p in network.named_parameters() if not p.stop_gradient}
    assert trained and trained <= set(state)


def test_a_trained_encoder_is_in_the_checkpoint():
    network = LiteUnet(width=0.125, train_encoder=True)
    kept = {name for name in network.state_dict() if name.startswith("encoder.")}
    assert {"encoder.stem.weight", "encoder.stem_norm._mean", "encoder.blocks.0.project.weight"} <= kept
    assert not network.encoder.stem.weight.stop_gradient
    assert network.encoder.stem_norm._mean.stop_gradient


def test_the_encoder_sees_three_equal_gray_channels(network):
    batch = photographs(1, 64)
    L_hw = batch.L_b1hw.numpy()[0, 0]
    gray = lab_to_rgb(np.stack([L_hw, 0 * L_hw, 0 * L_hw], axis=-1))
    np.testing.assert_allclose(gray, gray[..., :1].repeat(3, axis=-1), atol=1e-4)
    encoder = EfficientNetLiteNetwork.from_package("lite2")
    reference = encoder.features(normalize(paddle.to_tensor(255.0 * gray.transpose(2, 0, 1)[None])))
    for ours, theirs, stride in zip(network.encode(batch.L_b1hw), reference, (4, 8, 16, 32), strict=True):
        assert ours.shape[2:] == [64 // stride] * 2
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=2e-3)


def test_an_untrained_network_says_every_bin_alike(network):
    logits = network(photographs(2, 64).L_b1hw).logits
    assert logits.shape == [2, 313, 16, 16]
    entropy = -(paddle.nn.functional.log_softmax(logits, axis=1)).mean()
    assert float(entropy) == pytest.approx(np.log(313), abs=0.05)


@pytest.mark.parametrize(("temperature", "confidence", "chroma"), [(0.38, 0.0, 1.0), (1.0, 0.7, 1.3), (0.1, 2.0, 0.5)])
def test_decoding_equals_numpy(network, temperature, confidence, chroma):
    logits = np.random.default_rng(0).normal(0, 3, (2, 313, 3, 4)).astype(np.float32)
    network.temperature, network.confidence, network.chroma = temperature, confidence, chroma
    ours = network.decode(Prediction(logits=paddle.to_tensor(logits))).numpy()
    scores = logits.astype(np.float64) / temperature
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    mean = np.einsum("bqhw,qc->bchw", p, AB_BINS)
    resultant = np.hypot(mean[:, 0], mean[:, 1]) / np.einsum("bqhw,q->bhw", p, np.hypot(*AB_BINS.T))
    np.testing.assert_allclose(ours, chroma * mean * resultant[:, None] ** confidence, atol=2e-3)


def test_training_leaves_the_encoder_alone_and_overfits_four_photographs():
    paddle.seed(0)
    network = LiteUnet(width=0.25, dropout=0.0)
    before = {name: value.numpy().copy() for name, value in network.encoder.state_dict().items()}
    batch = photographs(4, 64)
    loss, features = SoftCrossEntropy(neighbours=5), network.encode(batch.L_b1hw)
    values = train(network, lambda _: loss(network.predict(batch.L_b1hw, features), batch), 120, learning_rate=1e-2)
    assert not network.encoder.training
    assert values[0] == pytest.approx(np.log(313), abs=0.2)
    # The soft targets' own entropy is the floor; the network comes near it.
    assert values[-1] < 2.0, values[::20]
    network(batch.L_b1hw)
    for name, value in network.encoder.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name], err_msg=name)


def test_a_decoder_of_another_encoder_is_refused(network, tmp_path):
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    save_file(tensors | {"encoder_sha256": np.zeros(32, np.uint8)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="trained with another encoder"):
        LiteUnet(width=0.125, weights=str(tmp_path / "other.safetensors"))
