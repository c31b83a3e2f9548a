"""The networks of oldrestore in plain PyTorch: what `inference.py`, `training_step.py` and `layers.py` compare with.

Needs torch and nothing else. `network` counts the parameters of each against those of ours.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

# Trainable parameters and eccv16's map of bins, counted in oldrestore's networks.
PARAMETERS = {
    ("eccv16", 1.0): 32_236_011,
    ("eccv16", 0.25): 2_033_211,
    ("siggraph17", 1.0): 34_187_027,
    ("siggraph17", 0.5): 8_585_363,
    ("sagan_restore", 1.0): 8_247_364,
    ("sagan_restore", 0.5): 2_064_420,
    ("discriminator", 1.0): 1_272_770,
    ("discriminator", 0.5): 319_970,
    ("efficientnet_lite2", 1.0): 6_092_072,
}


def network(name: str, width: float = 1.0, channels_last: bool = False) -> nn.Module:
    """Make a network, in training mode; exits if it has not as many parameters as ours."""
    makers = {
        "eccv16": Eccv16,
        "siggraph17": Siggraph17,
        "sagan_restore": SaganRestorer,
        "discriminator": Discriminator,
        "efficientnet_lite2": lambda _: EfficientNetLite2(),
    }
    made = makers[name](width)
    count = sum(parameter.numel() for parameter in made.parameters())
    if count != PARAMETERS[name, width]:
        raise SystemExit(f"{name} has {count} parameters here, and {PARAMETERS[name, width]} in oldrestore")
    return made.to(memory_format=torch.channels_last) if channels_last else made


def block(inputs: int, outputs: int, layers: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Make convolutions with ReLU, the last one strided, and one batch norm."""
    stack: list[nn.Module] = []
    for index in range(layers):
        last = stride if index == layers - 1 else 1
        wide = inputs if index == 0 else outputs
        stack += [nn.Conv2d(wide, outputs, 3, last, dilation, dilation), nn.ReLU(inplace=True)]
    return nn.Sequential(*stack, nn.BatchNorm2d(outputs))


def joined_block(channels: int, layers: int) -> nn.Sequential:
    """Make a block that follows a sum."""
    stack: list[nn.Module] = [nn.ReLU(inplace=True)]
    for _ in range(layers):
        stack += [nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*stack, nn.BatchNorm2d(channels))


