"""siggraph17: the network of Real-Time User-Guided Image Colorization, which takes colour hints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import paddle
from paddle import nn
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.decoding_paddle import annealed_mean_nchw
from oldrestore.color.grid_paddle import GRID_AB, NUMBER_OF_SQUARES
from oldrestore.config.values import checked
from oldrestore.models.convolution import Conv2D, Conv2DTranspose
from oldrestore.models.layers import initialise
from oldrestore.models.weights import load_weights

AB_SCALE = 110.0  # hints and the regression are ab / 110
LEAK = 0.2  # slope of the last block's LeakyReLU below 0


class Siggraph17(nn.Layer):
    """Colour of each pixel at full size, from lightness and a user's hints of colour.

    Ten blocks of 3 x 3 convolutions: resolution falls to 1/8 by taking every second pixel, blocks 5 and 6 are
    dilated, blocks 8 to 10 rise to full size by transposed convolutions, to each of which a shortcut from the
    way down is added. Two heads: ``model_out`` gives ab, and ``model_class``, at a quarter of the size, scores the
    529 squares of the ab plane (`oldrestore.color.grid_paddle`). 34,187,027 parameters at width 1.

    Training has two stages. In ``classification`` the class head trains all layers below it, and the regression
    (``model9up`` and after) is not run: colour is decoded from the classes, by their annealed mean at `temperature`.
    In ``full`` the regression trains everything, and the class head reads detached features, so that it learns
    without steering the network.

    Parameters
    ----------
    mask_center : float
        Subtracted from the mask of the hints. 0 in the released inference code (``siggraph17-df00044c.pth``), 0.5 by
        default in the authors' PyTorch training code: weights work with the one they were trained with.

    References
    ----------
    Zhang, Zhu, Isola, Geng, Lin, Yu, Efros. Real-Time User-Guided Image Colorization with Learned Deep Priors.
    ACM Transactions on Graphics (SIGGRAPH) 2017.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"ab", "class_logits"})
    reads: ClassVar[tuple[str, ...]] = ("L_b1hw", "hints_b3hw")
    stride: ClassVar[int] = 8

    @staticmethod
    def predicts_with(settings: Mapping[str, Any]) -> frozenset[str]:
        """Return what a network of these settings predicts: the classification stage leaves the regression out."""
        classification = settings.get("stage") == "classification"
        return frozenset({"class_logits"}) if classification else Siggraph17.predicts

    @checked
    def __init__(
        self,
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        weights: str | None = None,
        mask_center: Annotated[float, Field(ge=0, le=1)] = 0.0,
        stage: Literal["full", "classification"] = "full",
        temperature: Annotated[float, Field(ge=0, le=2)] = 0.38,
    ) -> None:
        super().__init__()
        self.mask_center = mask_center
        self.stage = stage
        self.temperature = temperature
        c64, c128, c256, c512 = (max(1, round(channels * width)) for channels in (64, 128, 256, 512))
        self.model1 = _block(4, c64, layers=2)
        self.model2 = _block(c64, c128, layers=2)
        self.model3 = _block(c128, c256, layers=3)
        self.model4 = _block(c256, c512, layers=3)
        self.model5 = _block(c512, c512, layers=3, dilation=2)
        self.model6 = _block(c512, c512, layers=3, dilation=2)
        self.model7 = _block(c512, c512, layers=3)
        self.model8up = _up(c512, c256)
        self.model3short8 = _shortcut(c256, c256)
        self.model8 = _joined_block(c256, layers=2)
        self.model9up = _up(c256, c128)
        self.model2short9 = _shortcut(c128, c128)
        self.model9 = _joined_block(c128, layers=1)
        self.model10up = _up(c128, c128)
        self.model1short10 = _shortcut(c64, c128)
        self.model10 = nn.Sequential(nn.ReLU(), Conv2D(c128, c128, 3, padding=1), nn.LeakyReLU(LEAK))
        self.model_class = nn.Sequential(Conv2D(c256, NUMBER_OF_SQUARES, 1))
        self.model_out = nn.Sequential(Conv2D(c128, 2, 1), nn.Tanh())
        initialise(self, heads=[self.model_class[0], self.model_out[0]])
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, L_b1hw: paddle.Tensor, hints_b3hw: paddle.Tensor | None = None) -> Prediction:
        """Predict colour from lightness, 0..100, and hints: ab in Lab units where the third channel, the mask, is 1.

        The prediction has ``ab`` (B, 2, H, W), Lab units, |a| and |b| below 110 (None in the classification stage),
        and ``class_logits`` (B, 529, H/4, W/4).
        """
        if hints_b3hw is None:
            hints_b3hw = paddle.concat([paddle.zeros_like(L_b1hw)] * 3, axis=1)
        x = paddle.concat(
            [(L_b1hw - 50.0) / 100.0, hints_b3hw[:, :2] / AB_SCALE, hints_b3hw[:, 2:] - self.mask_center], axis=1
        )
        at_1 = self.model1(x)
        at_2 = self.model2(at_1[:, :, ::2, ::2])
        at_4 = self.model3(at_2[:, :, ::2, ::2])
        x = self.model4(at_4[:, :, ::2, ::2])
        x = self.model7(self.model6(self.model5(x)))
        x = self.model8(self.model8up(x) + self.model3short8(at_4))
        if self.stage == "classification":
            return Prediction(class_logits=self.model_class(x))
        class_logits = self.model_class(x.detach())
        x = self.model9(self.model9up(x) + self.model2short9(at_2))
        x = self.model10(self.model10up(x) + self.model1short10(at_1))
        return Prediction(ab=self.model_out(x).astype("float32") * AB_SCALE, class_logits=class_logits)

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 Lab units: (B, 2, H, W); in the classification stage (B, 2, H/4, W/4)."""
        if prediction.ab is None:
            return annealed_mean_nchw(prediction.class_logits, self.temperature, GRID_AB)
        return prediction.ab


# The order of layers within each block gives the parameters the names of the released state dict
# (``model1.0.weight``, ``model8.1.weight``, ...).


def _block(inputs: int, outputs: int, *, layers: int, dilation: int = 1) -> nn.Sequential:
    """Build `layers` of convolution and ReLU, and batch norm once at the end."""
    stack: list[nn.Layer] = []
    for index in range(layers):
        wide = inputs if index == 0 else outputs
        stack += [Conv2D(wide, outputs, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return nn.Sequential(*stack, nn.BatchNorm2D(outputs))


def _joined_block(channels: int, *, layers: int) -> nn.Sequential:
    """Build a block that follows a sum, and so begins with its ReLU."""
    stack: list[nn.Layer] = [nn.ReLU()]
    for _ in range(layers):
        stack += [Conv2D(channels, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*stack, nn.BatchNorm2D(channels))


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Conv2DTranspose(inputs, outputs, 4, stride=2, padding=1))


def _shortcut(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Conv2D(inputs, outputs, 3, padding=1))
