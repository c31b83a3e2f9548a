"""The two published networks once more: layer tables by hand, random state dicts, and forwards in NumPy and torch.

Nothing here is taken from ``oldrestore.models``: the tables follow the papers' and the released PyTorch networks'
layers, the arithmetic is written out.
"""

from __future__ import annotations

import numpy as np

# name, kind, outputs, inputs, kernel side. Channels that a reduced width leaves alone are written as strings.
ECCV16 = (
    ("model1.0", "conv", 64, "1", 3),
    ("model1.2", "conv", 64, 64, 3),
    ("model1.4", "norm", 64),
    ("model2.0", "conv", 128, 64, 3),
    ("model2.2", "conv", 128, 128, 3),
    ("model2.4", "norm", 128),
    ("model3.0", "conv", 256, 128, 3),
    ("model3.2", "conv", 256, 256, 3),
    ("model3.4", "conv", 256, 256, 3),
    ("model3.6", "norm", 256),
    ("model4.0", "conv", 512, 256, 3),
    ("model4.2", "conv", 512, 512, 3),
    ("model4.4", "conv", 512, 512, 3),
    ("model4.6", "norm", 512),
    ("model5.0", "conv", 512, 512, 3),
    ("model5.2", "conv", 512, 512, 3),
    ("model5.4", "conv", 512, 512, 3),
    ("model5.6", "norm", 512),
    ("model6.0", "conv", 512, 512, 3),
    ("model6.2", "conv", 512, 512, 3),
    ("model6.4", "conv", 512, 512, 3),
    ("model6.6", "norm", 512),
    ("model7.0", "conv", 512, 512, 3),
    ("model7.2", "conv", 512, 512, 3),
    ("model7.4", "conv", 512, 512, 3),
    ("model7.6", "norm", 512),
    ("model8.0", "up", 256, 512, 4),
    ("model8.2", "conv", 256, 256, 3),
    ("model8.4", "conv", 256, 256, 3),
    ("model8.6", "conv", "313", 256, 1),
    ("model_out", "unbiased", "2", "313", 1),
)
SIGGRAPH17 = (
    ("model1.0", "conv", 64, "4", 3),
    *ECCV16[1:26],
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
    found: dict[str, tuple[int, ...]] = {}
    for name, kind, *sizes in TABLES[model]:
        outputs, *rest = [int(n) if isinstance(n, str) else round(n * width) for n in sizes[:2]]
        if kind == "norm":
            found |= {f"{name}.{part}": (outputs,) for part in ("weight", "bias", "running_mean", "running_var")}
            found[f"{name}.num_batches_tracked"] = ()
            continue
        (inputs,), side = rest, sizes[2]
        # PyTorch keeps transposed convolutions the other way round.
        found[f"{name}.weight"] = (*((inputs, outputs) if kind == "up" else (outputs, inputs)), side, side)
        if kind != "unbiased":
            found[f"{name}.bias"] = (outputs,)
    return found


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


class NumpyOperations:
    """What the networks are made of, in float64, written out."""

    def array(self, x):
        return np.asarray(x, dtype=np.float64)

    def conv(self, x, weight, bias=None, stride=1, dilation=1):
        weight = np.asarray(weight, dtype=np.float64)
        side = weight.shape[2]
        pad = dilation * (side - 1) // 2
        batch, _, height, width = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        out = np.zeros((batch, weight.shape[0], height, width))
        for i in range(side):
            for j in range(side):
                window = padded[:, :, i * dilation : i * dilation + height, j * dilation : j * dilation + width]
                out += np.tensordot(weight[:, :, i, j], window, axes=(1, 1)).transpose(1, 0, 2, 3)
        out = out[:, :, ::stride, ::stride]
        return out if bias is None else out + np.asarray(bias, np.float64)[:, None, None]

    def up(self, x, weight, bias):
        """Transposed convolution, 4 x 4, stride 2, padding 1: each number spreads over a 4 x 4 square."""
        weight = np.asarray(weight, dtype=np.float64)
        batch, _, height, width = x.shape
        spread = np.zeros((batch, weight.shape[1], 2 * height + 2, 2 * width + 2))
        for i in range(4):
            for j in range(4):
                part = np.tensordot(weight[:, :, i, j], x, axes=(0, 1)).transpose(1, 0, 2, 3)
                spread[:, :, i : i + 2 * height : 2, j : j + 2 * width : 2] += part
        return spread[:, :, 1:-1, 1:-1] + np.asarray(bias, np.float64)[:, None, None]

    def norm(self, x, weight, bias, mean, variance):
        weight, bias, mean, variance = (
            np.asarray(v, np.float64)[:, None, None] for v in (weight, bias, mean, variance)
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias

    def relu(self, x):
        return np.maximum(x, 0)

    def leaky(self, x):
        return np.where(x > 0, x, 0.2 * x)

    def tanh(self, x):
        return np.tanh(x)

    def softmax(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def times_4(self, x):
        """Bilinear, pixels as areas: output i lies at (i + 0.5) / 4 - 0.5, held at the edge."""
        for axis in (2, 3):
            side = x.shape[axis]
            at = np.clip((np.arange(4 * side) + 0.5) / 4 - 0.5, 0, side - 1)
            low = np.floor(at).astype(int)
            share = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
            high = np.minimum(low + 1, side - 1)
            x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
        return x

    def join(self, *parts):
        return np.concatenate(parts, axis=1)


class TorchOperations:
    """The same in torch, in float32."""

    def __init__(self, torch):
        self.torch, self.functional = torch, torch.nn.functional

    def array(self, x):
        return self.torch.from_numpy(np.array(x))

    def conv(self, x, weight, bias=None, stride=1, dilation=1):
        weight, pad = self.array(weight), dilation * (weight.shape[2] - 1) // 2
        bias = None if bias is None else self.array(bias)
        return self.functional.conv2d(x, weight, bias, stride=stride, padding=pad, dilation=dilation)

    def up(self, x, weight, bias):
        return self.functional.conv_transpose2d(x, self.array(weight), self.array(bias), stride=2, padding=1)

    def norm(self, x, weight, bias, mean, variance):
        weight, bias, mean, variance = map(self.array, (weight, bias, mean, variance))
        return self.functional.batch_norm(x, mean, variance, weight, bias)

    def relu(self, x):
        return self.functional.relu(x)

    def leaky(self, x):
        return self.functional.leaky_relu(x, 0.2)

    def tanh(self, x):
        return self.torch.tanh(x)

    def softmax(self, x):
        return self.functional.softmax(x, dim=1)

    def times_4(self, x):
        return self.functional.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)

    def join(self, *parts):
        return self.torch.cat(parts, dim=1)


def _conv(ops, state, name, x, **options):
    return ops.conv(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)


def _up(ops, state, name, x):
    return ops.up(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _norm(ops, state, name, x):
    return ops.norm(x, *(state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")))


def _block(ops, state, number, x, layers, dilation=1, last_stride=1):
    for layer in range(layers):
        stride = last_stride if layer == layers - 1 else 1
        x = ops.relu(_conv(ops, state, f"model{number}.{2 * layer}", x, stride=stride, dilation=dilation))
    return _norm(ops, state, f"model{number}.{2 * layers}", x)


def eccv16(ops, state, L_b1hw):
    """Released forward: ab (B, 2, H, W), Lab units, from L 0..100."""
    x = (ops.array(L_b1hw) - 50.0) / 100.0
    x = _block(ops, state, 1, x, 2, last_stride=2)
    x = _block(ops, state, 2, x, 2, last_stride=2)
    x = _block(ops, state, 3, x, 3, last_stride=2)
    x = _block(ops, state, 4, x, 3)
    x = _block(ops, state, 5, x, 3, dilation=2)
    x = _block(ops, state, 6, x, 3, dilation=2)
    x = _block(ops, state, 7, x, 3)
    x = ops.relu(_up(ops, state, "model8.0", x))
    x = ops.relu(_conv(ops, state, "model8.2", x))
    x = ops.relu(_conv(ops, state, "model8.4", x))
    x = ops.softmax(_conv(ops, state, "model8.6", x))
    return ops.times_4(ops.conv(x, state["model_out.weight"])) * 110.0


def siggraph17(ops, state, L_b1hw, ab_b2hw, mask_b1hw, mask_center):
    """Released forward: ab (B, 2, H, W), Lab units, and class logits (B, 529, H/4, W/4)."""
    L, ab, mask = map(ops.array, (L_b1hw, ab_b2hw, mask_b1hw))
    at_1 = _block(ops, state, 1, ops.join((L - 50.0) / 100.0, ab / 110.0, mask - mask_center), 2)
    at_2 = _block(ops, state, 2, at_1[:, :, ::2, ::2], 2)
    at_4 = _block(ops, state, 3, at_2[:, :, ::2, ::2], 3)
    x = _block(ops, state, 4, at_4[:, :, ::2, ::2], 3)
    x = _block(ops, state, 5, x, 3, dilation=2)
    x = _block(ops, state, 6, x, 3, dilation=2)
    x = _block(ops, state, 7, x, 3)
    x = ops.relu(_up(ops, state, "model8up.0", x) + _conv(ops, state, "model3short8.0", at_4))
    x = ops.relu(_conv(ops, state, "model8.1", x))
    x = _norm(ops, state, "model8.5", ops.relu(_conv(ops, state, "model8.3", x)))
    classes = _conv(ops, state, "model_class.0", x)
    x = ops.relu(_up(ops, state, "model9up.0", x) + _conv(ops, state, "model2short9.0", at_2))
    x = _norm(ops, state, "model9.3", ops.relu(_conv(ops, state, "model9.1", x)))
    x = ops.relu(_up(ops, state, "model10up.0", x) + _conv(ops, state, "model1short10.0", at_1))
    x = ops.leaky(_conv(ops, state, "model10.1", x))
    return ops.tanh(_conv(ops, state, "model_out.0", x)) * 110.0, classes
