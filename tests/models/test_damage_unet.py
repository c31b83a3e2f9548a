"""The network against a float64 computation in NumPy, what an untrained one says, and how far a pixel is seen."""

from __future__ import annotations

import numpy as np
import paddle
from scipy.ndimage import uniform_filter
from scipy.signal import correlate

from oldrestore.models.damage_unet import PRIOR, DamageUnet
from oldrestore.models.weights import parameter_count


def convolved(x: np.ndarray, weight: np.ndarray, dilation: int = 1) -> np.ndarray:
    """(C, H, W) with zeros around it, by weights (O, C, k, k)."""
    spread = np.zeros((*weight.shape[:2], *((k - 1) * dilation + 1 for k in weight.shape[2:])))
    spread[:, :, ::dilation, ::dilation] = weight
    around = spread.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (around, around), (around, around)))
    return np.stack([sum(correlate(p, w, mode="valid") for p, w in zip(padded, one, strict=True)) for one in spread])


def forward(state: dict[str, np.ndarray], rgb: np.ndarray) -> np.ndarray:
    """The network in evaluation mode, float64 (3, H, W) -> (H, W)."""

    def pair(x: np.ndarray, name: str, dilation: int) -> np.ndarray:
        for place, spread in ((0, 1), (3, dilation)):
            x = convolved(x, state[f"{name}.{place}.weight"], spread)
            norm = {
                key: state[f"{name}.{place + 1}.{key}"][:, None, None]
                for key in ("weight", "bias", "_mean", "_variance")
            }
            x = (x - norm["_mean"]) / np.sqrt(norm["_variance"] + 1e-5) * norm["weight"] + norm["bias"]
            x = np.maximum(x, 0)
        return x

    def blocks(x: np.ndarray) -> np.ndarray:
        return x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2)

    # Beyond the photograph there is nothing: there the mean is of fewer pixels.
    count = uniform_filter(np.ones(rgb.shape[1:]), 9, mode="constant")
    mean = np.stack([uniform_filter(plane, 9, mode="constant") / count for plane in rgb])
    x = np.concatenate([(rgb - 0.5) * 4, (rgb - mean) * 8])
    x = blocks(x).transpose(0, 2, 4, 1, 3).reshape(24, rgb.shape[1] // 2, rgb.shape[2] // 2)
    seen = []
    for level in range(4):
        x = pair(x if level == 0 else blocks(x).max(axis=(2, 4)), f"down.{level}", 2 if level == 3 else 1)
        seen.append(x)
    for level in (2, 1, 0):
        x = convolved(x, state[f"narrow.{level}.weight"]) + state[f"narrow.{level}.bias"][:, None, None]
        x = pair(seen[level] + x.repeat(2, axis=1).repeat(2, axis=2), f"up.{level}", 1)
    x = convolved(x, state["head.weight"]) + state["head.bias"][:, None, None]
    return x.reshape(2, 2, *x.shape[1:]).transpose(2, 0, 3, 1).reshape(rgb.shape[1:])


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
    from oldrestore.restoration.detect.learned import OVERLAP

    network = small_network()
    picture = paddle.rand([1, 3, 16, 320])
    other = picture.clone()
    other[:, :, :, :16] = 0.0
    with paddle.no_grad():
        changed = (network(picture).damage_logits != network(other).damage_logits).numpy()[0, 0].any(axis=0)
    assert changed[:16].any()
    assert not changed[16 + OVERLAP :].any()
