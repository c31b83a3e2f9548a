"""Agreement: does the judge say of a recoloured photograph what it says of the original? It needs no labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext
from oldrestore.evaluation.floor_answers import answers_on_originals
from oldrestore.evaluation.judge import Answers, Judge
from oldrestore.evaluation.prediction import recolor
from oldrestore.evaluation.scores import ImageScore, summarize
from oldrestore.tables import percent, plain_table

if TYPE_CHECKING:
    from rich.table import Table

# Probabilities below this count as this much: float32 gives some classes exactly 0.
LEAST = 1e-12
TOP = 5


@dataclass
class Agreement:
    """How far the judge's answer on a recoloured photograph is from its answer on the original.

    Of each photograph: ``kl``, the Kullback-Leibler divergence sum p log(p / q) of its answer on the original p from
    that on the recoloured one q (nats); ``js``, that of Jensen and Shannon, at most log 2; ``feature_distance``, the
    cosine distance of the judge's last features, 0..2; ``top1``, 1 if the likeliest class is the original's; ``top5``,
    1 if the original's likeliest class is among the five likeliest. Each also for the gray photograph (``gray_kl`` and
    so on), which is the floor: an original has 0, 0, 0, 1 and 1. ``kl_closed`` is the share of gray's divergence that
    the colours take away, 1 - kl / gray_kl.

    All versions are 8-bit sRGB, as large as validation measures them, and reach the judge on the same path.

    References
    ----------
    Lin. Divergence Measures Based on the Shannon Entropy. IEEE Transactions on Information Theory, 1991.
    """

    judge: Judge
    every_time: bool = True

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure every validation photograph."""
        scores: list[ImageScore] = []
        judge = self.judge
        watched = context.watch(context.photos(), f"agreement by {judge.name}", context.count)
        for batch in batches(watched, context.batch_size):
            originals = [rgb for _, rgb in batch]
            labs = [rgb_to_lab(rgb) for rgb in originals]
            predictions = context.colorize([np.ascontiguousarray(lab[..., 0]) for lab in labs])
            colored = [recolor(lab[..., 0], said.ab_hw2) for lab, said in zip(labs, predictions, strict=True)]
            truth, gray = answers_on_originals(judge, originals, labs, features=True)
            measured = divergences(truth, judge.answers(colored))
            measured |= {f"gray_{metric}": values for metric, values in divergences(truth, gray).items()}
            scores += [
                ImageScore(name, metric, float(values[index]))
                for index, (name, _) in enumerate(batch)
                for metric, values in measured.items()
            ]
        values = summarize(scores)
        if values["gray_kl"]:
            values["kl_closed"] = 1 - values["kl"] / values["gray_kl"]
        return Evaluated(values, scores, table=render(values, judge.name, context.count))


def divergences(truth: Answers, other: Answers) -> dict[str, np.ndarray]:
    """Compare a judge's answers on N originals with those on other versions of them: float64 (N,) for each measure."""
    p, q = (answers.probabilities.astype(np.float64) for answers in (truth, other))
    mean = (p + q) / 2
    answer = p.argmax(axis=1)
    likelier = (q > np.take_along_axis(q, answer[:, None], axis=1)).sum(axis=1)
    measured = {
        "kl": _kl(p, q),
        "js": (_kl(p, mean) + _kl(q, mean)) / 2,
        "top1": (q.argmax(axis=1) == answer).astype(np.float64),
        "top5": (likelier < TOP).astype(np.float64),
    }
    if truth.features is not None and other.features is not None:
        f, g = (answers.features.astype(np.float64) for answers in (truth, other))
        lengths = np.linalg.norm(f, axis=1) * np.linalg.norm(g, axis=1)
        measured["feature_distance"] = 1 - np.divide((f * g).sum(axis=1), lengths, where=lengths > 0, out=lengths * 0)
    return measured


def render(values: Mapping[str, float], judge: str, n: int) -> Table:
    """Lay out means over photographs for the terminal: recoloured beside gray."""
    table = plain_table(
        f"what the judge {judge} says beside what it says of the original, n = {n}",
        "KL, JS: divergence of its answers (nats); features: their cosine distance\ntop-1, top-5: how often they agree",
        texts=("",),
        numbers=("KL", "JS", "features", "top-1", "top-5"),
    )
    for row, prefix in (("recoloured", ""), ("gray", "gray_")):
        distances = (values.get(f"{prefix}{name}") for name in ("kl", "js", "feature_distance"))
        table.add_row(
            row,
            *("" if value is None else f"{value:.3f}" for value in distances),
            *(percent(values[f"{prefix}{name}"]) for name in ("top1", "top5")),
        )
    return table


def _kl(p_nc: np.ndarray, q_nc: np.ndarray) -> np.ndarray:
    p, q = (np.maximum(x, LEAST) for x in (p_nc, q_nc))
    return np.maximum((p * np.log(p / q)).sum(axis=1), 0.0)
