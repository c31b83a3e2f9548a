"""Cross-entropy over the 529 squares of the ab plane: the classification term of siggraph17."""

from __future__ import annotations

from typing import ClassVar

import paddle

from oldrestore.batch import Batch, Prediction
from oldrestore.color.grid_paddle import grid_index_nchw
from oldrestore.config.values import checked
from oldrestore.kernels import choice
from oldrestore.losses.base import Loss, NotNegative, mean_where_colour
from oldrestore.losses.one_pass import SparseTarget, sparse_cross_entropy


class GridCrossEntropy(Loss):
    """Cross-entropy between predicted classes and the one square that each true colour falls into.

    The label is hard: the true ab, rounded to the grid of ten Lab units (`oldrestore.color.grid_paddle`). Uniform
    logits give ln 529 = 6.271.

    References
    ----------
    Zhang et al. Real-Time User-Guided Image Colorization with Learned Deep Priors. 2017.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"class_logits"})

    @checked
    def __init__(self, gray_threshold: NotNegative | None = 5.0) -> None:
        super().__init__(gray_threshold)

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean cross-entropy of ``class_logits`` (B, 529, h, w)."""
        with paddle.amp.auto_cast(enable=False):
            logits_bchw = prediction.class_logits.astype("float32")
            _, classes, height, width = logits_bchw.shape
            label = grid_index_nchw(batch.ab_at(height, width))
            if choice.usable(logits_bchw):
                label_b1hw = label.reshape([-1, 1, height, width])
                target = SparseTarget(label_b1hw, paddle.ones(label_b1hw.shape), parts=(1,))
                entropy_bhw = sparse_cross_entropy(logits_bchw, target)
                return mean_where_colour(entropy_bhw, batch, self.gray_threshold)
            label_n1 = label.reshape([-1, 1])
            # Classes last: on a CPU, Paddle's reductions over another axis are many times slower.
            logits_nc = logits_bchw.transpose([0, 2, 3, 1]).reshape([-1, classes])
            entropy_n = paddle.logsumexp(logits_nc, axis=1) - paddle.index_sample(logits_nc, label_n1)[:, 0]
            return mean_where_colour(entropy_n.reshape([-1, height, width]), batch, self.gray_threshold)
