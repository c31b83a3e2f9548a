"""Features are computed once, and pictures at screen size are those of the stages."""

import numpy as np
import paddle

from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.studio.preview import remember_features


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
