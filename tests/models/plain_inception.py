"""Inception v3 in NumPy, written out block by block from the paper's figures and the names of the published files."""

import numpy as np

from tests.models.plain_layers import bilinear, conv, norm, padded, relu, windows

STEM = {
    "Conv2d_1a_3x3": (32, 3, 3, 3),
    "Conv2d_2a_3x3": (32, 32, 3, 3),
    "Conv2d_2b_3x3": (64, 32, 3, 3),
    "Conv2d_3b_1x1": (80, 64, 1, 1),
    "Conv2d_4a_3x3": (192, 80, 3, 3),
}


# Shapes of the convolutions of a block's branches, in order, on n channels; m is the block's own number.
BRANCHES = {
    "A": lambda n, m: {
        "branch1x1": [(64, n, 1, 1)],
        "branch5x5": [(48, n, 1, 1), (64, 48, 5, 5)],
        "branch3x3dbl": [(64, n, 1, 1), (96, 64, 3, 3), (96, 96, 3, 3)],
        "branch_pool": [(m, n, 1, 1)],
    },
    "B": lambda n, m: {
        "branch3x3": [(384, n, 3, 3)],
        "branch3x3dbl": [(64, n, 1, 1), (96, 64, 3, 3), (96, 96, 3, 3)],
    },
    "C": lambda n, m: {
        "branch1x1": [(192, n, 1, 1)],
        "branch7x7": [(m, n, 1, 1), (m, m, 1, 7), (192, m, 7, 1)],
        "branch7x7dbl": [(m, n, 1, 1), (m, m, 7, 1), (m, m, 1, 7), (m, m, 7, 1), (192, m, 1, 7)],
        "branch_pool": [(192, n, 1, 1)],
    },
    "D": lambda n, m: {
        "branch3x3": [(192, n, 1, 1), (320, 192, 3, 3)],
        "branch7x7x3": [(192, n, 1, 1), (192, 192, 1, 7), (192, 192, 7, 1), (192, 192, 3, 3)],
    },
    "E": lambda n, m: {
        "branch1x1": [(320, n, 1, 1)],
        "branch3x3": [(384, n, 1, 1), SIDES],
        "branch3x3dbl": [(448, n, 1, 1), (384, 448, 3, 3), SIDES],
        "branch_pool": [(192, n, 1, 1)],
    },
}
SIDES = {"a": (384, 384, 1, 3), "b": (384, 384, 3, 1)}  # two beside each other


def block_shapes(kind: str, n: int, m: int = 0) -> dict[str, tuple[int, int, int, int]]:
    """Shapes of a block's convolutions by their published names: BRANCH, or BRANCH_STEP if there are several."""
    shapes = {}
    for branch, steps in BRANCHES[kind](n, m).items():
        for number, step in enumerate(steps, 1):
            name = f"{branch}_{number}" if len(steps) > 1 else branch
            shapes |= {name + side: shape for side, shape in step.items()} if step is SIDES else {name: step}
    return shapes


BLOCKS = {
    "Mixed_5b": ("A", 192, 32),
    "Mixed_5c": ("A", 256, 64),
    "Mixed_5d": ("A", 288, 64),
    "Mixed_6a": ("B", 288),
    "Mixed_6b": ("C", 768, 128),
    "Mixed_6c": ("C", 768, 160),
    "Mixed_6d": ("C", 768, 160),
    "Mixed_6e": ("C", 768, 192),
    "Mixed_7a": ("D", 768),
    "Mixed_7b": ("E", 1280),
    "Mixed_7c": ("E", 2048),
}


