"""Cross-entropy over the 529 squares of the ab plane: the classification term of siggraph17."""

from __future__ import annotations

from typing import Annotated, ClassVar

import paddle
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.color.grid_paddle import grid_index_nchw
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss
from oldrestore.losses.gray import mean_where_colour


class GridCrossEntropy(Loss):
    """Cross-entropy between predicted classes and the one square that each true colour falls into.

    The label is hard: the true ab, every n-th pixel, rounded to the grid of ten Lab units
    (`oldrestore.color.grid_paddle`). The loss is the mean over the pixels of all photographs that have colour; uniform
    logits give ln 529 = 6.271.

    References
    ----------
    Zhang et al. Real-Time User-Guided Image Colorization with Learned Deep Priors. 2017.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"class_logits"})

    @checked
    def __init__(self, gray_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = 5.0) -> None:
        super().__init__()
        self.gray_threshold = gray_threshold

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean cross-entropy, float32 scalar; computed in float32, also under mixed precision.

        Parameters
        ----------
        prediction : Prediction
            With ``class_logits`` (B, 529, h, w).
        batch : Batch
            Whose photographs' sides are whole multiples of h and w.
        """
        with paddle.amp.auto_cast(enable=False):
            logits_bchw = prediction.class_logits.astype("float32")
            _, classes, height, width = logits_bchw.shape
            label_n1 = grid_index_nchw(batch.ab_at(height, width)).reshape([-1, 1])
            # Classes last: on a CPU, Paddle's reductions over another axis are many times slower.
            logits_nc = logits_bchw.transpose([0, 2, 3, 1]).reshape([-1, classes])
            entropy_n = paddle.logsumexp(logits_nc, axis=1) - paddle.index_sample(logits_nc, label_n1)[:, 0]
            return mean_where_colour(entropy_n.reshape([-1, height, width]), batch, self.gray_threshold)
