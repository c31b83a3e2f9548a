"""lite_unet: an ImageNet encoder that is not trained, and a small decoder that predicts the colour of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore.batch import Prediction
from oldrestore.color.bins import AB_BINS, NUMBER_OF_BINS
from oldrestore.color.joining import ColorOfRows, joined_rows
from oldrestore.color.lab_paddle import lab_to_rgb_nchw
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.models.convolution import Conv2D, Sequential, doubled, joined, summed
from oldrestore.models.efficientnet_lite import VARIANTS, EfficientNetLiteNetwork, normalize
from oldrestore.models.hinting import Hinting, pooled_hints
from oldrestore.models.released import released_weights
from oldrestore.models.weights import load_weights

ENCODER = "lite2"
CHANNELS = (64, 96, 128, 128)  # of the decoder at strides 4, 8, 16 and 32
DETAIL = 4  # lightness itself joins the decoder as the 16 values of each 4 x 4 square


class LiteUnet(nn.Layer):
    """Colour of each pixel as a distribution over the 313 ab bins, learnt from few photographs.

    The gray photograph goes as three equal channels through EfficientNet-lite2, which knows ImageNet's objects
    and textures. Its features at strides 32, 16, 8 and 4 are added from the deepest up, each sum followed by a
    3 x 3 convolution; the mean of the deepest features over the photograph is added first. Buffer ``encoder_sha256``
    (uint8, 32) is the sha256 of the encoder's weights file; a checkpoint holds the encoder only if it is trained.

    Parameters
    ----------
    weights : str, optional
        A file, or ``released`` for the decoder shipped with oldrestore.
    dropout : float
        Share of the encoder's channels hidden from a training step.
    train_encoder : bool
        Train the encoder's weights too. Its batch norms keep their statistics in any case.
    confidence : float
        How much doubt about the hue reduces chroma: colour is multiplied by R^confidence, where R, 0..1, is the
        length of the mean colour over the mean length of a colour under the annealed distribution. 0 is off.
    edge_range : float
        Differences of lightness (L, 0..100) over which colour does not spread when it is brought to a photograph's
        own size; see `joined_rows`. 0 interpolates only.
    mirror : bool
        Average the logits with those of the mirror image, in evaluation mode.
    second_scale : float or None
        Average the logits with those at this multiple of the size, in evaluation mode.
    hints : bool
        Read colour hints too (``inputs=hints``); see `Hinting`. Without hints, the answer is that of the same weights
        without this part. A file of `weights` without it is a start to train it from.
    encoder_rate : float, optional
        Learning rate of the encoder's weights, if they are trained, over that of the decoder's; by default 1.

    References
    ----------
    Ronneberger, Fischer, Brox. U-Net. MICCAI 2015; Lin et al. Feature Pyramid Networks. CVPR 2017; Tan, Le.
    EfficientNet. ICML 2019; Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016 (bins, annealed mean).
    """

    predicts: ClassVar[frozenset[str]] = frozenset({"logits"})
    reads: tuple[str, ...] = ("L_b1hw",)  # and ``hints_b3hw``, with hints
    stride: ClassVar[int] = 32

    @checked
    def __init__(
        self,
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        weights: str | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        train_encoder: bool = False,
        temperature: Annotated[float, Field(gt=0, le=2)] = 1.6,
        confidence: Annotated[float, Field(ge=0, le=4)] = 0.0,
        chroma: Annotated[float, Field(ge=0, le=4)] = 1.2,
        edge_range: Annotated[float, Field(ge=0, le=100)] = 6.0,
        mirror: bool = True,
        second_scale: Annotated[float, Field(ge=0.5, le=2)] | None = 1.25,
        hints: bool = False,
        encoder_rate: Annotated[float, Field(gt=0, le=1)] | None = None,
    ) -> None:
        super().__init__()
        self.hints = hints
        self.reads = ("L_b1hw", "hints_b3hw") if hints else ("L_b1hw",)
        self.mirror, self.second_scale = mirror, second_scale
        self.train_encoder = train_encoder
        self.temperature, self.confidence = temperature, confidence
        self.chroma, self.edge_range = chroma, edge_range
        self.encoder = EfficientNetLiteNetwork.from_package(ENCODER)
        for parameter in self.encoder.parameters():
            # Batch norm's running statistics, which Paddle lists too, are never trained.
            parameter.stop_gradient = parameter.stop_gradient or not train_encoder
            parameter.optimize_attr["learning_rate"] = encoder_rate or 1.0
        channels = [max(1, round(count * width)) for count in CHANNELS]
        inputs = list(self.encoder.feature_channels)
        inputs[0] += DETAIL * DETAIL
        self.drop = nn.Dropout2D(dropout)
        self.lateral = nn.LayerList([_lateral(*pair) for pair in zip(inputs, channels, strict=True)])
        self.scene = nn.Linear(inputs[-1], channels[-1])
        self.merge = nn.LayerList([_merge(count) for count in channels])
        self.narrow = nn.LayerList([_convolution(*pair, 1) for pair in zip(channels[1:], channels[:-1], strict=True)])
        self.head = Conv2D(channels[0], NUMBER_OF_BINS, 1)
        # Near zero, so that an untrained network finds every bin equally likely: its cross-entropy is ln 313.
        nn.initializer.Normal(std=0.01)(self.head.weight)
        if hints:
            self.hinting = Hinting(channels)
        digest = np.frombuffer(bytes.fromhex(VARIANTS[ENCODER].sha256), dtype=np.uint8)
        self.register_buffer("encoder_sha256", paddle.to_tensor(digest.copy()))
        self.encoder.eval()
        if weights is not None:
            path = released_weights("lite_unet").path if weights == "released" else Path(weights)
            load_weights(self, path, added="hinting")
            if not np.array_equal(self.encoder_sha256.numpy(), digest):
                raise UserError(f"the decoder in '{path}' was trained with another encoder than the installed one")

    @property
    def exported_part(self) -> tuple[str, tuple[str, ...]]:
        """What is worth exporting for inference (`oldrestore.engines.fast_network`), and what it takes."""
        return "scores", self.reads

    def forward(self, L_b1hw: paddle.Tensor, hints_b3hw: paddle.Tensor | None = None) -> Prediction:
        """Predict logits (B, 313, H/4, W/4) from lightness (B, 1, H, W), 0..100; H and W multiples of 32.

        Hints, if the network has learnt them, are ab in Lab units where the third channel, the mask, is 1.
        """
        inputs = [L_b1hw]
        if self.hints:
            inputs.append(paddle.concat([paddle.zeros_like(L_b1hw)] * 3, axis=1) if hints_b3hw is None else hints_b3hw)
        if self.training:
            return Prediction(logits=self.scores(*inputs))
        logits = self._mirrored_too(inputs)
        if self.second_scale is not None:
            height, width = L_b1hw.shape[-2:]
            size = [self.stride * max(1, round(side * self.second_scale / self.stride)) for side in (height, width)]
            again = self._mirrored_too([_resized(x, size) for x in inputs])
            logits = (logits + _resized(again, logits.shape[-2:])) / 2
        return Prediction(logits=logits)

    def scores(self, L_b1hw: paddle.Tensor, hints_b3hw: paddle.Tensor | None = None) -> paddle.Tensor:
        """Logits (B, 313, H/4, W/4) of photographs at one scale, not mirrored."""
        return self.predict(L_b1hw, self.encode(L_b1hw), hints_b3hw).logits

    def _mirrored_too(self, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Logits of a photograph, or their mean over it and its mirror image, in one batch."""
        if not self.mirror:
            return self.scores(*inputs)
        seen, mirrored = self.scores(*(paddle.concat([x, x.flip(axis=3)]) for x in inputs)).chunk(2)
        return (seen + mirrored.flip(axis=3)) / 2

    def encode(self, L_b1hw: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of the encoder at strides 4, 8, 16 and 32, float32."""
        zeros = paddle.zeros_like(L_b1hw)
        gray_b3hw = lab_to_rgb_nchw(paddle.concat([L_b1hw, zeros, zeros], axis=1))
        features = self.encoder.features(normalize(gray_b3hw * 255.0))
        return features if self.train_encoder else [feature.detach() for feature in features]

    def predict(
        self, L_b1hw: paddle.Tensor, features: Sequence[paddle.Tensor], hints_b3hw: paddle.Tensor | None = None
    ) -> Prediction:
        """Predict from lightness, the encoder's features of it, and hints."""
        pooled = pooled_hints(hints_b3hw) if self.hints and hints_b3hw is not None else None
        detail = functional.pixel_unshuffle((L_b1hw - 50.0) / 50.0, DETAIL)
        finest, *coarser = features
        seen = [joined([self.drop(finest), detail]), *(self.drop(x) for x in coarser)]
        x = self.scene(seen[-1].mean(axis=[2, 3]))[:, :, None, None]
        for level in reversed(range(len(seen))):
            lateral = self.lateral[level](seen[level])
            if level < len(seen) - 1:
                x = self.narrow[level](x)
                x = doubled(x, "linear")
            x = summed(lateral, x)
            if pooled is not None:
                x = summed(x, self.hinting.squares[level](pooled[level]))
            x = self.merge[level](x)
            if pooled is not None and level == 1:
                spread = self.hinting.spread(L_b1hw, x, pooled)
        logits = self.head(x)
        return Prediction(logits=logits if pooled is None else self.hinting.logits(logits, x, spread))

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Colour of a prediction, float32 (B, 2, H/4, W/4), Lab units."""
        logits_bqhw = prediction.logits.astype("float32")
        batch, _, height, width = logits_bqhw.shape
        p_bqn = functional.softmax(logits_bqhw.flatten(start_axis=2) / self.temperature, axis=1)
        ab_b2n = paddle.matmul(paddle.to_tensor(AB_BINS.T.astype(np.float32)), p_bqn)
        if self.confidence:
            lengths_1q = paddle.to_tensor(np.hypot(*AB_BINS.T)[None].astype(np.float32))
            length_b1n = paddle.sqrt((ab_b2n * ab_b2n).sum(axis=1, keepdim=True))
            resultant = length_b1n / (paddle.matmul(lengths_1q, p_bqn) + 1e-6)
            ab_b2n = ab_b2n * paddle.clip(resultant, 0.0, 1.0) ** self.confidence
        return (self.chroma * ab_b2n).reshape([batch, 2, height, width])

    def joined_rows(self, ab_hw2: np.ndarray, L_hw: np.ndarray) -> ColorOfRows:
        """Bring predicted colour (h, w, 2) to the size of a photograph's lightness (H, W), along its edges."""
        return joined_rows(ab_hw2, L_hw, edge_range=self.edge_range)

    def train(self) -> LiteUnet:
        """Enter training mode; the encoder's batch norms stay as they are."""
        super().train()
        self.encoder.eval()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, paddle.Tensor]:
        """Weights and buffers, without an encoder that is not trained: it comes from its package."""
        state = super().state_dict(*args, **kwargs)
        if self.train_encoder:
            return state
        return type(state)((name, value) for name, value in state.items() if not name.startswith("encoder."))


def _resized(x: paddle.Tensor, size: Sequence[int]) -> paddle.Tensor:
    # Hints keep all their weight: ab and mask are 0 where there are none.
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _lateral(inputs: int, channels: int) -> Sequential:
    return Sequential(_convolution(inputs, channels, 1), nn.BatchNorm2D(channels))


def _merge(channels: int) -> Sequential:
    return Sequential(nn.ReLU(), _convolution(channels, channels, 3), nn.BatchNorm2D(channels), nn.ReLU())


def _convolution(inputs: int, outputs: int, kernel: int) -> Conv2D:
    # He et al. (2015). Without bias: a batch norm follows.
    he = paddle.ParamAttr(initializer=nn.initializer.KaimingNormal(nonlinearity="relu"))
    return Conv2D(inputs, outputs, kernel, padding=kernel // 2, weight_attr=he, bias_attr=False)
