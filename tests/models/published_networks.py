"""The two published networks once more: layer tables by hand, random state dicts, and forwards in NumPy.

Nothing here is taken from ``oldrestore.models``: the tables follow the papers' and the released PyTorch networks'
layers.
"""

import numpy as np

from tests.models.plain_layers import bilinear, conv, norm, relu, softmax, up


def trunk(inputs: str) -> list[tuple]:
    """Blocks 1 to 7: two or three convolutions and a norm each."""
    table = []
    for block, (outputs, layers) in enumerate([(64, 2), (128, 2), (256, 3), *[(512, 3)] * 4], 1):
        for layer in range(layers):
            table.append((f"model{block}.{2 * layer}", "conv", outputs, inputs, 3))
            inputs = outputs
        table.append((f"model{block}.{2 * layers}", "norm", outputs))
    return table


# name, kind, outputs, inputs, kernel side. Channels that a reduced width leaves alone are written as strings.
ECCV16 = (
    *trunk("1"),
    ("model8.0", "up", 256, 512, 4),
    ("model8.2", "conv", 256, 256, 3),
    ("model8.4", "conv", 256, 256, 3),
    ("model8.6", "conv", "313", 256, 1),
    ("model_out", "unbiased", "2", "313", 1),
)
SIGGRAPH17 = (
    *trunk("4"),
    ("model8up.0", "up", 256, 512, 4),
    ("model3short8.0", "conv", 256, 256, 3),
    ("model8.1", "conv", 256, 256, 3),
    ("model8.3", "conv", 256, 256, 3),
    ("model8.5", "norm", 256),
    ("model9up.0", "up", 128, 256, 4),
    ("model2short9.0", "conv", 128, 128, 3),
    ("model9.1", "conv", 128, 128, 3),
    ("model9.3", "norm", 128),
    ("model10up.0", "up", 128, 128, 4),
    ("model1short10.0", "conv", 128, 64, 3),
    ("model10.1", "conv", 128, 128, 3),
    ("model_class.0", "conv", "529", 256, 1),
    ("model_out.0", "conv", "2", 128, 1),
)
TABLES = {"eccv16": ECCV16, "siggraph17": SIGGRAPH17}
# Scales of the last layers: colours then spread over tens of Lab units, as real ones do, and not to the edges of the
# softmax or tanh.
HEADS = {"model8.6.weight": 0.6, "model_out.weight": 6.0, "model_out.0.weight": 0.1, "model_class.0.weight": 0.3}


def shapes(model: str, width: float = 1.0) -> dict[str, tuple[int, ...]]:
    """Every key of the released state dict with its shape."""
    shape_of: dict[str, tuple[int, ...]] = {}
    for name, kind, *sizes in TABLES[model]:
        outputs, *rest = [int(n) if isinstance(n, str) else round(n * width) for n in sizes[:2]]
        if kind == "norm":
            shape_of |= {f"{name}.{part}": (outputs,) for part in ("weight", "bias", "running_mean", "running_var")}
            shape_of[f"{name}.num_batches_tracked"] = ()
            continue
        (inputs,), side = rest, sizes[2]
        # PyTorch keeps transposed convolutions the other way round.
        shape_of[f"{name}.weight"] = (*((inputs, outputs) if kind == "up" else (outputs, inputs)), side, side)
        if kind != "unbiased":
            shape_of[f"{name}.bias"] = (outputs,)
    return shape_of


def random_state(model: str, width: float = 1.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Random values in the released form, scaled so that activations neither die nor explode."""
    rng = np.random.default_rng(seed)
    state: dict[str, np.ndarray] = {}
    for name, shape in shapes(model, width).items():
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(1234, dtype="<i8")
            continue
        values = rng.standard_normal(shape, dtype=np.float32)
        if len(shape) == 4:
            # Of a transposed convolution with stride 2, each number of the result sees a quarter of the kernel.
            fan_in = shape[0] * 4 if shape[2] == 4 else shape[1] * shape[2] * shape[3]
            values *= np.float32(np.sqrt(2.0 / fan_in) * HEADS.get(name, 1.0))
        elif name.endswith("running_var"):
            values = np.abs(values) * np.float32(0.5) + np.float32(0.5)
        elif name.endswith(".weight"):
            values = np.float32(1.0) + np.float32(0.1) * values
        else:
            values *= np.float32(0.1)
        state[name] = values
    return state


class Forward:
    """The released forwards, float64, with the weights of a state dict."""

    def __init__(self, state: dict[str, np.ndarray]):
        self.state = state

    def conv(self, name, x, **options):
        return conv(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], **options)

    def up(self, name, x):
        return up(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def norm(self, name, x):
        return norm(x, *(self.state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")))

    def block(self, number, x, layers, dilation=1, last_stride=1):
        for layer in range(layers):
            stride = last_stride if layer == layers - 1 else 1
            x = relu(self.conv(f"model{number}.{2 * layer}", x, stride=stride, dilation=dilation))
        return self.norm(f"model{number}.{2 * layers}", x)

    def middle(self, x):
        x = self.block(5, self.block(4, x, 3), 3, dilation=2)
        return self.block(7, self.block(6, x, 3, dilation=2), 3)

    def eccv16(self, L_b1hw):
        """ab (B, 2, H, W), Lab units, from L 0..100."""
        x = self.block(1, (L_b1hw.astype(np.float64) - 50.0) / 100.0, 2, last_stride=2)
        x = self.block(2, x, 2, last_stride=2)
        x = self.middle(self.block(3, x, 3, last_stride=2))
        x = relu(self.up("model8.0", x))
        x = relu(self.conv("model8.4", relu(self.conv("model8.2", x))))
        x = conv(softmax(self.conv("model8.6", x)), self.state["model_out.weight"])
        return bilinear(x, L_b1hw.shape[2:]) * 110.0

    def siggraph17(self, L_b1hw, hints_b3hw, mask_center):
        """ab (B, 2, H, W), Lab units, and class logits (B, 529, H/4, W/4)."""
        hints = hints_b3hw[:, :2] / 110.0, hints_b3hw[:, 2:] - mask_center
        x = np.concatenate([(L_b1hw - 50.0) / 100.0, *hints], axis=1).astype(np.float64)
        at_1 = self.block(1, x, 2)
        at_2 = self.block(2, at_1[:, :, ::2, ::2], 2)
        at_4 = self.block(3, at_2[:, :, ::2, ::2], 3)
        x = self.middle(at_4[:, :, ::2, ::2])
        x = relu(self.up("model8up.0", x) + self.conv("model3short8.0", at_4))
        x = relu(self.conv("model8.1", x))
        x = self.norm("model8.5", relu(self.conv("model8.3", x)))
        classes = self.conv("model_class.0", x)
        x = relu(self.up("model9up.0", x) + self.conv("model2short9.0", at_2))
        x = self.norm("model9.3", relu(self.conv("model9.1", x)))
        x = relu(self.up("model10up.0", x) + self.conv("model1short10.0", at_1))
        x = self.conv("model10.1", x)
        x = np.where(x > 0, x, 0.2 * x)
        return np.tanh(self.conv("model_out.0", x)) * 110.0, classes
