"""The network against a float64 computation in NumPy, what an untrained one says, and how far a pixel is seen."""

import numpy as np
import paddle
from scipy.ndimage import uniform_filter

from oldrestore.models.damage_unet import PRIOR, DamageUnet
from oldrestore.models.weights import parameter_count
from oldrestore.restoration.detect.learned import OVERLAP
from tests.models.plain_layers import conv, norm, relu, windows


def forward(state: dict[str, np.ndarray], rgb: np.ndarray) -> np.ndarray:
    """The network in evaluation mode, float64 (3, H, W) -> (H, W)."""

    def pair(x: np.ndarray, name: str, dilation: int) -> np.ndarray:
        for place, spread in ((0, 1), (3, dilation)):
            parts = (state[f"{name}.{place + 1}.{key}"] for key in ("weight", "bias", "_mean", "_variance"))
            x = relu(norm(conv(x, state[f"{name}.{place}.weight"], dilation=spread), *parts))
        return x

    # Beyond the photograph there is nothing: there the mean is of fewer pixels.
    count = uniform_filter(np.ones(rgb.shape[1:]), 9, mode="constant")
    mean = np.stack([uniform_filter(plane, 9, mode="constant") / count for plane in rgb])
    x = np.concatenate([(rgb - 0.5) * 4, (rgb - mean) * 8])
    channels, height, width = x.shape
    x = x.reshape(channels, height // 2, 2, width // 2, 2).transpose(0, 2, 4, 1, 3)
    x = x.reshape(1, 4 * channels, height // 2, width // 2)
    seen = []
    for level in range(4):
        x = x if level == 0 else windows(x, (2, 2), 2).max(axis=(4, 5))
        seen.append(pair(x, f"down.{level}", 2 if level == 3 else 1))
        x = seen[-1]
    for level in (2, 1, 0):
        x = conv(x, state[f"narrow.{level}.weight"], state[f"narrow.{level}.bias"])
        x = pair(seen[level] + x.repeat(2, axis=2).repeat(2, axis=3), f"up.{level}", 1)
    x = conv(x, state["head.weight"], state["head.bias"])[0]
    return x.reshape(2, 2, *x.shape[1:]).transpose(2, 0, 3, 1).reshape(height, width)


def small_network(seed: int = 0) -> DamageUnet:
    """A narrow network whose batch norms and head say something."""
    paddle.seed(seed)
    network = DamageUnet(width=0.1)
    rng = np.random.default_rng(seed)
    for name, value in network.state_dict().items():
        if name.endswith(("_variance", "norm.weight")):
            value.set_value(rng.uniform(0.5, 1.5, value.shape).astype(np.float32))
        elif value.ndim == 1 or name == "head.weight":
            value.set_value(rng.normal(0, 0.3, value.shape).astype(np.float32))
    network.eval()
    return network


def test_it_computes_what_numpy_does():
    network = small_network()
    rgb = np.random.default_rng(1).random((3, 32, 48)).astype(np.float32)
    with paddle.no_grad():
        found = network(paddle.to_tensor(rgb[None])).damage_logits.numpy()[0, 0]
    state = {name: value.numpy().astype(np.float64) for name, value in network.state_dict().items()}
    wanted = forward(state, rgb.astype(np.float64))
    assert wanted.std() > 0.1
    np.testing.assert_allclose(found, wanted, atol=2e-4)


def test_an_untrained_network_takes_damage_for_rare():
    paddle.seed(0)
    network = DamageUnet(width=0.25)
    logits = network(paddle.rand([2, 3, 32, 32])).damage_logits
    assert logits.shape == [2, 1, 32, 32]
    np.testing.assert_allclose(logits.numpy(), PRIOR, atol=0.5)


def test_its_size_is_counted():
    # 3 x 3 convolutions down and up, 1 x 1 between the scales and at the end, two numbers a channel of each norm.
    c = (32, 48, 64, 96)
    down = sum(9 * (i * o + o * o) + 4 * o for i, o in zip((24, *c[:-1]), c, strict=True))
    up = sum(18 * o * o + 4 * o for o in c[:-1])
    between = sum(i * o + o for i, o in zip(c[1:], c[:-1], strict=True))
    assert parameter_count(DamageUnet()) == down + up + between + 4 * c[0] + 4


def test_a_pixel_is_seen_no_further_than_a_tile_overlaps():
    network = small_network()
    picture = paddle.rand([1, 3, 16, 320])
    other = picture.clone()
    other[:, :, :, :16] = 0.0
    with paddle.no_grad():
        changed = (network(picture).damage_logits != network(other).damage_logits).numpy()[0, 0].any(axis=0)
    assert changed[:16].any()
    assert not changed[16 + OVERLAP :].any()
