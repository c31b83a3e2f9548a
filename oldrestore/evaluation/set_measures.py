"""Measures of a whole set of colorized photographs: Frechet inception distance, colourfulness as DDColor reports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import paddle

from oldrestore.color.lab import rgb_to_lab
from oldrestore.config.values import checked
from oldrestore.errors import UserError
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext
from oldrestore.evaluation.metrics import colorfulness_of, opponents
from oldrestore.evaluation.prediction import recolor
from oldrestore.evaluation.scores import ImageScore, summarize
from oldrestore.models.engine import Engine
from oldrestore.models.inception_v3 import FEATURES, SIZE, InceptionV3, resized


@checked
@dataclass
class SetMeasures:
    """Frechet inception distance (FID), colourfulness (CF) and its distance from the originals' (delta CF).

    Kang et al., *DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders* (2023), report these beside
    PSNR. Recoloured photographs have the true lightness and are 8-bit sRGB, as the originals are, so FID compares like
    with like.

    CF here follows their released code, which takes absolute opponents |R - G| and |(R + G) / 2 - B| where Hasler and
    Suesstrunk (2003) and the measure ``colorfulness`` keep the sign: it is lower, and the two are never to be compared.
    Delta CF is the absolute difference of the two means over the set, not the mean of the differences of single
    photographs, which is larger.

    FID needs the weights of Inception v3: for `weights`, `pooling` and `input` see
    `oldrestore.models.inception_v3.InceptionV3`.

    References
    ----------
    Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium. 2017.
    """

    fid: bool = True
    weights: str | None = None
    pooling: Literal["auto", "tensorflow", "torchvision"] = "auto"
    input: Literal["standard", "ddcolor"] = "standard"
    every_time: bool = False

    def __post_init__(self) -> None:
        if self.fid and self.weights is None:
            raise UserError(
                "FID needs the weights of Inception v3, which are not shipped: name a file that you have by "
                "evaluation.evaluators.set.weights=FILE (pytorch-fid's pt_inception-2015-12-05-6726825d.pth), or leave "
                "FID out by evaluation.evaluators.set.fid=false"
            )
        self.network = InceptionV3(self.weights, self.pooling, self.input) if self.fid else None

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure; values are ``fid``, ``cf``, ``cf_original`` and ``delta_cf``."""
        engine = None
        ours, originals = FeatureStatistics(FEATURES), FeatureStatistics(FEATURES)
        scores: list[ImageScore] = []
        for batch in batches(context.watch(context.photos(), "set measures", context.count), context.batch_size):
            rgb = [photo for _, photo in batch]
            lightness = [np.ascontiguousarray(rgb_to_lab(photo)[..., 0]) for photo in rgb]
            predicted = context.colorize(lightness)
            recolored = [recolor(L, p.ab_hw2) for L, p in zip(lightness, predicted, strict=True)]
            for (name, photo), colored in zip(batch, recolored, strict=True):
                scores.append(ImageScore(name, "cf", absolute_colorfulness(colored)))
                scores.append(ImageScore(name, "cf_original", absolute_colorfulness(photo)))
            if self.network is not None:
                engine = engine or Engine(self.network, SIZE)
                originals.add(engine(as_input(rgb)))
                ours.add(engine(as_input(recolored)))
        means = summarize(scores)
        values = {**means, "delta_cf": abs(means["cf"] - means["cf_original"])}
        notes = []
        if self.network is not None:
            if ours.n < 2:
                raise UserError("FID needs at least two photographs")
            distance = frechet_distance(ours.mean, ours.covariance, originals.mean, originals.covariance)
            values = {"fid": distance, **values}
            if ours.n <= FEATURES:
                notes.append(
                    f"FID is of {ours.n} photographs, not more than its {FEATURES} features: it is biased upwards, and "
                    "may be compared with FID of the same photographs alone"
                )
        return Evaluated(values, scores, notes=notes)


def absolute_colorfulness(rgb: np.ndarray) -> float:
    """Colourfulness of (H, W, 3), 0..255, with absolute opponents, as DDColor's code computes it; see `SetMeasures`."""
    red_green, yellow_blue = opponents(rgb)
    return colorfulness_of(np.abs(red_green), np.abs(yellow_blue))


class FeatureStatistics:
    """Mean and covariance of features that come in batches; nothing but the two is kept.

    Batches are joined by the update of Chan, Golub and LeVeque (1983), in float64: the result does not depend on how
    they were cut, to rounding, and does not suffer where the mean is large beside the spread.
    """

    def __init__(self, features: int) -> None:
        self.n = 0
        self.mean = np.zeros(features)
        self._scatter = np.zeros((features, features))

    def add(self, features_nf: np.ndarray) -> None:
        """Add a batch, (N, features)."""
        batch = np.asarray(features_nf, dtype=np.float64)
        if batch.ndim != 2 or batch.shape[1] != self.mean.size:
            raise ValueError(f"features of shape {batch.shape} are not (N, {self.mean.size})")
        if not np.isfinite(batch).all():
            raise ValueError("a feature is not finite")
        count = len(batch)
        if count == 0:
            return
        batch_mean = batch.mean(axis=0)
        centred = batch - batch_mean
        shift = batch_mean - self.mean
        total = self.n + count
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.n * count / total)
        self.mean = self.mean + shift * (count / total)
        self.n = total

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance, float64 (features, features); needs two photographs."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least two photographs, not {self.n}")
        return self._scatter / (self.n - 1)


def frechet_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """Squared Frechet distance between two normal distributions (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)). The last trace is the sum of the singular values of
    C1^(1/2) C2^(1/2), both roots by eigenvalues: no square root of a matrix that is not symmetric is taken, singular
    covariances (fewer photographs than features) need no term added to their diagonal, and nothing can be complex.
    """
    if mean.shape != other_mean.shape or covariance.shape != other_covariance.shape:
        raise ValueError(f"statistics of {mean.shape} and {other_mean.shape} features cannot be compared")
    roots = root(covariance) @ root(other_covariance)
    cross = float(np.linalg.svd(roots, compute_uv=False).sum())
    apart = float(((mean - other_mean) ** 2).sum())
    # Where the two are equal, rounding may end a little below 0.
    return max(0.0, apart + float(np.trace(covariance)) + float(np.trace(other_covariance)) - 2 * cross)


def root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root of a covariance; eigenvalues below 0, which are rounding, count as 0."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def as_input(photos: list[np.ndarray]) -> np.ndarray:
    """Photographs in 0..1 at the network's size: the fast engine has no bilinear resizing of its own."""
    stacked = np.ascontiguousarray(np.stack(photos).transpose(0, 3, 1, 2), dtype=np.float32)
    return resized(paddle.to_tensor(stacked / np.float32(255))).numpy()
