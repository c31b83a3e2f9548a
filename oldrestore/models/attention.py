"""Self-attention over the positions of a feature map, as in SAGAN."""

from __future__ import annotations

import paddle
from paddle import nn

from oldrestore.kernels import choice
from oldrestore.models.convolution import conv2d, max_pool2d, summed
from oldrestore.models.spectral_norm import SpectralConv2D

QUERY_SHARE, VALUE_SHARE = 8, 2  # channels are divided by these


class SelfAttention(nn.Layer):
    """Let each position of a feature map look at all others: x + gamma * o(softmax(f(x)^T g(x)) h(x)).

    f and g map C to C/8 channels, h to C/2, o back to C, all 1 x 1 convolutions with spectral norm and no bias.
    gamma starts at 0, so that a new block is the identity and the network first learns from the neighbourhood.
    ``pooled`` halves the sides of keys and values by max-pooling, as the authors' code does: a quarter of the memory.
    An odd last row or column is then left out; a map with a side of 1 is not pooled.

    References
    ----------
    Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019, section 3.
    """

    def __init__(self, channels: int, pooled: bool = True) -> None:
        super().__init__()
        self.pooled = pooled
        query, value = max(1, channels // QUERY_SHARE), max(1, channels // VALUE_SHARE)
        self.f = SpectralConv2D(channels, query, 1, bias_attr=False)
        self.g = SpectralConv2D(channels, query, 1, bias_attr=False)
        self.h = SpectralConv2D(channels, value, 1, bias_attr=False)
        self.o = SpectralConv2D(value, channels, 1, bias_attr=False)
        self.gamma = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, x_bchw: paddle.Tensor) -> paddle.Tensor:
        """Return the map with what each position attends to added; shape (B, C, h, w) in and out."""
        weights_bnm = self.weights(x_bchw)
        values_bvm = self._source(self.h(x_bchw)).flatten(start_axis=2)
        attended_bvn = paddle.matmul(values_bvm, weights_bnm, transpose_y=True)
        height, width = x_bchw.shape[-2:]
        attended = attended_bvn.reshape([x_bchw.shape[0], values_bvm.shape[1], height, width])
        if choice.usable(attended):  # gamma times the kernel is a far smaller product, whose gradient is a smaller sum
            return summed(x_bchw, conv2d(attended, self.gamma * self.o.kernel()))
        return x_bchw + self.gamma * self.o(attended)

    def weights(self, x_bchw: paddle.Tensor) -> paddle.Tensor:
        """How much each of n positions takes from each of m, (B, n, m); a row sums to 1."""
        queries_bqn = self.f(x_bchw).flatten(start_axis=2)
        keys_bqm = self._source(self.g(x_bchw)).flatten(start_axis=2)
        scores_bnm = paddle.matmul(queries_bqn, keys_bqm, transpose_x=True)
        return nn.functional.softmax(scores_bnm.astype("float32"), axis=-1).astype(scores_bnm.dtype)

    @paddle.jit.not_to_static
    def _source(self, x: paddle.Tensor) -> paddle.Tensor:
        # While a network is exported its sides are not known, and -1.
        if self.pooled and 1 not in x.shape[-2:]:
            return max_pool2d(x, 2)
        return x
