"""The accuracy table: does a pretrained classifier recognise photographs recoloured by the model?

Zhang, Isola and Efros (2016), section 3.2, call this semantic interpretability: colours that help an
off-the-shelf classifier are colours of the right things.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from oldrestore.color.lab import rgb_to_lab
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy_table import VERSIONS, AccuracyTable, JudgedPhoto, accuracy_row
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.floor_answers import answers_on_originals
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.prediction import Colorize, recolor

Classes = int | Sequence[int] | None
"""The true class of a photograph, or several that count as right."""


def judge_photos(
    colorize: Colorize, photos: Iterable[tuple[str, np.ndarray, Classes]], judge: Judge, batch_size: int = 16
) -> list[list[JudgedPhoto]]:
    """Judge each photograph three times: recoloured (iter), unmodified (orig) and without chroma (gray).

    Recoloured is the true lightness with the predicted ab; gray is the true lightness with ab = 0. All three
    are 8-bit sRGB at the photograph's full size and reach the judge on the same path, so that a perfect
    colorizer has the accuracy of the originals and one that predicts nothing has that of gray, exactly.

    Photographs (name, uint8 (H, W, 3), class or classes) are judged in the order given, which is the table's order:
    the rows before the last depend on it. Give the same order in runs that are compared. The result is one
    `JudgedPhoto` for each of `VERSIONS`, for each photograph, and does not depend on the batch size.
    """
    judged: list[list[JudgedPhoto]] = []
    for batch in batches((_with_label(*photo) for photo in photos), batch_size):
        originals = [photo for _, photo, _ in batch]
        labs = [rgb_to_lab(photo) for photo in originals]
        predictions = colorize([np.ascontiguousarray(lab[..., 0]) for lab in labs])
        recolored = [recolor(lab[..., 0], prediction.ab_hw2) for lab, prediction in zip(labs, predictions, strict=True)]
        ours = judge.probabilities(recolored)
        orig, gray = (answers.probabilities for answers in answers_on_originals(judge, originals, labs))
        for (name, _, classes), *said in zip(batch, ours, orig, gray, strict=True):
            judged.append([judged_as(name, v, classes, p) for v, p in zip(VERSIONS, said, strict=True)])
    return judged


def judged_as(name: str, version: str, classes: Sequence[int], p_c: np.ndarray) -> JudgedPhoto:
    """Say what probabilities of a judge, (1000,), are worth for a photograph of one class or several."""
    label, *also = classes
    if (highest := max(classes)) >= len(p_c):
        raise _no_such_class(name, highest, len(p_c))
    return JudgedPhoto(name, version, label, int(p_c.argmax()), float(p_c[list(classes)].sum()), tuple(also))


def accuracy_table(judge: Judge, photos: Sequence[Sequence[JudgedPhoto]], every: int) -> AccuracyTable:
    """Build the table of photographs in the order given: a row for each `every` of them, and one at the end."""
    if every < 1:
        raise UserError(f"evaluation.every must be at least 1 photograph, not {every}")
    judged = [version for photo in photos for version in photo]
    n = len(photos)
    if n == 0:
        raise UserError("there are no photographs to judge: the set is empty")
    ends = sorted({*range(every, n + 1, every), n})
    return AccuracyTable(judge.name, [accuracy_row(judged, end) for end in ends], judged)


def _with_label(name: str, photo: np.ndarray, classes: Classes) -> tuple[str, np.ndarray, tuple[int, ...]]:
    if classes is None:
        raise UserError(f"photograph '{name}' has no label: the judge needs ImageNet classes, as labelled_photos has")
    several = (classes,) if isinstance(classes, int | np.integer) else tuple(classes)
    if min(several) < 0:
        raise _no_such_class(name, min(several), 1000)
    return name, photo, several


def _no_such_class(name: str, label: int, classes: int) -> UserError:
    return UserError(f"photograph '{name}' has the label {label}: the judge's are 0..{classes - 1}")
