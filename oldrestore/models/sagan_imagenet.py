"""SAGAN's class-conditional generator of 128 x 128 photographs, and its projection discriminator.

After Zhang, Goodfellow, Metaxas, Odena, Self-Attention Generative Adversarial Networks (ICML 2019): residual blocks
with conditional batch norm, spectral norm in both networks, self-attention at 32 x 32. No choice of the ``model``
group: it reads noise and classes, which a batch of photographs does not hold; it is used from Python.
"""

from __future__ import annotations

from typing import Annotated

import paddle
from paddle import nn
from pydantic import Field

from oldrestore.models.attention import SelfAttention
from oldrestore.models.spectral_norm import SpectralConv2D, SpectralEmbedding, SpectralLinear

SIZE = 128
START = 4  # side of the first feature map
GENERATOR_CHANNELS = (1024, 1024, 512, 256, 128, 64)  # at 4, 8, 16, 32, 64 and 128
DISCRIMINATOR_CHANNELS = (64, 128, 256, 512, 1024)  # at 64, 32, 16, 8 and 4
ATTENTION_SIDE = 32

Width = Annotated[float, Field(gt=0, le=4)]
Count = Annotated[int, Field(ge=1)]


class ConditionalBatchNorm(nn.Layer):
    """Batch norm whose scale and shift belong to the class: (1 + scale[class]) * normalised + shift[class].

    Both tables start at 0. Dumoulin et al., *A Learned Representation for Artistic Style* (2017); de Vries et al.
    (2017).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2D(channels, weight_attr=False, bias_attr=False)
        zero = nn.initializer.Constant(0.0)
        self.scale = nn.Embedding(classes, channels, weight_attr=zero)
        self.shift = nn.Embedding(classes, channels, weight_attr=zero)

    def forward(self, x_bchw: paddle.Tensor, class_b: paddle.Tensor) -> paddle.Tensor:
        """Normalise; class_b are class indices, int (B,)."""
        scale, shift = (table(class_b).unsqueeze([2, 3]) for table in (self.scale, self.shift))
        return (1.0 + scale) * self.norm(x_bchw) + shift


class GeneratorBlock(nn.Layer):
    """Twice as large: shortcut (1 x 1) + two 3 x 3 convolutions, each after conditional norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, classes: int) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm(inputs, classes)
        self.conv1 = SpectralConv2D(inputs, outputs, 3, padding=1)
        self.norm2 = ConditionalBatchNorm(outputs, classes)
        self.conv2 = SpectralConv2D(outputs, outputs, 3, padding=1)
        self.shortcut = SpectralConv2D(inputs, outputs, 1)

    def forward(self, x: paddle.Tensor, class_b: paddle.Tensor) -> paddle.Tensor:
        """Map (B, inputs, h, w) to (B, outputs, 2h, 2w)."""
        y = self.conv1(_twice(nn.functional.relu(self.norm1(x, class_b))))
        y = self.conv2(nn.functional.relu(self.norm2(y, class_b)))
        return y + self.shortcut(_twice(x))


class SaganImageGenerator(nn.Layer):
    """Makes photographs of a class from noise.

    Parameters
    ----------
    width : float
        Multiplies every channel count of `GENERATOR_CHANNELS`.
    classes : int
        1000 for ImageNet.
    noise : int
        Length of the noise vector.
    """

    def __init__(self, width: Width = 1.0, classes: Count = 1000, noise: Count = 128) -> None:
        super().__init__()
        self.noise = noise
        self.classes = classes
        self.channels = _scaled(GENERATOR_CHANNELS, width)
        self.first = SpectralLinear(noise, self.channels[0] * START * START)
        pairs = zip(self.channels[:-1], self.channels[1:], strict=True)
        self.blocks = nn.LayerList([GeneratorBlock(a, b, classes) for a, b in pairs])
        self.attention = SelfAttention(self.channels[3])
        self.norm = nn.BatchNorm2D(self.channels[-1])
        self.last = SpectralConv2D(self.channels[-1], 3, 3, padding=1)

    def forward(self, noise_bz: paddle.Tensor, class_b: paddle.Tensor) -> paddle.Tensor:
        """Make photographs.

        Parameters
        ----------
        noise_bz : paddle.Tensor
            float32 (B, noise), standard normal.
        class_b : paddle.Tensor
            int64 (B,), class indices.

        Returns
        -------
        paddle.Tensor
            float32 (B, 3, 128, 128), -1..1 (sRGB 0..1 is (x + 1) / 2).
        """
        x = self.first(noise_bz).reshape([-1, self.channels[0], START, START])
        for block in self.blocks:
            x = block(x, class_b)
            if x.shape[-1] == ATTENTION_SIDE:
                x = self.attention(x)
        return nn.functional.tanh(self.last(nn.functional.relu(self.norm(x))))


class DiscriminatorBlock(nn.Layer):
    """Shortcut + two 3 x 3 convolutions, halved in size by averaging; the first block takes no ReLU before it."""

    def __init__(self, inputs: int, outputs: int, first: bool = False, halve: bool = True) -> None:
        super().__init__()
        self.first = first
        self.halve = halve
        self.conv1 = SpectralConv2D(inputs, outputs, 3, padding=1)
        self.conv2 = SpectralConv2D(outputs, outputs, 3, padding=1)
        self.shortcut = SpectralConv2D(inputs, outputs, 1) if halve or inputs != outputs else nn.Identity()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h/2, w/2), or the same size."""
        y = self.conv1(x if self.first else nn.functional.relu(x))
        y = self.conv2(nn.functional.relu(y))
        x = self.shortcut(x)
        return nn.functional.avg_pool2d(x + y, 2) if self.halve else x + y


class ProjectionDiscriminator(nn.Layer):
    """Scores photographs of a class: a linear map of pooled features plus their product with the class's vector.

    Parameters
    ----------
    width : float
        Multiplies every channel count of `DISCRIMINATOR_CHANNELS`.
    classes : int

    References
    ----------
    Miyato and Koyama. cGANs with Projection Discriminator. ICLR 2018.
    """

    def __init__(self, width: Width = 1.0, classes: Count = 1000) -> None:
        super().__init__()
        channels = _scaled(DISCRIMINATOR_CHANNELS, width)
        pairs = zip((3, *channels[:-1]), channels, strict=True)
        blocks = [DiscriminatorBlock(a, b, first=index == 0) for index, (a, b) in enumerate(pairs)]
        self.blocks = nn.LayerList([*blocks, DiscriminatorBlock(channels[-1], channels[-1], halve=False)])
        self.attention = SelfAttention(channels[1])
        self.linear = SpectralLinear(channels[-1], 1)
        self.classes = SpectralEmbedding(classes, channels[-1])

    def forward(self, photo_b3hw: paddle.Tensor, class_b: paddle.Tensor) -> paddle.Tensor:
        """Score (B, 1), higher is more real, of photographs (B, 3, 128, 128), -1..1, each as one of its class."""
        x = photo_b3hw
        for block in self.blocks:
            x = block(x)
            if x.shape[-1] == ATTENTION_SIDE:
                x = self.attention(x)
        pooled_bc = nn.functional.relu(x).sum(axis=[2, 3])
        return self.linear(pooled_bc) + (pooled_bc * self.classes(class_b)).sum(axis=1, keepdim=True)


def _scaled(channels: tuple[int, ...], width: float) -> list[int]:
    return [max(1, round(count * width)) for count in channels]


def _twice(x: paddle.Tensor) -> paddle.Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")