class Eccv16(nn.Module):
    """Trained by its logits; in evaluation mode with the annealed mean at 0.38."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (round(channels * width) for channels in (64, 128, 256, 512))
        self.down = nn.Sequential(block(1, c64, 2, 2), block(c64, c128, 2, 2), block(c128, c256, 3, 2))
        self.middle = nn.Sequential(
            block(c256, c512, 3), block(c512, c512, 3, 1, 2), block(c512, c512, 3, 1, 2), block(c512, c512, 3)
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(c512, c256, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c256, c256, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c256, c256, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c256, 313, 1),
        )
        self.model_out = nn.Conv2d(313, 2, 1, bias=False).requires_grad_(False)

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        """Lightness to logits of 313 bins in training, to ab otherwise."""
        logits = self.up(self.middle(self.down((L - 50.0) / 100.0)))
        return logits if self.training else self.model_out(torch.softmax(logits / 0.38, dim=1)) * 110.0


class Siggraph17(nn.Module):
    """With both heads: the class head reads detached features, and is left out in evaluation mode, as in ours."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (round(channels * width) for channels in (64, 128, 256, 512))
        self.model1, self.model2, self.model3 = block(4, c64, 2), block(c64, c128, 2), block(c128, c256, 3)
        self.middle = nn.Sequential(
            block(c256, c512, 3), block(c512, c512, 3, 1, 2), block(c512, c512, 3, 1, 2), block(c512, c512, 3)
        )
        self.model8up, self.model3short8 = nn.ConvTranspose2d(c512, c256, 4, 2, 1), nn.Conv2d(c256, c256, 3, 1, 1)
        self.model8 = joined_block(c256, 2)
        self.model9up, self.model2short9 = nn.ConvTranspose2d(c256, c128, 4, 2, 1), nn.Conv2d(c128, c128, 3, 1, 1)
        self.model9 = joined_block(c128, 1)
        self.model10up, self.model1short10 = nn.ConvTranspose2d(c128, c128, 4, 2, 1), nn.Conv2d(c64, c128, 3, 1, 1)
        self.model10 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(c128, c128, 3, 1, 1), nn.LeakyReLU(0.2))
        self.model_class = nn.Conv2d(c256, 529, 1)
        self.model_out = nn.Sequential(nn.Conv2d(c128, 2, 1), nn.Tanh())

    def forward(self, L: torch.Tensor, hints: torch.Tensor | None = None) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Lightness and hints (B, 3, H, W) to ab; in training with the logits of 529 squares."""
        hints = torch.zeros_like(L).repeat(1, 3, 1, 1) if hints is None else hints
        at_1 = self.model1(torch.cat([(L - 50.0) / 100.0, hints[:, :2] / 110.0, hints[:, 2:]], dim=1))
        at_2 = self.model2(at_1[:, :, ::2, ::2])
        at_4 = self.model3(at_2[:, :, ::2, ::2])
        x = self.middle(at_4[:, :, ::2, ::2])
        x = self.model8(self.model8up(x) + self.model3short8(at_4))
        class_logits = self.model_class(x.detach()) if self.training else None
        x = self.model9(self.model9up(x) + self.model2short9(at_2))
        x = self.model10(self.model10up(x) + self.model1short10(at_1))
        ab = self.model_out(x) * 110.0
        return (ab, class_logits) if self.training else ab


def spectral(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, bias: bool = True
) -> nn.Module:
    """Make a convolution with spectral norm."""
    padding = 0 if kernel == 1 else dilation
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=bias))


class SelfAttention(nn.Module):
    """SAGAN's, with pooled keys and values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f, self.g = (spectral(channels, channels // 8, 1, bias=False) for _ in range(2))
        self.h, self.o = (
            spectral(channels, channels // 2, 1, bias=False),
            spectral(channels // 2, channels, 1, bias=False),
        )
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map with what each position attends to added."""
        queries = self.f(x).flatten(2)
        keys, values = (functional.max_pool2d(y, 2).flatten(2) for y in (self.g(x), self.h(x)))
        weights = torch.bmm(queries.transpose(1, 2), keys).softmax(-1)
        attended = torch.bmm(values, weights.transpose(1, 2)).reshape(x.shape[0], -1, *x.shape[2:])
        return x + self.gamma * self.o(attended)


def normed(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Make a convolution with spectral norm, batch norm and LeakyReLU."""
    convolution = spectral(inputs, outputs, kernel, stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True))


class DilatedResidual(nn.Module):
    """x + two convolutions of it, the first dilated."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            spectral(channels, channels, 3, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            spectral(channels, channels, 3, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape."""
        return x + self.inner(x)


class SaganRestorer(nn.Module):
    """SAGAN's generator; its holes have been filled before."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c4 = (round(channels * width) for channels in (64, 128, 256))
        self.encode1 = nn.Sequential(spectral(4, c1, 3), nn.LeakyReLU(0.2, inplace=True))
        self.encode2, self.encode4, self.encode8 = normed(c1, c2, 4, 2), normed(c2, c4, 4, 2), normed(c4, c4, 4, 2)
        self.middle = nn.Sequential(*(DilatedResidual(c4, dilation) for dilation in (1, 2, 4, 2)))
        self.attention = SelfAttention(c4)
        self.decode4, self.decode2 = normed(2 * c4, c4), normed(c4 + c2, c2)
        self.decode1 = nn.Sequential(spectral(c2 + c1, c1, 3), nn.LeakyReLU(0.2, inplace=True))
        self.head = nn.Conv2d(c1, 3, 3, padding=1)

    def forward(self, filled: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        """Photographs 0..1 and a mask, 1 in holes, to photographs."""

        def joined(small: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
            return torch.cat([functional.interpolate(small, scale_factor=2, mode="nearest"), large], dim=1)

        x1 = self.encode1(torch.cat([filled * 2.0 - 1.0, hole], dim=1))
        x2 = self.encode2(x1)
        x4 = self.encode4(x2)
        y4 = self.attention(self.decode4(joined(self.middle(self.encode8(x4)), x4)))
        x = self.decode1(joined(self.decode2(joined(y4, x2)), x1))
        painted = (filled + torch.tanh(self.head(x))).clamp(0.0, 1.0)
        return torch.where(hole.bool(), painted, filled)


class Discriminator(nn.Module):
    """Judges patches of photographs, beside the mask."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256 = (round(channels * width) for channels in (64, 128, 256))
        leak = nn.LeakyReLU(0.2)
        self.layers = nn.Sequential(
            *(spectral(4, c64, 4, 2), leak, spectral(c64, c128, 4, 2), leak, SelfAttention(c128)),
            *(spectral(c128, c256, 4, 2), leak, spectral(c256, c256, 3), leak, spectral(c256, 1, 3)),
        )

    def forward(self, photographs: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        """Photographs 0..1 and mask to scores."""
        return self.layers(torch.cat([photographs * 2.0 - 1.0, hole], dim=1))


class SameConv2d(nn.Conv2d):
    """A bias-free convolution with TensorFlow's SAME padding: of its own where that is symmetric, else beforehand."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        even = 0 if stride > 1 else kernel // 2
        super().__init__(inputs, outputs, kernel, stride, even, groups=groups, bias=False)
        # He et al.: neither vanishing nor infinite activations where batch norm has learnt no statistics.
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pad and convolve."""
        if self.stride[0] > 1:
            pads: list[int] = []
            for size in (x.shape[3], x.shape[2]):
                whole = max((math.ceil(size / self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - size, 0)
                pads += [whole // 2, whole - whole // 2]
            x = functional.pad(x, pads)
        return super().forward(x)


def same(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu6: bool = True) -> nn.Sequential:
    """Make a convolution, batch norm and ReLU6."""
    after = [nn.ReLU6(inplace=True)] if relu6 else []
    convolution = SameConv2d(inputs, outputs, kernel, stride, groups)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=1e-3), *after)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input if the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *([same(inputs, hidden, 1)] if expansion > 1 else []),
            same(hidden, hidden, kernel, stride, hidden),
            same(hidden, outputs, 1, relu6=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One block."""
        return x + self.layers(x) if self.adds else self.layers(x)


class EfficientNetLite2(nn.Module):
    """EfficientNet-lite2 (Tan and Le 2019): width 1.1, depth 1.2."""

    # (repeats, kernel, stride, expansion, channels)
    STAGES = (
        *((1, 3, 1, 1, 16), (3, 3, 2, 6, 24), (3, 5, 2, 6, 48), (4, 3, 2, 6, 88), (4, 5, 1, 6, 120)),
        *((5, 5, 2, 6, 208), (1, 3, 1, 6, 352)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.stem, channels = same(3, 32, 3, 2), 32
        stages = []
        for repeats, kernel, stride, expansion, outputs in self.STAGES:
            blocks = []
            for index in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel, stride if index == 0 else 1, expansion))
                channels = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = same(channels, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Features at strides 4, 8, 16 and 32."""
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return [levels[stage] for stage in (1, 2, 4, 6)]

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Class logits of normalised photographs in training; features otherwise."""
        levels = self.features(x)
        return self.classifier(self.head(levels[-1]).mean((2, 3))) if self.training else levels
