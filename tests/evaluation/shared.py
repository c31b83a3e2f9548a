"""What tests of evaluations share: the context of an evaluator, and colorizers that know nothing or everything."""

from collections.abc import Callable, Sequence

import numpy as np
from paddle import nn

from oldrestore.batch import Prediction
from oldrestore.color.lab import lab_to_rgb8, rgb_to_lab
from oldrestore.evaluation.evaluator import EvaluationContext
from oldrestore.evaluation.prediction import ColorPrediction


def context(
    network, photos: Sequence[tuple[str, np.ndarray]], batch_size: int = 2, colorize: Callable | None = None
) -> EvaluationContext:
    return EvaluationContext(
        network=network,
        photos=lambda: iter(photos),
        make_batch=None,
        batch_size=batch_size,
        count=len(photos),
        watch=lambda items, what, total: iter(items),
        colorize=colorize,
    )


class Restorer(nn.Layer):
    """Fills holes with one value; what else it does is decided by the stages that are made of it."""

    predicts = frozenset({"rgb"})
    reads = ("damaged_b3hw", "hole_b1hw")
    stride = 8

    def __init__(self, output="full"):
        super().__init__()
        self.output = output

    def forward(self, damaged_b3hw, hole_b1hw):
        return Prediction(rgb=damaged_b3hw * (1 - hole_b1hw) + 0.2 * hole_b1hw)


def gray(lightness):
    return [ColorPrediction(np.zeros((*L.shape, 2), np.float32)) for L in lightness]


def gray_photograph(rgb: np.ndarray) -> np.ndarray:
    return lab_to_rgb8(rgb_to_lab(rgb) * np.float32([1, 0, 0]))


def knowing(photos: Sequence[np.ndarray], answer: Callable[[np.ndarray], ColorPrediction] = ColorPrediction):
    """A colorizer that knows the true colour of these photographs, and says what is made of it."""
    truth = {rgb_to_lab(rgb)[..., 0].tobytes(): rgb_to_lab(rgb)[..., 1:] for rgb in photos}
    return lambda lightness: [answer(truth[L.tobytes()]) for L in lightness]
