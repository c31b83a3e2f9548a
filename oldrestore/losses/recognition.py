"""Losses that ask a classifier what a recoloured photograph shows: the true class, or its answer on the original."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional
from pydantic import Field

from oldrestore import parallel
from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.losses.base import NotNegative, Positive, mean_where_colour
from oldrestore.losses.predicted_color import PredictedColor, Temperature, original_rgb, recolored_rgb

RECOGNITION_STREAM = 29  # begins the seeds of what the classifier is shown, so that they repeat no other stream
CLASSES = 1000
Share = Annotated[float, Field(gt=0, le=1)]


class ThroughClassifier(PredictedColor):
    """A loss that reads the answer of frozen classifiers on recoloured photographs.

    A classifier can be pleased by colours that please nobody: a faint tint over everything moves its answer. While the
    network learns, what it is shown is therefore changed at random, so that a tint gains nothing: the predicted chroma
    is multiplied by a number in `strength`, a colour with standard deviation `tint` is added to the whole photograph,
    and a window of at least `crop` of each side is cut, mirrored half of the time. Validation sees photographs as they
    are, through every classifier. With `keep_mean_color` no gradient reaches the mean colour of a photograph, which
    stays where the other terms of a sum put it.

    Classifiers are frozen, and no part of a checkpoint; at each update one of them is asked. None may be the judge.
    """

    @checked
    def __init__(
        self,
        # Each a layer that maps sRGB (B, 3, H, W), 0..1, to [logits (B, 1000)]; null leaves one of a choice out.
        classifiers: dict[str, Any],
        strength: tuple[NotNegative, NotNegative] = (0.5, 1.5),
        tint: NotNegative = 7.0,  # Lab units, of a and of b
        crop: Share = 0.8,
        mirror: bool = True,
        keep_mean_color: bool = False,
        seed: Annotated[int, Field(ge=0)] = 0,
        gray_threshold: NotNegative | None = None,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(annealed_mean, gray_threshold)
        classifiers = {name: classifier for name, classifier in classifiers.items() if classifier is not None}
        if not classifiers:
            raise UserError("classifiers must name at least one recognition network")
        if strength[0] > strength[1]:
            raise UserError(f"strength must be two numbers, the smaller first, not {list(strength)}")
        self.classifiers = nn.LayerDict(classifiers)
        self.strength, self.tint, self.crop, self.mirror = tuple(strength), tint, crop, mirror
        self.keep_mean_color, self.seed = keep_mean_color, seed
        self._iteration = 0

    def at(self, iteration: int) -> None:
        """See Loss."""
        self._iteration = iteration

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean over photographs of the distance of the classifier's answer from the right one."""
        with paddle.amp.auto_cast(enable=False):
            ab_b2hw = self.predicted_ab(prediction)
            classifiers = list(self.classifiers.values())
            if paddle.is_grad_enabled():
                rng = np.random.default_rng([RECOGNITION_STREAM, self.seed, self._iteration, parallel.rank()])
                classifiers = [classifiers[rng.integers(len(classifiers))]]
                ab_b2hw = self._changed(ab_b2hw, rng)
                window, flip = self._window(*batch.L_b1hw.shape[-2:], rng)
            else:
                window, flip = np.s_[:, :, :, :], False
            recolored, original = (rgb[window] for rgb in (recolored_rgb(ab_b2hw, batch), original_rgb(batch)))
            if flip:
                recolored, original = recolored.flip(axis=3), original.flip(axis=3)
            distances = [self.distance(classifier, recolored, original, batch) for classifier in classifiers]
            mean_b = sum(distances) / len(distances)
            return mean_where_colour(mean_b.reshape([-1, 1, 1]), batch, self.gray_threshold)

    def distance(
        self, classifier: nn.Layer, recolored_b3hw: paddle.Tensor, original_b3hw: paddle.Tensor, batch: Batch
    ) -> paddle.Tensor:
        """Return how far its answer is from the right one, of each photograph, (B,)."""
        raise NotImplementedError

    def _changed(self, ab_b2hw: paddle.Tensor, rng: np.random.Generator) -> paddle.Tensor:
        if self.keep_mean_color:
            mean_b2 = ab_b2hw.mean(axis=[2, 3], keepdim=True)
            ab_b2hw = ab_b2hw - (mean_b2 - mean_b2.detach())
        size = ab_b2hw.shape[0]
        strength = rng.uniform(*self.strength, (size, 1, 1, 1)).astype(np.float32)
        tint = rng.normal(0.0, self.tint, (size, 2, 1, 1)).astype(np.float32)
        return ab_b2hw * paddle.to_tensor(strength) + paddle.to_tensor(tint)

    def _window(self, height: int, width: int, rng: np.random.Generator) -> tuple[tuple[slice, ...], bool]:
        share = rng.uniform(self.crop, 1.0)
        rows, columns = (max(1, round(side * share)) for side in (height, width))
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        flip = self.mirror and rng.random() < 0.5
        return np.s_[:, :, top : top + rows, left : left + columns], bool(flip)


