"""eccv16: the network of Colorful Image Colorization, classifying the colour of each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import paddle
from paddle import nn
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.color.decoding_paddle import annealed_mean_nchw
from oldrestore.config.values import checked
from oldrestore.models.convolution import Conv2D, Conv2DTranspose, Sequential
from oldrestore.models.layers import initialise
from oldrestore.models.weights import load_weights

AB_SCALE = 110.0  # model_out gives ab / 110


class Eccv16(nn.Layer):
    """Colour of each pixel as a distribution over the 313 in-gamut ab bins, at a quarter of the size.

    Eight blocks of 3 x 3 convolutions; resolution falls to 1/8, blocks 5 and 6 are dilated, block 8 rises to
    1/4. ``model_out`` is the released network's 1 x 1 map from probabilities to ab / 110: it holds the bin
    centres and is not trained by a classification loss. 32,236,011 parameters at width 1.

    Parameters
    ----------
    decoding : {"annealed_mean", "released"}
        ``released`` is the published PyTorch forward: softmax without temperature, then ``model_out``.
    temperature : float
        Of the annealed mean (0 the mode, 1 the mean; 0.38 in the paper).
    chroma : float, optional
        Multiplies the colour at last; by default 1, as in the paper.

    References
    ----------
    Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016.
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"logits"})
    reads: ClassVar[tuple[str, ...]] = ("L_b1hw",)
    stride: ClassVar[int] = 8

    @checked
    def __init__(
        self,
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        weights: str | None = None,
        decoding: Literal["annealed_mean", "released"] = "annealed_mean",
        temperature: Annotated[float, Field(ge=0, le=2)] = 0.38,
        chroma: Annotated[float, Field(gt=0, le=4)] | None = None,
    ) -> None:
        super().__init__()
        self.decoding = decoding
        self.temperature, self.chroma = temperature, chroma
        c64, c128, c256, c512 = (max(1, round(channels * width)) for channels in (64, 128, 256, 512))
        self.model1 = _block(1, c64, layers=2, last_stride=2)
        self.model2 = _block(c64, c128, layers=2, last_stride=2)
        self.model3 = _block(c128, c256, layers=3, last_stride=2)
        self.model4 = _block(c256, c512, layers=3)
        self.model5 = _block(c512, c512, layers=3, dilation=2)
        self.model6 = _block(c512, c512, layers=3, dilation=2)
        self.model7 = _block(c512, c512, layers=3)
        self.model8 = Sequential(
            Conv2DTranspose(c512, c256, 4, stride=2, padding=1),
            nn.ReLU(),
            Conv2D(c256, c256, 3, padding=1),
            nn.ReLU(),
            Conv2D(c256, c256, 3, padding=1),
            nn.ReLU(),
            Conv2D(c256, NUMBER_OF_BINS, 1),
        )
        self.model_out = nn.Conv2D(NUMBER_OF_BINS, 2, 1, bias_attr=False)
        initialise(self, heads=[self.model8[6]])
        centres = (AB_BINS / AB_SCALE).T.astype(np.float32)
        self.model_out.weight.set_value(centres[:, :, None, None])
        self.model_out.weight.stop_gradient = True
        if weights is not None:
            load_weights(self, Path(weights))

    def forward(self, L_b1hw: paddle.Tensor) -> Prediction:
        """Predict logits (B, 313, H/4, W/4) from lightness (B, 1, H, W), 0..100."""
        x = (L_b1hw - 50.0) / 100.0
        x = self.model3(self.model2(self.model1(x)))
        x = self.model7(self.model6(self.model5(self.model4(x))))
        return Prediction(logits=self.model8(x))

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, H/4, W/4), Lab units."""
        logits = prediction.logits.astype("float32")
        if self.decoding == "released":
            ab_b2hw = self.model_out(nn.functional.softmax(logits, axis=1)) * AB_SCALE
        else:
            ab_b2hw = annealed_mean_nchw(logits, self.temperature)
        return ab_b2hw if self.chroma is None else self.chroma * ab_b2hw


def _block(inputs: int, outputs: int, *, layers: int, last_stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Build `layers` of convolution and ReLU, the last one strided, and batch norm once at the end.


    The order of layers gives the parameters the names of the released state dict (``model1.0.weight``, ...).
    """
    stack: list[nn.Layer] = []
    for index in range(layers):
        stride = last_stride if index == layers - 1 else 1
        stack += [
            Conv2D(
                inputs if index == 0 else outputs,
                outputs,
                3,
                stride=stride,
                padding=dilation,
                dilation=dilation,
            ),
            nn.ReLU(),
        ]
    return Sequential(*stack, nn.BatchNorm2D(outputs))
