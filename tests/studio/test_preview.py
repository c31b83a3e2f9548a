"""Features are computed once, and pictures at screen size are those of the stages."""

import numpy as np
import paddle

from oldrestore.engines.chosen_network import network_of_file
from oldrestore.evaluation.colorizer import Colorizer, resize
from oldrestore.evaluation.prediction import lightness
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.photographs.variants import likely_parts
from oldrestore.studio.preview import Preview, remember_features
from oldrestore.studio.session import Session, SessionPhotograph, SessionSettings
from tests.commands.restoring import gray, save_network


def test_a_hint_runs_the_decoder_alone_and_gives_the_same():
    paddle.seed(0)
    network = LiteUnet(width=0.0625, hints=True)
    network.head.weight.set_value(paddle.randn(network.head.weight.shape))
    network.eval()
    L = np.random.default_rng(0).uniform(0, 100, (64, 96)).astype(np.float32)
    colorizer = Colorizer(network, 64)
    hints = np.zeros((3, 64, 96), np.float32)
    hints[:, 20:24, 30:40] = np.array([40, -30, 1], np.float32)[:, None, None]
    expected = [colorizer.small([L], [hint])[0] for hint in (None, hints)]
    calls, encode = [], network.encode

    def counted(L_b1hw):
        calls.append(L_b1hw.shape)
        return encode(L_b1hw)

    network.__dict__["encode"] = counted
    remember_features(network)
    for _ in range(2):
        for hint, wanted in zip((None, hints), expected, strict=True):
            np.testing.assert_allclose(colorizer.small([L], [hint])[0], wanted, atol=1e-4)
    assert len(calls) == 2  # the two scales, each with its mirror image
    assert np.abs(expected[0] - expected[1]).max() > 1
    other = colorizer.small([100.0 - L], [None])[0]
    assert len(calls) == 4 and np.abs(other - expected[0]).max() > 0.1


def test_a_quick_picture_is_that_of_one_pass_and_likely_colours_are_the_networks(tmp_path):
    paddle.seed(0)
    network = LiteUnet(width=0.0625)
    network.head.weight.set_value(paddle.randn(network.head.weight.shape))
    weights = save_network(network, tmp_path / "net.safetensors", "lite_unet", width=0.0625)
    rgb = gray(2, 96, 128)
    settings = SessionSettings(detect=False, fill=False, restore=False)
    of = SessionPhotograph(name="a", sha256="0" * 64, width=128, height=96)
    session, chosen = Session(photograph=of, settings=settings), network_of_file(weights)
    preview = Preview(rgb, {"0" * 64: chosen})
    pictures = [preview.result(session, quick) for quick in (True, False)]
    assert (chosen.network.mirror, chosen.network.second_scale) == (True, 1.25)
    for picture, once in zip(pictures, (True, False), strict=True):
        if once:
            network.mirror, network.second_scale = False, None
        else:
            network.mirror, network.second_scale = True, 1.25
        expected = Colorizer(network, 256).recolored(lightness(rgb))
        np.testing.assert_allclose(picture.astype(int), expected.astype(int), atol=1)
    assert (pictures[0] != pictures[1]).any()
    network.eval()
    prediction = network(paddle.to_tensor(resize(lightness(rgb), (256, 352))[None, None]))
    p = paddle.nn.functional.softmax(prediction.logits[0] / network.temperature, axis=0).numpy()
    row, column = 48 * 64 // 96, 100 * 88 // 128
    L, colors = preview.likely(session, 100.0, 48.0)
    assert lightness(rgb)[48, 100] == L
    near = p[:, row - 1 : row + 2, column - 1 : column + 2].mean(axis=(1, 2))
    np.testing.assert_allclose([one.share for one in colors], sorted(likely_parts(near)[1])[::-1], atol=1e-3)
