"""DDColor once more: its published keys and shapes by hand, random state dicts, and its forward in NumPy.

Nothing here is taken from ``oldrestore.models``: table and forward follow the paper and the released PyTorch network.
"""

import numpy as np

from tests.models.plain_layers import conv, norm, relu

DEPTHS = {"tiny": (3, 3, 9, 3), "large": (3, 3, 27, 3)}
WIDTHS = {"tiny": (96, 192, 384, 768), "large": (192, 384, 768, 1536)}
MEAN, STD = (np.float32(v).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
QUERIES, LAYERS, HEADS = 100, 9, 8
COLORFUL = 30.0  # scales the last layer of the queries: colours then spread over tens of Lab units, as real ones do


def shapes(variant: str = "tiny", width: float = 1.0) -> dict[str, tuple[int, ...]]:
    """Every key of the released state dict that has a use in training, with its shape."""
    c1, c2, c3, c4 = (round(c * width) for c in WIDTHS[variant])
    p, h, q, f = (round(c * width) for c in (512, 256, 256, 2048))  # pixel decoder, its half, queries, feed-forward
    table: dict[str, tuple[int, ...]] = {"mean": (1, 3, 1, 1), "std": (1, 3, 1, 1)}

    def weighted(name, *shape):
        table[f"{name}.weight"] = shape
        table[f"{name}.bias"] = shape[:1]

    def spectral(name, outputs, inputs, side, bias):
        table[f"{name}.weight_orig"] = (outputs, inputs, side, side)
        table[f"{name}.weight_u"], table[f"{name}.weight_v"] = (outputs,), (inputs * side * side,)
        if bias:
            table[f"{name}.bias"] = (outputs,)

    def batch_norm(name, channels):
        table.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})
        table[f"{name}.num_batches_tracked"] = ()

    arch = "encoder.arch"
    weighted(f"{arch}.downsample_layers.0.0", c1, 3, 4, 4)
    weighted(f"{arch}.downsample_layers.0.1", c1)
    for stage, (few, many) in enumerate([(c1, c2), (c2, c3), (c3, c4)], 1):
        weighted(f"{arch}.downsample_layers.{stage}.0", few)
        weighted(f"{arch}.downsample_layers.{stage}.1", many, few, 2, 2)
    for stage, (depth, c) in enumerate(zip(DEPTHS[variant], (c1, c2, c3, c4), strict=True)):
        for block in range(depth):
            table[f"{arch}.stages.{stage}.{block}.gamma"] = (c,)
            weighted(f"{arch}.stages.{stage}.{block}.dwconv", c, 1, 7, 7)
            weighted(f"{arch}.stages.{stage}.{block}.norm", c)
            weighted(f"{arch}.stages.{stage}.{block}.pwconv1", 4 * c, c)
            weighted(f"{arch}.stages.{stage}.{block}.pwconv2", c, 4 * c)
        weighted(f"{arch}.norm{stage}", c)
    weighted(f"{arch}.norm", c4)  # of the pooled features, which nothing reads
    for layer, (below, across, out) in enumerate([(c4, c3, p), (p, c2, p), (p, c1, h)]):
        spectral(f"decoder.layers.{layer}.shuf.conv.0", 4 * out, below, 1, bias=False)
        batch_norm(f"decoder.layers.{layer}.shuf.conv.1", 4 * out)
        batch_norm(f"decoder.layers.{layer}.bn", across)
        spectral(f"decoder.layers.{layer}.conv.0", out, out + across, 3, bias=False)
        batch_norm(f"decoder.layers.{layer}.conv.2", out)
    spectral("decoder.last_shuf.conv.0", 16 * h, h, 1, bias=True)
    color = "decoder.color_decoder"
    for layer in range(LAYERS):
        attentions = {"self": "self_attn", "cross": "multihead_attn"}
        for kind, attention in attentions.items():
            place = f"{color}.transformer_{kind}_attention_layers.{layer}"
            table[f"{place}.{attention}.in_proj_weight"] = (3 * q, q)
            table[f"{place}.{attention}.in_proj_bias"] = (3 * q,)
            weighted(f"{place}.{attention}.out_proj", q, q)
            weighted(f"{place}.norm", q)
        weighted(f"{color}.transformer_ffn_layers.{layer}.linear1", f, q)
        weighted(f"{color}.transformer_ffn_layers.{layer}.linear2", q, f)
        weighted(f"{color}.transformer_ffn_layers.{layer}.norm", q)
    weighted(f"{color}.decoder_norm", q)
    for name, rows in (("query_feat", QUERIES), ("query_embed", QUERIES), ("level_embed", 3)):
        table[f"{color}.{name}.weight"] = (rows, q)
    for level, channels in enumerate((p, p, h)):
        weighted(f"{color}.input_proj.{level}", q, channels, 1, 1)
    weighted(f"{color}.color_embed.layers.0", q, q)
    weighted(f"{color}.color_embed.layers.1", q, q)
    weighted(f"{color}.color_embed.layers.2", h, q)
    spectral("refine_net.0.0", 2, QUERIES + 3, 1, bias=True)
    return table


