"""Baselines of colour: what no network is needed for, measured as a network is. A colorizer worth its name beats them.

What judges say of them is in `oldrestore.evaluation.baselines_judged`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.agreement import divergences
from oldrestore.evaluation.baseline_scores import BaselineScore
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.metric_table import metric_of
from oldrestore.evaluation.prediction import Colorize, ColorPrediction
from oldrestore.evaluation.reference_colors import GRAY, OF_ORIGINAL, TINTS, Color, Coloring, recolored
from oldrestore.evaluation.scores import ImageScore
from oldrestore.evaluation.validation import MeasuredPhoto, measure_photos, summarize_validation

JUDGED = "iter_probability"
"""The measure by which a judge's tint is chosen."""

Judges = Mapping[str, Judge]
"""Judges by the name of the set that their scores are of: ``judged``, ``agreement``, ``squeezenet``, ..."""
Tints = Mapping[tuple[str, str], Color]
"""The best tint by each measure, by its set and name: ``("val", "psnr")``."""


def best_tints(
    photos: Sequence[np.ndarray],
    prior: np.ndarray | None,
    judged: Judges,
    agreeing: Judges,
    watch: Callable[[Iterable, str, int], Iterator] = lambda items, what, total: iter(items),
) -> dict[tuple[str, str], Color]:
    """Choose of `TINTS` the best by each validation metric that has a direction, and by each judge.

    Photographs, uint8 (S, S, 3), are others than those that are scored. They need no labels: a `judged` set has the
    tint under which its judge gives the class that it sees in the original, on average, the highest probability; an
    `agreeing` one has a tint for each measure of `oldrestore.evaluation.agreement`.
    """
    named = [(str(number), rgb) for number, rgb in enumerate(photos)]
    labs = [rgb_to_lab(rgb) for rgb in photos]
    judges = {judge.fingerprint: judge for judge in (*judged.values(), *agreeing.values())}
    truths = {key: judge.answers(photos) for key, judge in judges.items()}
    values: dict[tuple[str, str], list[float]] = {}
    for tint in watch(TINTS, "constant tints", len(TINTS)):
        summary = summarize_validation(measure_photos(colorizer(tint, named), named), prior).summary
        found = {("val", name): value for name, value in summary.items()}
        tinted = [recolored(lab, tint) for lab in labs]
        said = {key: judge.answers(tinted) for key, judge in judges.items()}
        for set_name, judge in judged.items():
            seen = truths[judge.fingerprint].probabilities.argmax(axis=1)
            probabilities = said[judge.fingerprint].probabilities
            found[set_name, JUDGED] = float(probabilities[np.arange(len(labs)), seen].mean())
        for set_name, judge in agreeing.items():
            measured = divergences(truths[judge.fingerprint], said[judge.fingerprint])
            found |= {(set_name, name): float(scores.mean()) for name, scores in measured.items()}
        for key, value in found.items():
            values.setdefault(key, []).append(value)
    best = {"max": np.argmax, "min": np.argmin}
    ways = {key: metric_of(*key).better.way for key in values}
    return {key: TINTS[best[ways[key]](found)] for key, found in values.items() if ways[key] is not None}


def colorings(mean: Color | None, tint: Color | None) -> dict[str, Coloring]:
    """Return each baseline's colouring by its name, in the order of tables, without a colour that is not known."""
    constants = {"gray": GRAY, "mean": mean, "tint": tint}
    known = {name: color for name, color in constants.items() if color is not None}
    return known | {name: name for name in OF_ORIGINAL}


def row(baseline: str, coloring: Coloring, set_name: str, score: ImageScore) -> BaselineScore:
    """Return a row of ``baselines.csv``; `a` and `b` are empty unless the colour is one for the whole photograph."""
    return BaselineScore(baseline, set_name, *score, *((None, None) if isinstance(coloring, str) else coloring))


def score_colors(
    photos: Iterable[tuple[str, np.ndarray]], mean: Color | None, tints: Tints, prior: np.ndarray | None
) -> Iterator[BaselineScore]:
    """Yield what every baseline scores on validation photographs, uint8 (H, W, 3); of the tints each metric's own."""
    own = {metric: color for (set_name, metric), color in tints.items() if set_name == "val"}
    whole = colorings(mean, None)
    # Which metrics are wanted of each colouring; None: all of them.
    wanted: dict[Coloring, set[str] | None] = dict.fromkeys(whole.values())
    for metric, color in own.items():
        if wanted.setdefault(color, set()) is not None:
            wanted[color].add(metric)
    measured: dict[Coloring, list[MeasuredPhoto]] = {coloring: [] for coloring in wanted}
    for batch in batches(photos, 8):
        for coloring, parts in measured.items():
            parts += measure_photos(colorizer(coloring, batch), batch, len(batch), wanted[coloring])
    scores = {coloring: summarize_validation(parts, prior).per_image for coloring, parts in measured.items()}
    for baseline, coloring in whole.items():
        for score in scores[coloring]:
            yield row(baseline, coloring, "val", score)
    for metric, color in own.items():
        for score in scores[color]:
            if score.metric == metric:
                yield row("tint", color, "val", score)


def colorizer(coloring: Coloring, photos: Sequence[tuple[str, np.ndarray]]) -> Colorize:
    """Return a colorizer that gives photographs (name, uint8 (H, W, 3)), in their order, the colours of a colouring."""
    if isinstance(coloring, str):
        return lambda _: [ColorPrediction(OF_ORIGINAL[coloring](rgb_to_lab(rgb)[..., 1:])) for _, rgb in photos]
    ab = np.float32(coloring)
    return lambda lightness: [ColorPrediction(np.broadcast_to(ab, (*L.shape, 2))) for L in lightness]
