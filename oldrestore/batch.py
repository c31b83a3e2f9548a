"""What passes between data, networks and losses: a batch of photographs, and what a network predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import paddle

from oldrestore.color.lab_paddle import rgb_to_lab_nchw


@dataclass(frozen=True)
class Batch:
    """Photographs on the device, in CIE Lab."""

    L_b1hw: paddle.Tensor  # lightness, float32, 0..100
    ab_b2hw: paddle.Tensor  # true colour, float32, Lab units, about -110..110
    names: tuple[str, ...] = ()  # where each photograph came from, for messages and tables
    rgb_b3hw: paddle.Tensor | None = None  # the photographs as sRGB, float32, 0..1
    hints_b3hw: paddle.Tensor | None = None  # ab in Lab units where the third channel, the mask, is 1; 0 elsewhere
    damaged_b3hw: paddle.Tensor | None = None  # the photographs with damage, sRGB, float32, 0..1
    hole_b1hw: paddle.Tensor | None = None  # float32, 1 where a photograph is damaged beyond use, 0 elsewhere
    film_b1hw: paddle.Tensor | None = None  # lightness as old film saw it, which networks read instead of L_b1hw
    positions_bn2: paddle.Tensor | None = None  # int64, row and column of the pixels to train at; None for all

    @classmethod
    def from_rgb(cls, rgb_bhw3: paddle.Tensor, names: Sequence[str] = ()) -> Batch:
        """Convert uint8 sRGB photographs (B, H, W, 3), 0..255, to Lab on the tensor's device."""
        lab_b3hw = rgb_to_lab_nchw(rgb_bhw3.transpose([0, 3, 1, 2]))
        return cls(L_b1hw=lab_b3hw[:, :1], ab_b2hw=lab_b3hw[:, 1:], names=tuple(names))

    def ab_at(self, height: int, width: int) -> paddle.Tensor:
        """True colour subsampled to (height, width), float32 (B, 2, height, width), Lab units.

        Every n-th pixel is taken, as in the released Caffe training code of Zhang et al. (2016), so that a target is
        always a colour of the photograph and never a mixture across an edge.
        """
        full_height, full_width = self.ab_b2hw.shape[-2:]
        if full_height % height or full_width % width:
            sizes = f"colour targets of {full_height} x {full_width} cannot be subsampled to {height} x {width}"
            raise ValueError(f"{sizes}: use a crop size that is a multiple of the network's stride")
        return self.ab_b2hw[:, :, :: full_height // height, :: full_width // width]


@dataclass(frozen=True)
class Prediction:
    """What a network predicts; a field that it does not predict is None."""

    logits: paddle.Tensor | None = None  # scores over the 313 ab bins, float32 (B, 313, h, w)
    ab: paddle.Tensor | None = None  # colour, float32 (B, 2, h, w), Lab units
    class_logits: paddle.Tensor | None = None  # over the 529 squares of the 23 x 23 ab grid, float32 (B, 529, h, w)
    hue_logits: paddle.Tensor | None = None  # over the bins of a histogram of hue, float32 (B, bins, h, w)
    chroma_logits: paddle.Tensor | None = None  # the same of chroma
    rgb: paddle.Tensor | None = None  # a whole photograph, sRGB, float32 (B, 3, H, W), 0..1
    damage_logits: paddle.Tensor | None = None  # float32 (B, 1, H, W); its sigmoid is the probability of damage

    @staticmethod
    def names() -> frozenset[str]:
        """Every kind of prediction that a network may give and a loss may read."""
        return frozenset(field.name for field in fields(Prediction))