def random_state(variant: str = "tiny", width: float = 0.125, seed: int = 0) -> dict[str, np.ndarray]:
    """Random values in the released form; the vectors of spectral norms as after a few steps of training."""
    rng = np.random.default_rng(seed)
    state: dict[str, np.ndarray] = {}
    for name, shape in shapes(variant, width).items():
        values = rng.standard_normal(shape, dtype=np.float32)
        if name in ("mean", "std"):
            values = MEAN if name == "mean" else STD
        elif name.endswith("num_batches_tracked"):
            values = np.array(1234, dtype="<i8")
        elif name.endswith("running_var"):
            values = np.abs(values) * np.float32(0.5) + np.float32(0.5)
        elif "embed.weight" in name or "query_feat" in name:
            pass
        elif name.endswith("gamma"):
            values *= np.float32(0.5)
        elif len(shape) > 1:
            gain = COLORFUL if name.endswith("color_embed.layers.2.weight") else 1.0
            values *= np.float32(gain * np.sqrt(1.5 / np.prod(shape[1:])))
        elif name.endswith("weight"):
            values = np.float32(1.0) + np.float32(0.2) * values
        else:
            values *= np.float32(0.2)
        state[name] = values
    for name in [name for name in state if name.endswith("weight_orig")]:
        matrix = state[name].reshape(len(state[name]), -1)
        u = rng.standard_normal(len(matrix), dtype=np.float32)
        for _ in range(3):
            v = matrix.T @ u
            v /= np.linalg.norm(v)
            u = matrix @ v
            u /= np.linalg.norm(u)
        stem = name.removesuffix("orig")
        state[f"{stem}u"], state[f"{stem}v"] = u, v
    return state


def gelu(x):
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def gray_srgb(L):
    """The gray of a lightness, sRGB 0..1 (CIE 15, IEC 61966-2-1)."""
    y = np.where(L > 8, ((L + 16) / 116) ** 3, L * 27 / 24389)
    return np.where(y > 0.0031308, 1.055 * y ** (1 / 2.4) - 0.055, 12.92 * y)