class AnswerAgreement(ThroughClassifier):
    """Cross-entropy of a classifier's answer on the recoloured photograph with its answer on the original.

    -sum_k p_k log q_k with p = softmax(z / T) of the original's logits and q that of the recoloured ones; T is
    `temperature`. For the original itself it is the entropy of p, below which no colours bring it; above that, it is
    the Kullback-Leibler divergence. It needs no labels.

    Liu et al., *Transferable Recognition-Aware Image Processing* (2019), teach restoration so.
    """

    @checked
    def __init__(
        self,
        classifiers: dict[str, Any],
        temperature: Positive = 1.0,
        strength: tuple[NotNegative, NotNegative] = (0.5, 1.5),
        tint: NotNegative = 7.0,
        crop: Share = 0.8,
        mirror: bool = True,
        keep_mean_color: bool = False,
        seed: Annotated[int, Field(ge=0)] = 0,
        gray_threshold: NotNegative | None = None,
        annealed_mean: Temperature | None = None,
    ) -> None:
        super().__init__(
            classifiers, strength, tint, crop, mirror, keep_mean_color, seed, gray_threshold, annealed_mean
        )
        self.temperature = temperature

    def distance(
        self, classifier: nn.Layer, recolored_b3hw: paddle.Tensor, original_b3hw: paddle.Tensor, batch: Batch
    ) -> paddle.Tensor:
        """See ThroughClassifier."""
        with paddle.no_grad():
            p = functional.softmax(classifier(original_b3hw)[0] / self.temperature)
        q = functional.log_softmax(classifier(recolored_b3hw)[0] / self.temperature)
        return -(p * q).sum(axis=1)


class Recognition(ThroughClassifier):
    """Cross-entropy of the true class, where photographs have one: -log q_y of a classifier's answer q.

    Photographs without a class count 0. Liu et al. (2019), as above, with labels.
    """

    needs = frozenset({"labels"})

    def prepare(self, **resources: Any) -> None:
        """Receive ``labels``, the ImageNet class of each photograph that has one, by name."""
        super().prepare(**resources)
        labels: Mapping[str, int] = resources["labels"]
        if not labels:
            raise UserError(
                "the recognition loss needs photographs with an ImageNet class, and none of these has one: "
                "use loss=agreement, which needs no labels"
            )
        strange = next((name for name, label in labels.items() if not 0 <= label < CLASSES), None)
        if strange is not None:
            raise UserError(f"photograph '{strange}' has the class {labels[strange]}: ImageNet's are 0..{CLASSES - 1}")
        self._labels = dict(labels)

    def distance(
        self, classifier: nn.Layer, recolored_b3hw: paddle.Tensor, original_b3hw: paddle.Tensor, batch: Batch
    ) -> paddle.Tensor:
        """See ThroughClassifier."""
        q = functional.log_softmax(classifier(recolored_b3hw)[0])
        labels = [self._labels.get(name) for name in batch.names]
        right = np.zeros(q.shape, np.float32)
        for row, label in enumerate(labels):
            if label is not None:
                right[row, label] = 1.0
        return -(paddle.to_tensor(right) * q).sum(axis=1)
