"""A discriminator that judges patches of photographs, with self-attention and spectral norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import paddle
from paddle import nn
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.models.attention import SelfAttention
from oldrestore.models.spectral_norm import SpectralConv2D

AB_SCALE = 110.0


@dataclass(frozen=True)
class Verdict:
    """A discriminator's scores, float32 (B, 1, h, w), higher is more real, and its layers' outputs, finest first."""

    scores: paddle.Tensor
    features: tuple[paddle.Tensor, ...]


class PatchDiscriminator(nn.Layer):
    """Tells real photographs from generated ones by patches of 54 pixels' side (attention sees beyond them).

    Strided 4 x 4 convolutions to 1/8 of the size, self-attention on the way, every layer with spectral norm. It
    sees the condition too: where the holes are, or the lightness to colour.

    Parameters
    ----------
    judges : {"rgb", "ab"}
        The field of a prediction that is judged: restored photographs beside their hole mask, or colour beside
        its lightness.
    attention_scale : {2, 4, 8} or None
        Self-attention is at this fraction of the size; None for none, which a gradient penalty needs.

    References
    ----------
    Isola et al. 2017 (patches); Miyato et al. 2018 (spectral norm); Zhang et al. 2019 (attention).
    """

    @checked
    def __init__(
        self,
        judges: Literal["rgb", "ab"] = "rgb",
        width: Annotated[float, Field(gt=0, le=4)] = 1.0,
        attention_scale: Literal[2, 4, 8] | None = 4,
        pooled_attention: bool = True,
    ) -> None:
        super().__init__()
        self.judges = judges
        c64, c128, c256 = (max(8, round(channels * width)) for channels in (64, 128, 256))
        sizes = {2: (4 if judges == "rgb" else 3, c64), 4: (c64, c128), 8: (c128, c256)}
        self.layers = nn.LayerList(
            [
                nn.Sequential(
                    SpectralConv2D(inputs, outputs, 4, stride=2, padding=1),
                    nn.LeakyReLU(0.2),
                    *([SelfAttention(outputs, pooled_attention)] if scale == attention_scale else []),
                )
                for scale, (inputs, outputs) in sizes.items()
            ]
        )
        self.mixed = nn.Sequential(SpectralConv2D(c256, c256, 3, padding=1), nn.LeakyReLU(0.2))
        self.score = SpectralConv2D(c256, 1, 3, padding=1)

    def forward(self, shown_bchw: paddle.Tensor) -> Verdict:
        """Judge what `shown_real` or `shown_fake` returns."""
        features = []
        x = shown_bchw
        for layer in [*self.layers, self.mixed]:
            x = layer(x)
            features.append(x)
        return Verdict(self.score(x).astype("float32"), tuple(features))

    def shown_fake(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Put a prediction beside its condition, channels about -1..1; gradients flow to the prediction."""
        return self._beside_condition(getattr(prediction, self.judges), batch)

    def shown_real(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Put the truth beside the same condition, at the size of the prediction."""
        if self.judges == "ab":
            return self._beside_condition(batch.ab_at(*prediction.ab.shape[-2:]), batch)
        if batch.rgb_b3hw is None:
            raise UserError("the discriminator needs photographs, which these inputs do not provide: take inputs=holes")
        return self._beside_condition(batch.rgb_b3hw, batch)

    def _beside_condition(self, judged: paddle.Tensor, batch: Batch) -> paddle.Tensor:
        if self.judges == "ab":
            height, width = judged.shape[-2:]
            L_b1hw = nn.functional.adaptive_avg_pool2d(batch.L_b1hw, [height, width])
            return paddle.concat([judged / AB_SCALE, (L_b1hw - 50.0) / 50.0], axis=1)
        hole_b1hw = batch.hole_b1hw if batch.hole_b1hw is not None else paddle.zeros_like(judged[:, :1])
        return paddle.concat([judged * 2.0 - 1.0, hole_b1hw], axis=1)