def waves(height, width, channels):
    """Sines and cosines, by turns, of rows in the first half of the channels and of columns in the second."""
    out = np.zeros((channels, height, width))
    half = channels // 2
    for place in range(half):
        wavelength = 10000 ** (2 * (place // 2) / half)
        wave = np.cos if place % 2 else np.sin
        out[place] = wave(2 * np.pi * np.arange(1, height + 1) / (height + 1e-6) / wavelength)[:, None]
        out[half + place] = wave(2 * np.pi * np.arange(1, width + 1) / (width + 1e-6) / wavelength)
    return out


class Forward:
    """The released forward, float64, with the weights of a state dict."""

    def __init__(self, state):
        self.state = {name: np.asarray(value, np.float64) for name, value in state.items()}

    def layer_norm(self, name, x, epsilon, axis=-1):
        """Over the last axis, or over channels (axis 1)."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        if axis == 1:
            weight, bias = weight[:, None, None], bias[:, None, None]
        centred = x - x.mean(axis, keepdims=True)
        return centred / np.sqrt((centred**2).mean(axis, keepdims=True) + epsilon) * weight + bias

    def linear(self, name, x):
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def strided(self, name, x, stride):
        return conv(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], stride=stride, padding=0)

    def spectral(self, name, x):
        weight, u, v = (self.state[f"{name}.weight_{part}"] for part in ("orig", "u", "v"))
        sigma = u @ weight.reshape(len(weight), -1) @ v
        return conv(x, weight / sigma, self.state.get(f"{name}.bias"))

    def batch_norm(self, name, x):
        return norm(x, *(self.state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")))

    def block(self, name, x):
        weight, bias = self.state[f"{name}.dwconv.weight"], self.state[f"{name}.dwconv.bias"]
        padded = np.pad(x, ((0, 0), (0, 0), (3, 3), (3, 3)))
        seen = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))
        y = np.einsum("bchwij,cij->bhwc", seen, weight[:, 0]) + bias
        y = self.linear(f"{name}.pwconv1", self.layer_norm(f"{name}.norm", y, 1e-6))
        y = self.linear(f"{name}.pwconv2", gelu(y)) * self.state[f"{name}.gamma"]
        return x + y.transpose(0, 3, 1, 2)

    def encoder(self, x):
        features = []
        for stage in range(4):
            name = f"encoder.arch.downsample_layers.{stage}"
            if stage == 0:
                x = self.layer_norm(f"{name}.1", self.strided(f"{name}.0", x, 4), 1e-6, axis=1)
            else:
                x = self.strided(f"{name}.1", self.layer_norm(f"{name}.0", x, 1e-6, axis=1), 2)
            block = 0
            while f"encoder.arch.stages.{stage}.{block}.gamma" in self.state:
                x = self.block(f"encoder.arch.stages.{stage}.{block}", x)
                block += 1
            features.append(self.layer_norm(f"encoder.arch.norm{stage}", x, 1e-6, axis=1))
        return features

    def shuffle(self, name, x, scale):
        x = self.spectral(f"{name}.conv.0", x)
        if f"{name}.conv.1.weight" in self.state:
            x = self.batch_norm(f"{name}.conv.1", x)
        batch, channels, height, width = x.shape
        x = relu(x).reshape(batch, channels // scale**2, scale, scale, height, width)
        x = x.transpose(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * scale, width * scale)
        x = np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 0)), mode="edge")
        return (x[:, :, 1:, 1:] + x[:, :, :-1, 1:] + x[:, :, 1:, :-1] + x[:, :, :-1, :-1]) / 4

    def attention(self, name, query, key, value):
        (wq, wk, wv), biases = (np.split(self.state[f"{name}.in_proj_{part}"], 3) for part in ("weight", "bias"))
        q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), (wq, wk, wv), biases, strict=True))
        q, k, v = (x.reshape(*x.shape[:2], HEADS, -1).transpose(0, 2, 1, 3) for x in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
        attended = (softmax(scores) @ v).transpose(0, 2, 1, 3)
        return self.linear(f"{name}.out_proj", attended.reshape(*attended.shape[:2], -1))

    def colors(self, features):
        name = "decoder.color_decoder"
        channels = self.state[f"{name}.query_feat.weight"].shape[1]
        values, keys = [], []
        for level, x in enumerate(features):
            projected = self.strided(f"{name}.input_proj.{level}", x, 1)
            value = projected.reshape(*projected.shape[:2], -1).transpose(0, 2, 1)
            values.append(value + self.state[f"{name}.level_embed.weight"][level])
            keys.append(values[-1] + waves(*x.shape[2:], channels).reshape(channels, -1).T)
        offsets = self.state[f"{name}.query_embed.weight"]
        x = np.repeat(self.state[f"{name}.query_feat.weight"][None], len(features[0]), axis=0)
        for layer in range(LAYERS):
            place = f"{name}.transformer_cross_attention_layers.{layer}"
            seen = self.attention(f"{place}.multihead_attn", x + offsets, keys[layer % 3], values[layer % 3])
            x = self.layer_norm(f"{place}.norm", x + seen, 1e-5)
            place = f"{name}.transformer_self_attention_layers.{layer}"
            seen = self.attention(f"{place}.self_attn", x + offsets, x + offsets, x)
            x = self.layer_norm(f"{place}.norm", x + seen, 1e-5)
            place = f"{name}.transformer_ffn_layers.{layer}"
            seen = self.linear(f"{place}.linear2", relu(self.linear(f"{place}.linear1", x)))
            x = self.layer_norm(f"{place}.norm", x + seen, 1e-5)
        x = self.layer_norm(f"{name}.decoder_norm", x, 1e-5)
        for layer in range(2):
            x = relu(self.linear(f"{name}.color_embed.layers.{layer}", x))
        return self.linear(f"{name}.color_embed.layers.2", x)

    def __call__(self, L_b1hw):
        """ab (B, 2, H, W), Lab units, from L 0..100."""
        photograph = (np.repeat(gray_srgb(L_b1hw.astype(np.float64)), 3, axis=1) - MEAN) / STD
        features = self.encoder(photograph)
        x, rising = features[-1], []
        for layer, across in enumerate(features[-2::-1]):
            name = f"decoder.layers.{layer}"
            risen = self.shuffle(f"{name}.shuf", x, 2)
            x = relu(np.concatenate([risen, self.batch_norm(f"{name}.bn", across)], axis=1))
            x = self.batch_norm(f"{name}.conv.2", relu(self.spectral(f"{name}.conv.0", x)))
            rising.append(x)
        pixels = self.shuffle("decoder.last_shuf", x, 4)
        maps = np.einsum("bqc,bchw->bqhw", self.colors(rising), pixels)
        return self.spectral("refine_net.0.0", np.concatenate([maps, photograph], axis=1))
