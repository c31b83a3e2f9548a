"""A loss that rewards colourful photographs, against averaged, brownish colour."""

from __future__ import annotations

import paddle

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.losses.base import NotNegative, mean_where_colour
from oldrestore.losses.predicted_color import PredictedColor, Temperature, recolored_rgb

# Added under the roots, whose slope at 0 (a gray photograph) is infinite; squared units of 0..255. It raises the
# colourfulness of such a photograph from 0 to 0.0013.
ROOT_OFFSET = 1e-6


class Colorfulness(PredictedColor):
    """1 - CF / 100, mean over photographs, with CF the colourfulness of the recoloured photograph.

    Kang et al., *DDColor* (2023). CF = sigma + 0.3 mu (Hasler and Suesstrunk, *Measuring colourfulness
    in natural images*, 2003, their M3), sigma^2 = var rg + var yb and mu^2 = (mean rg)^2 + (mean yb)^2 over a
    photograph's pixels, with the opponents rg = R - G and yb = (R + G) / 2 - B in 0..255. This is the paper's formula,
    and what the metric ``colorfulness`` measures; DDColor's released code takes 1 - CF of |rg| and |yb| in 0..1.

    It does not see the truth and alone ends in vivid, wrong colours: use it with a small weight beside another loss. A
    photograph predicted quite gray has no gradient.
    """

    @checked
    def __init__(self, gray_threshold: NotNegative | None = None, annealed_mean: Temperature | None = None) -> None:
        super().__init__(annealed_mean, gray_threshold)

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """1 - CF / 100: 1 of gray photographs, below 0 of extremely colourful ones."""
        with paddle.amp.auto_cast(enable=False):
            colourful_b = colorfulness(recolored_rgb(self.predicted_ab(prediction), batch) * 255.0)
            return mean_where_colour(1.0 - colourful_b.reshape([-1, 1, 1]) / 100.0, batch, self.gray_threshold)


def colorfulness(rgb_b3hw: paddle.Tensor) -> paddle.Tensor:
    """Colourfulness M3 of sRGB photographs (B, 3, h, w), 0..255: float32 (B,), 0 and up."""
    red, green, blue = rgb_b3hw.flatten(start_axis=2).unbind(axis=1)
    opponents_b2n = paddle.stack([red - green, (red + green) / 2 - blue], axis=1)
    means_b2 = opponents_b2n.mean(axis=-1)
    variances_b2 = (opponents_b2n - means_b2.unsqueeze(-1)).square().mean(axis=-1)
    spread_b, distance_b = (
        paddle.sqrt(squared_b2.sum(axis=1) + ROOT_OFFSET) for squared_b2 in (variances_b2, means_b2.square())
    )
    return spread_b + 0.3 * distance_b
