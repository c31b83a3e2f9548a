"""Baselines: what no network is needed for, measured as a network is. A colorizer worth its name beats them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.accuracy import judge_photos
from oldrestore.evaluation.accuracy_table import JudgedPhoto
from oldrestore.evaluation.agreement import divergences
from oldrestore.evaluation.baseline_scores import BaselineScore
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.floor_answers import answers_on_originals
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.metric_table import OF_VALIDATION, metric_of
from oldrestore.evaluation.prediction import Colorize, ColorPrediction, recolor
from oldrestore.evaluation.validation import MeasuredPhoto, measure_photos, summarize_validation

# The tints that are tried, Lab units, gray among them: most photographs lean a little to yellow and red.
TINTS = tuple((a, b) for a in (-8.0, -4.0, 0.0, 4.0, 8.0) for b in (-12.0, -6.0, 0.0, 6.0, 12.0, 18.0))
GRAY = (0.0, 0.0)
MEASURED = frozenset(metric.name for metric in OF_VALIDATION)
JUDGED = "judged"  # the key of the tint that a judge likes best

Color = tuple[float, float]
Photos = Callable[[], Iterable[tuple[str, np.ndarray]]]  # (name, uint8 (H, W, 3)), anew at each call


def constant(color: Color) -> Colorize:
    """Return a colorizer that gives every pixel of every photograph the same ab."""
    ab = np.float32(color)
    return lambda lightness: [ColorPrediction(np.broadcast_to(ab, (*L.shape, 2))) for L in lightness]


def mean_color(photos: Iterable[np.ndarray]) -> Color:
    """Mean ab over photographs, uint8 (H, W, 3), each of which counts the same."""
    means = np.array([rgb_to_lab(rgb)[..., 1:].mean(axis=(0, 1), dtype=np.float64) for rgb in photos])
    a, b = means.mean(axis=0)
    return float(a), float(b)


def best_tints(
    photos: Sequence[np.ndarray],
    judge: Judge | None,
    prior: np.ndarray | None,
    watch: Callable[[Iterable, str, int], Iterator] = lambda items, what, total: iter(items),
) -> dict[str, Color]:
    """Choose of `TINTS` the best by each validation metric that has a direction, and by a judge if there is one.

    Photographs, uint8 (S, S, 3), are others than those that are scored. They need no labels: `JUDGED` is the tint
    under which the judge gives the class that it sees in the original, on average, the highest probability;
    ``agreement/METRIC`` are the best by what `oldrestore.evaluation.agreement` measures.
    """
    named = [(str(number), rgb) for number, rgb in enumerate(photos)]
    labs = [rgb_to_lab(rgb) for rgb in photos]
    truth = None if judge is None else judge.answers(photos)
    values: dict[str, list[float]] = {}
    for tint in watch(TINTS, "constant tints", len(TINTS)):
        found = dict(summarize_validation(measure_photos(constant(tint), named), prior).summary)
        if judge is not None:
            said = judge.answers([in_one_color(lab, tint) for lab in labs])
            found[JUDGED] = float(said.probabilities[np.arange(len(labs)), truth.probabilities.argmax(axis=1)].mean())
            found |= {f"agreement/{name}": float(values.mean()) for name, values in divergences(truth, said).items()}
        for name, value in found.items():
            values.setdefault(name, []).append(value)
    ways = {metric.name: metric.better.way for metric in OF_VALIDATION} | {JUDGED: "max"}
    ways |= {name: metric_of(*name.split("/")).better.way for name in values if "/" in name}
    best = {"max": np.argmax, "min": np.argmin}
    return {name: TINTS[best[ways[name]](found)] for name, found in values.items() if ways[name] is not None}


def score_colors(
    photos: Photos, mean: Color | None, tints: Mapping[str, Color], prior: np.ndarray | None
) -> Iterator[BaselineScore]:
    """Yield the validation scores of every baseline; of the tints each metric's own alone."""
    # Which metrics are wanted of which colour; of None, the original's own, and of None for the metrics, all.
    wanted: dict[Color | None, set[str] | None] = {GRAY: None, None: None, **({} if mean is None else {mean: None})}
    own = {metric: color for metric, color in tints.items() if metric in MEASURED}
    for metric, color in own.items():
        if wanted.setdefault(color, set()) is not None:
            wanted[color].add(metric)
    measured: dict[Color | None, list[MeasuredPhoto]] = {color: [] for color in wanted}
    for batch in batches(photos(), 8):
        for color, parts in measured.items():
            colorize = _true_colors(batch) if color is None else constant(color)
            parts += measure_photos(colorize, batch, len(batch), wanted[color])
    scores = {color: summarize_validation(parts, prior).per_image for color, parts in measured.items()}

    def rows(baseline: str, color: Color | None, only: str | None = None) -> Iterator[BaselineScore]:
        for score in scores[color]:
            if only in (None, score.metric):
                yield BaselineScore(baseline, "val", *score, *(color or (None, None)))

    yield from rows("gray", GRAY)
    if mean is not None:
        yield from rows("mean", mean)
    for metric, color in own.items():
        yield from rows("tint", color, metric)
    yield from rows("original", None)