def random_state(classes: int = 1008, seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict as the published files have it, with values that keep the size of what passes through."""
    rng = np.random.default_rng(seed)
    shapes = dict(STEM)
    for block, facts in BLOCKS.items():
        shapes |= {f"{block}.{name}": shape for name, shape in block_shapes(*facts).items()}
    state: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        spread = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        state[f"{name}.conv.weight"] = rng.standard_normal(shape, dtype=np.float32) * spread
        state[f"{name}.bn.weight"] = rng.uniform(0.8, 1.2, shape[0]).astype(np.float32)
        state[f"{name}.bn.bias"] = rng.uniform(-0.1, 0.1, shape[0]).astype(np.float32)
        state[f"{name}.bn.running_mean"] = rng.uniform(-0.1, 0.1, shape[0]).astype(np.float32)
        state[f"{name}.bn.running_var"] = rng.uniform(0.8, 1.2, shape[0]).astype(np.float32)
        state[f"{name}.bn.num_batches_tracked"] = np.array(7, np.int64)
    if classes == 1000:
        state["AuxLogits.fc.weight"] = np.zeros((1000, 768), np.float32)
    state["fc.weight"], state["fc.bias"] = np.zeros((classes, 2048), np.float32), np.zeros(classes, np.float32)
    return state


class PlainInception:
    """Features of photographs (B, 3, H, W) in 0..1, float64."""

    def __init__(self, state: dict[str, np.ndarray], tensorflow: bool):
        self.state = {name: array.astype(np.float64) for name, array in state.items()}
        self.tensorflow = tensorflow

    def unit(self, name, x, stride=1, same=True):
        x = conv(x, self.state[f"{name}.conv.weight"], stride=stride, padding=None if same else 0)
        parts = (self.state[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        return relu(norm(x, *parts, epsilon=0.001))

    def chain(self, block, x, *names):
        for name in names:
            x = self.unit(f"{block}.{name}", x)
        return x

    def average(self, x):
        total = windows(padded(x, 1, 1), (3, 3), 1).sum(axis=(4, 5))
        if not self.tensorflow:
            return total / 9
        return total / windows(padded(np.ones_like(x), 1, 1), (3, 3), 1).sum(axis=(4, 5))

    def block(self, name, x):
        kind = BLOCKS[name][0]
        join = lambda *parts: np.concatenate(parts, axis=1)  # noqa: E731
        if kind == "B":
            double = self.chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2")
            double = self.unit(f"{name}.branch3x3dbl_3", double, 2, same=False)
            straight = self.unit(f"{name}.branch3x3", x, 2, same=False)
            return join(straight, double, windows(x, (3, 3), 2).max(axis=(4, 5)))
        if kind == "D":
            straight = self.unit(f"{name}.branch3x3_2", self.chain(name, x, "branch3x3_1"), 2, same=False)
            seven = self.chain(name, x, "branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3")
            seven = self.unit(f"{name}.branch7x7x3_4", seven, 2, same=False)
            return join(straight, seven, windows(x, (3, 3), 2).max(axis=(4, 5)))
        one = self.chain(name, x, "branch1x1")
        largest = name == "Mixed_7c" and self.tensorflow
        pooled = windows(padded(x, 1, 1, -np.inf), (3, 3), 1).max(axis=(4, 5)) if largest else self.average(x)
        pooled = self.chain(name, pooled, "branch_pool")
        if kind == "A":
            five = self.chain(name, x, "branch5x5_1", "branch5x5_2")
            return join(one, five, self.chain(name, x, *(f"branch3x3dbl_{i}" for i in (1, 2, 3))), pooled)
        if kind == "C":
            seven = self.chain(name, x, *(f"branch7x7_{i}" for i in (1, 2, 3)))
            return join(one, seven, self.chain(name, x, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))), pooled)
        three = self.chain(name, x, "branch3x3_1")
        double = self.chain(name, x, "branch3x3dbl_1", "branch3x3dbl_2")
        return join(
            one,
            *(self.chain(name, three, f"branch3x3_2{side}") for side in "ab"),
            *(self.chain(name, double, f"branch3x3dbl_3{side}") for side in "ab"),
            pooled,
        )

    def __call__(self, rgb_b3hw, scale=(2.0, 2.0, 2.0), offset=(-1.0, -1.0, -1.0)):
        x = bilinear(rgb_b3hw.astype(np.float64), 299)
        x = x * np.reshape(scale, (1, 3, 1, 1)) + np.reshape(offset, (1, 3, 1, 1))
        x = self.unit("Conv2d_1a_3x3", x, 2, same=False)
        x = self.unit("Conv2d_2b_3x3", self.unit("Conv2d_2a_3x3", x, same=False))
        x = self.unit("Conv2d_3b_1x1", windows(x, (3, 3), 2).max(axis=(4, 5)))
        x = windows(self.unit("Conv2d_4a_3x3", x, same=False), (3, 3), 2).max(axis=(4, 5))
        for name in BLOCKS:
            x = self.block(name, x)
        return x.mean(axis=(2, 3))
