"""eccv16: both ways of decoding; its layers and forward are checked in test_import_parity."""

import numpy as np
import paddle

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS
from oldrestore.models.eccv16 import Eccv16


def test_the_released_decoding_is_the_mean_and_the_annealed_one_lies_between_mean_and_mode():
    p = np.random.default_rng(0).dirichlet(np.full(313, 0.05)) + 1e-6
    p /= p.sum()
    prediction = Prediction(logits=paddle.to_tensor(np.log(p)[None, :, None, None].astype(np.float32)))
    sharp = p ** (1 / 0.38)
    for settings, expected in (
        ({"decoding": "released"}, p @ AB_BINS),
        ({}, (sharp / sharp.sum()) @ AB_BINS),
        ({"temperature": 0.0}, AB_BINS[p.argmax()]),
    ):
        ab = Eccv16(width=0.0625, **settings).decode(prediction).numpy()[0, :, 0, 0]
        np.testing.assert_allclose(ab, expected, atol=1e-3)


def test_chroma_multiplies_the_colour():
    logits = paddle.to_tensor(np.random.default_rng(0).normal(0, 2, (1, 313, 2, 3)).astype(np.float32))
    plain, lively = (Eccv16(width=0.01, chroma=chroma).decode(Prediction(logits=logits)) for chroma in (1.0, 1.5))
    np.testing.assert_allclose(lively.numpy(), 1.5 * plain.numpy(), rtol=1e-6)