def score_judged(
    photos: Callable[[], Iterable[tuple[str, np.ndarray, tuple[int, ...]]]],
    judge: Judge,
    mean: Color | None,
    tints: Mapping[str, Color],
    batch_size: int,
) -> Iterator[BaselineScore]:
    """Yield what a judge says of labelled photographs as each baseline has them: ``iter_correct`` and so on."""

    def rows(baseline: str, photo: JudgedPhoto, color: Color | None) -> Iterator[BaselineScore]:
        for name in ("correct", "probability", "top1"):
            scored = (photo.image, f"iter_{name}", float(getattr(photo, name)), 1.0)
            yield BaselineScore(baseline, "judged", *scored, *(color or (None, None)))

    constants = {"mean": mean, "tint": tints.get(JUDGED)}
    others = {baseline: color for baseline, color in constants.items() if color is not None}
    for turn, (baseline, color) in enumerate((others or {"gray": GRAY}).items()):
        for ours, original, gray in judge_photos(constant(color), photos(), judge, batch_size):
            if others:
                yield from rows(baseline, ours, color)
            if turn == 0:
                yield from rows("original", original, None)
                yield from rows("gray", gray, GRAY)


def score_agreement(
    photos: Photos, judge: Judge, mean: Color | None, tints: Mapping[str, Color], batch_size: int
) -> Iterator[BaselineScore]:
    """Yield how far the judge's answers on photographs as each baseline has them are from those on the originals."""
    own = {name.removeprefix("agreement/"): color for name, color in tints.items() if name.startswith("agreement/")}
    for batch in batches(photos(), batch_size):
        labs = [rgb_to_lab(rgb) for _, rgb in batch]
        truth, gray = answers_on_originals(judge, [rgb for _, rgb in batch], labs, features=True)
        for baseline, answers, color in (("gray", gray, GRAY), ("original", truth, (None, None))):
            for metric, values in divergences(truth, answers).items():
                for (image, _), value in zip(batch, values, strict=True):
                    yield BaselineScore(baseline, "agreement", image, metric, float(value), 1.0, *color)
        for color in dict.fromkeys([*([] if mean is None else [mean]), *own.values()]):
            measured = divergences(truth, judge.answers([in_one_color(lab, color) for lab in labs]))
            for metric, values in measured.items():
                for baseline, chosen in (("mean", mean), ("tint", own.get(metric))):
                    if chosen == color:
                        for (image, _), value in zip(batch, values, strict=True):
                            yield BaselineScore(baseline, "agreement", image, metric, float(value), 1.0, *color)


def in_one_color(lab: np.ndarray, color: Color) -> np.ndarray:
    """The lightness of a photograph, Lab (H, W, 3), in one colour: uint8 sRGB (H, W, 3)."""
    return recolor(lab[..., 0], np.broadcast_to(np.float32(color), lab[..., 1:].shape))


def _true_colors(batch: Sequence[tuple[str, np.ndarray]]) -> Colorize:
    """Return a colorizer that gives the photographs of a batch, in their order, their own colours."""
    return lambda lightness: [ColorPrediction(rgb_to_lab(rgb)[..., 1:]) for _, rgb in batch]
