"""DDColor's colour decoder: learnt queries look at features of several sizes and become colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle
from paddle import nn
from paddle.nn import functional

from oldrestore.models.convolution import Conv2D

HEADS = 8
FEEDFORWARD = 8  # hidden units of a feed-forward layer, times the channels
WAVELENGTHS = 10_000.0  # the longest wave of the positions, in full turns


class ColorQueries(nn.Layer):
    """Turn queries, the same for every photograph, into as many colour embeddings of this one.

    Each layer attends to the features of one size, then to the other queries, then feeds forward; the sizes take
    turns. A layer norm follows each sum. Layers are named as in the published state dicts.

    Parameters
    ----------
    inputs : sequence of int
        Channels of the features of each size.
    channels, outputs : int
        Of the queries, a multiple of 8, and of the embeddings.

    References
    ----------
    Kang, Yang, Ouyang, Ren, Li, Xie. DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders. ICCV 2023.
    """

    def __init__(self, inputs: Sequence[int], channels: int, outputs: int, queries: int, layers: int) -> None:
        super().__init__()
        normal = nn.initializer.Normal(std=1.0)
        self.transformer_self_attention_layers = nn.LayerList([_SelfAttention(channels) for _ in range(layers)])
        self.transformer_cross_attention_layers = nn.LayerList([_CrossAttention(channels) for _ in range(layers)])
        self.transformer_ffn_layers = nn.LayerList([_FeedForward(channels) for _ in range(layers)])
        self.decoder_norm = nn.LayerNorm(channels)
        self.query_feat = nn.Embedding(queries, channels, weight_attr=normal)
        self.query_embed = nn.Embedding(queries, channels, weight_attr=normal)
        self.level_embed = nn.Embedding(len(inputs), channels, weight_attr=normal)
        self.input_proj = nn.LayerList([Conv2D(wide, channels, 1) for wide in inputs])
        self.color_embed = nn.LayerDict(
            {"layers": nn.LayerList([nn.Linear(channels, n) for n in (channels, channels, outputs)])}
        )
        wave = paddle.arange(channels // 2)
        # Each wavelength is there as a sine and as a cosine, which is a sine a quarter of a turn ahead.
        frequency = WAVELENGTHS ** (-2.0 * (wave // 2).astype("float32") / (channels // 2))
        self.register_buffer("frequency_c11", frequency.reshape([-1, 1, 1]), persistable=False)
        ahead = (wave % 2).astype("float32") * (math.pi / 2)
        self.register_buffer("ahead_c11", ahead.reshape([-1, 1, 1]), persistable=False)

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Return embeddings (B, queries, outputs) from features (B, C, h, w) of each size."""
        keys, values = [], []
        for index, x in enumerate(features):
            value = _places(self.input_proj[index](x)) + self.level_embed.weight[index]
            values.append(value)
            keys.append(value + _places(self.positions(x)))
        offsets = self.query_embed.weight
        queries = self.query_feat.weight + paddle.zeros_like(values[0][:, :1])  # (B, queries, C)
        for index, attend in enumerate(self.transformer_cross_attention_layers):
            size = index % len(features)
            queries = attend(queries, offsets, keys[size], values[size])
            queries = self.transformer_self_attention_layers[index](queries, offsets)
            queries = self.transformer_ffn_layers[index](queries)
        first, second, last = self.color_embed["layers"]
        return last(functional.relu(second(functional.relu(first(self.decoder_norm(queries))))))

    def positions(self, x_bchw: paddle.Tensor) -> paddle.Tensor:
        """Encode rows, then columns, in waves of their share of the height or width: (1, channels, h, w)."""
        # Sums of ones count rows and columns without reading sizes, so that an export leaves them open.
        ones = paddle.ones_like(x_bchw[:1, :1])
        rows, columns = (paddle.cumsum(ones, axis=axis) for axis in (2, 3))
        rows = rows / (rows[:, :, -1:] + 1e-6) * (2 * math.pi)
        columns = columns / (columns[:, :, :, -1:] + 1e-6) * (2 * math.pi)
        waves = [paddle.sin(place * self.frequency_c11 + self.ahead_c11) for place in (rows, columns)]
        return paddle.concat(waves, axis=1)


class _Attention(nn.Layer):
    """Attention of several heads, its three projections stored as one matrix, as PyTorch does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        xavier = nn.initializer.XavierUniform(fan_in=channels, fan_out=3 * channels)
        self.in_proj_weight = self.create_parameter([3 * channels, channels], default_initializer=xavier)
        self.in_proj_bias = self.create_parameter([3 * channels], is_bias=True)
        self.out_proj = nn.Linear(channels, channels)

    def forward(self, query: paddle.Tensor, key: paddle.Tensor, value: paddle.Tensor) -> paddle.Tensor:
        """Map (B, n, C), with key and value (B, m, C), to (B, n, C)."""
        given = zip((query, key, value), self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True)
        q, k, v = (_heads(paddle.matmul(x, weight, transpose_y=True) + bias) for x, weight, bias in given)
        scores = paddle.matmul(q * (q.shape[-1] ** -0.5), k, transpose_y=True)
        attended = paddle.matmul(functional.softmax(scores, axis=-1), v)  # (B, heads, n, C / heads)
        return self.out_proj(attended.transpose([0, 2, 1, 3]).flatten(start_axis=2))


class _CrossAttention(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.multihead_attn = _Attention(channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: paddle.Tensor, offsets: paddle.Tensor, key: paddle.Tensor, value: paddle.Tensor):
        return self.norm(x + self.multihead_attn(x + offsets, key, value))


class _SelfAttention(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.self_attn = _Attention(channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: paddle.Tensor, offsets: paddle.Tensor) -> paddle.Tensor:
        return self.norm(x + self.self_attn(x + offsets, x + offsets, x))


class _FeedForward(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, FEEDFORWARD * channels)
        self.linear2 = nn.Linear(FEEDFORWARD * channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.norm(x + self.linear2(functional.relu(self.linear1(x))))


def _places(x_bchw: paddle.Tensor) -> paddle.Tensor:
    """A feature map as a sequence (B, h w, C)."""
    return x_bchw.flatten(start_axis=2).transpose([0, 2, 1])


def _heads(x_bnc: paddle.Tensor) -> paddle.Tensor:
    return x_bnc.reshape([0, 0, HEADS, x_bnc.shape[-1] // HEADS]).transpose([0, 2, 1, 3])
