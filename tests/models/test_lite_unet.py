"""lite_unet: what its checkpoint holds, that the encoder stays as it is, decoding by NumPy, and that it learns."""

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS
from oldrestore.color.lab import lab_to_rgb
from oldrestore.engines.export_rewriting import interpolation_matrix
from oldrestore.errors import UserError
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.models.efficientnet_lite import VARIANTS, EfficientNetLiteNetwork, normalize
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.models.weights import load_weights, save_weights, set_weights
from oldrestore.models.weights_header import WeightsHeader
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


@pytest.fixture(scope="module")
def hinted() -> LiteUnet:
    """The same weights as `network`, with hints; its logits made as large as a trained network's."""
    paddle.seed(0)
    network = LiteUnet(width=0.125, hints=True)
    network.eval()
    network.head.weight.set_value(30 * network.head.weight)
    return network


def a_click(row: int, column: int, ab=(50.0, 30.0), size: tuple[int, int] = (64, 96)) -> paddle.Tensor:
    hints = np.zeros((1, 3, *size), np.float32)
    hints[0, :, row, column] = *ab, 1.0
    return paddle.to_tensor(hints)


def lightness(height: int = 64, width: int = 96) -> paddle.Tensor:
    return photographs(1, max(height, width)).L_b1hw[:, :, :height, :width]


def test_without_hints_the_answer_is_that_of_the_network_that_reads_none(network, hinted):
    state = network.state_dict()
    plain = LiteUnet(width=0.125)
    set_weights(plain, {name: value.numpy() for name, value in hinted.state_dict().items() if name in state}, "")
    plain.eval()
    L = lightness()
    for hints in (None, paddle.zeros([1, 3, 64, 96])):
        np.testing.assert_array_equal(hinted(L, hints).logits.numpy(), plain(L).logits.numpy())
    assert plain.reads == ("L_b1hw",) and hinted.reads == ("L_b1hw", "hints_b3hw")


def test_a_click_colours_where_it_is_most_and_reaches_far(hinted):
    L = lightness()
    clicked, plain = (hinted.decode(hinted(L, hints)).numpy()[0] for hints in (a_click(32, 16), None))
    change = np.abs(clicked - plain).mean(axis=0)
    np.testing.assert_allclose(clicked[:, 8, 4] / 1.2, [50.0, 30.0], atol=10.0)  # 1.2 is the chroma setting
    assert change[6:11, 2:7].mean() > change[:, 20:].mean() > 0.05


def test_hints_are_mirrored_with_the_photograph(hinted):
    L, hints = lightness(), a_click(20, 70)
    answer = hinted(L, hints).logits.numpy()
    mirrored = hinted(L.flip(axis=3), hints.flip(axis=3)).logits.numpy()
    np.testing.assert_allclose(mirrored[..., ::-1], answer, atol=1e-3)


def test_hints_are_seen_at_the_second_scale_too(hinted, monkeypatch):
    monkeypatch.setattr(hinted, "mirror", False)
    L, hints = lightness(64, 96), a_click(31, 41)
    larger = []
    for x in (L.numpy(), hints.numpy()):
        tall, wide = (interpolation_matrix(side, wanted, "bilinear") for side, wanted in ((64, 64 + 32), (96, 96 + 32)))
        larger.append(paddle.to_tensor((tall @ x @ wide.T).astype(np.float32)))
    # The hint keeps its colour, and its weight grows with the area.
    a, b, mask = larger[1].numpy()[0]
    np.testing.assert_allclose([a.sum() / mask.sum(), b.sum() / mask.sum()], [50.0, 30.0], rtol=1e-5)
    again = hinted.scores(*larger).numpy()
    tall, wide = interpolation_matrix(24, 16, "bilinear"), interpolation_matrix(32, 24, "bilinear")
    expected = (hinted.scores(L, hints).numpy() + tall @ again @ wide.T) / 2
    monkeypatch.setattr(hinted, "second_scale", 1.4)
    np.testing.assert_allclose(hinted(L, hints).logits.numpy(), expected, rtol=1e-4, atol=2e-3)


def test_a_file_that_has_learnt_no_hints_is_a_start_and_nothing_else(network, tmp_path):
    path = tmp_path / "before.safetensors"
    settings = {"width": 0.125}
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    save_weights(path, tensors, WeightsHeader("lite_unet", settings))
    start = LiteUnet(width=0.125, hints=True, weights=str(path))
    np.testing.assert_array_equal(start.head.weight.numpy(), network.head.weight.numpy())
    with pytest.raises(UserError, match=r"have learnt no hints: take model\.hints=false"):
        load_weights(LiteUnet(width=0.125, hints=True), path)


def test_a_file_that_has_learnt_hints_is_refused_without_them(hinted, tmp_path):
    path = tmp_path / "hinted.safetensors"
    tensors = {name: value.numpy() for name, value in hinted.state_dict().items()}
    save_weights(path, tensors, WeightsHeader("lite_unet", {"width": 0.125, "hints": True}))
    with pytest.raises(UserError, match=r"take model\.hints=True"):
        LiteUnet(width=0.125, weights=str(path))
    load_weights(LiteUnet(width=0.125, hints=True), path)


def test_the_encoder_learns_at_a_rate_of_its_own():
    paddle.seed(0)
    steps = {}
    for rate in (None, 0.1):
        paddle.seed(0)
        network = LiteUnet(width=0.125, train_encoder=True, encoder_rate=rate)
        before = {name: value.numpy() for name, value in network.named_parameters()}
        named = [p for p in network.parameters() if not p.stop_gradient]
        optimizer = paddle.optimizer.AdamW(learning_rate=1e-3, parameters=named, weight_decay=0.0)
        for parameter in named:
            parameter.grad = paddle.ones_like(parameter)
        optimizer.step()
        steps[rate] = {n: float(np.abs(value.numpy() - before[n]).max()) for n, value in network.named_parameters()}
    for name in ("encoder.stem.weight", "encoder.blocks.3.project.weight"):
        assert steps[None][name] == pytest.approx(1e-3, rel=1e-2)
        assert steps[0.1][name] == pytest.approx(1e-4, rel=1e-2)
    assert steps[0.1]["head.bias"] == steps[None]["head.bias"] == pytest.approx(1e-3, rel=1e-2)
