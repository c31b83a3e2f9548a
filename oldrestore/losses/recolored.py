"""The photograph that a prediction makes: predicted ab joined to the true lightness, as sRGB."""

from __future__ import annotations

import paddle
from paddle.nn import functional

from oldrestore.batch import Batch
from oldrestore.color.lab_paddle import lab_to_rgb_nchw


def recolored_rgb(ab_b2hw: paddle.Tensor, batch: Batch) -> paddle.Tensor:
    """Join predicted ab to the batch's lightness.

    A smaller ab is enlarged bilinearly, as it is when a photograph is coloured: what is looked at is the picture that
    people would see. Lightness taken at fewer pixels instead would alias, and a recognition network would see a
    photograph without its details.

    Parameters
    ----------
    ab_b2hw : paddle.Tensor
        float32 (B, 2, h, w), Lab units.
    batch : Batch
        With lightness (B, 1, H, W).

    Returns
    -------
    paddle.Tensor
        sRGB, float32 (B, 3, H, W), 0..1. A channel that sRGB cannot show is clipped and has gradient 0.
    """
    size = batch.L_b1hw.shape[-2:]
    if ab_b2hw.shape[-2:] != size:
        ab_b2hw = functional.interpolate(ab_b2hw, size=size, mode="bilinear", align_corners=False)
    return lab_to_rgb_nchw(paddle.concat([batch.L_b1hw.astype("float32"), ab_b2hw], axis=1))


@paddle.no_grad()
def original_rgb(batch: Batch) -> paddle.Tensor:
    """The photographs themselves, made from their Lab in the same way: a perfect prediction differs by nothing."""
    return recolored_rgb(batch.ab_b2hw.astype("float32"), batch)
