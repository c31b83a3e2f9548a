"""AlexNet's and VGG-16's convolutions in NumPy, layer by layer as torchvision numbers them, with random weights."""

import numpy as np

from tests.models.plain_layers import conv, relu, windows

# (kind, out channels, kernel, stride, padding) of torchvision's `features`; and the layers that LPIPS looks at.
ALEXNET = [
    ("conv", 64, 11, 4, 2),
    ("relu",),
    ("pool", 3, 2),
    ("conv", 192, 5, 1, 2),
    ("relu",),
    ("pool", 3, 2),
    ("conv", 384, 3, 1, 1),
    ("relu",),
    ("conv", 256, 3, 1, 1),
    ("relu",),
    ("conv", 256, 3, 1, 1),
    ("relu",),
    ("pool", 3, 2),
]
VGG16 = [
    layer
    for channels, number in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    for layer in [("conv", channels, 3, 1, 1), ("relu",)] * number + [("pool", 2, 2)]
]
NETWORKS = {"alexnet": (ALEXNET, (1, 4, 7, 9, 11)), "vgg16": (VGG16, (3, 8, 15, 22, 29))}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def random_weights(network: str, seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict that keeps the size of what passes through, with a classifier of which nothing should be read."""
    rng = np.random.default_rng(seed)
    arrays, channels = {}, 3
    for place, (kind, *shape) in enumerate(NETWORKS[network][0]):
        if kind != "conv":
            continue
        out, kernel = shape[:2]
        spread = np.float32(np.sqrt(2 / (channels * kernel**2)))
        drawn = rng.standard_normal((out, channels, kernel, kernel), dtype=np.float32)
        arrays[f"features.{place}.weight"] = drawn * spread
        arrays[f"features.{place}.bias"] = 0.1 * rng.standard_normal(out, dtype=np.float32)
        channels = out
    arrays["classifier.1.weight"] = np.zeros((10, 4), np.float32)
    arrays["classifier.1.bias"] = np.zeros(10, np.float32)
    return arrays


def random_linear_weights(network: str, seed: int = 1) -> dict[str, np.ndarray]:
    """LPIPS's linear layers, as its files name them."""
    rng = np.random.default_rng(seed)
    arrays = random_weights(network)
    convolutions = [place for place, (kind, *_) in enumerate(NETWORKS[network][0]) if kind == "conv"]
    last = [max(place for place in convolutions if place < look) for look in NETWORKS[network][1]]
    channels = [arrays[f"features.{place}.bias"].size for place in last]
    return {f"lin{i}.model.1.weight": rng.random((1, n, 1, 1), dtype=np.float32) for i, n in enumerate(channels)}


def features(network: str, arrays: dict[str, np.ndarray], rgb_b3hw: np.ndarray) -> list[np.ndarray]:
    """What LPIPS looks at, float64, of sRGB in 0..1."""
    layers, looked_at = NETWORKS[network]
    x = (rgb_b3hw.astype(np.float64) - MEAN.reshape(1, 3, 1, 1)) / STD.reshape(1, 3, 1, 1)
    maps = []
    for place, (kind, *shape) in enumerate(layers[: looked_at[-1] + 1]):
        if kind == "conv":
            weight, bias = (arrays[f"features.{place}.{part}"] for part in ("weight", "bias"))
            x = conv(x, weight, bias, stride=shape[2], padding=shape[3])
        elif kind == "pool":
            kernel, stride = shape
            x = windows(x, (kernel, kernel), stride).max(axis=(4, 5))
        else:
            x = relu(x)
        if place in looked_at:
            maps.append(x)
    return maps


def lpips(
    network: str, arrays: dict[str, np.ndarray], linear: dict[str, np.ndarray], a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """LPIPS by its formula, float64 (B,)."""
    total = np.zeros(len(a))
    for layer, pair in enumerate(zip(features(network, arrays, a), features(network, arrays, b), strict=True)):
        f, g = (x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-10) for x in pair)
        weight = linear[f"lin{layer}.model.1.weight"].astype(np.float64)
        total += ((f - g) ** 2 * weight).sum(axis=1).mean(axis=(1, 2))
    return total
