"""What judges say of baselines: which class, and how far their answers are from those on the originals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.accuracy import judged_as
from oldrestore.evaluation.agreement import divergences
from oldrestore.evaluation.baseline_scores import BaselineScore
from oldrestore.evaluation.baselines import JUDGED, Judges, Tints, colorings, row
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.floor_answers import answers_on_originals
from oldrestore.evaluation.judge import Answers, Judge
from oldrestore.evaluation.reference_colors import GRAY, Color, Coloring, recolored
from oldrestore.evaluation.scores import ImageScore

Ask = Callable[[Coloring], Answers]


def score_judged(
    photos: Iterable[tuple[str, np.ndarray, Sequence[int]]],
    judges: Judges,
    mean: Color | None,
    tints: Tints,
    batch_size: int,
) -> Iterator[BaselineScore]:
    """Yield what judges say of labelled photographs as each baseline has them: ``iter_correct`` and so on.

    Photographs are (name, uint8 (H, W, 3), classes that are right).
    """
    for batch in batches(photos, batch_size):
        for set_name, ask in _asked([rgb for _, rgb, _ in batch], judges, features=False):
            for baseline, coloring in colorings(mean, tints.get((set_name, JUDGED))).items():
                for (image, _, classes), p_c in zip(batch, ask(coloring).probabilities, strict=True):
                    said = judged_as(image, "iter", classes, p_c)
                    for name in ("correct", "probability", "top1"):
                        score = ImageScore(image, f"iter_{name}", float(getattr(said, name)))
                        yield row(baseline, coloring, set_name, score)


def score_agreement(
    photos: Iterable[tuple[str, np.ndarray]],
    judges: Judges,
    mean: Color | None,
    tints: Tints,
    batch_size: int,
) -> Iterator[BaselineScore]:
    """Yield how far judges' answers on photographs as each baseline has them are from those on the originals."""
    for batch in batches(photos, batch_size):
        for set_name, ask in _asked([rgb for _, rgb in batch], judges, features=True):
            measured = cache(lambda coloring, ask=ask: divergences(ask("original"), ask(coloring)))
            for metric in measured(GRAY):
                for baseline, coloring in colorings(mean, tints.get((set_name, metric))).items():
                    for (image, _), value in zip(batch, measured(coloring)[metric], strict=True):
                        yield row(baseline, coloring, set_name, ImageScore(image, metric, float(value)))


def _asked(originals: Sequence[np.ndarray], judges: Judges, features: bool) -> Iterator[tuple[str, Ask]]:
    """Yield of each set what its judge answers on photographs in a colouring: coloured once for all, and asked once."""
    labs = [rgb_to_lab(rgb) for rgb in originals]
    shown = cache(lambda coloring: [recolored(lab, coloring) for lab in labs])

    def asking(judge: Judge) -> Ask:
        truth, gray = answers_on_originals(judge, originals, labs, features)
        known = {"original": truth, GRAY: gray}
        return cache(lambda coloring: known.get(coloring) or judge.answers(shown(coloring)))

    for set_name, judge in judges.items():
        yield set_name, asking(judge)
