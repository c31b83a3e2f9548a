"""What a judge says of originals and of gray photographs, asked once per process: it stays while a run trains."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from oldrestore.evaluation.judge import Answers, Judge
from oldrestore.evaluation.prediction import recolor

# (judge's fingerprint, whether with features, photograph's hash) -> (original's, gray's answers, one photograph each)
_remembered: dict[tuple[str, bool, bytes], tuple[Answers, Answers]] = {}


def answers_on_originals(
    judge: Judge, originals: Sequence[np.ndarray], labs: Sequence[np.ndarray], features: bool = False
) -> tuple[Answers, Answers]:
    """Return a judge's answers on photographs, uint8 (H, W, 3), and on their lightness alone.

    `labs` are the photographs in Lab, float32 (H, W, 3). Features are left out unless asked for: they are long.
    """
    keys = [(judge.fingerprint, features, _content_hash(photo)) for photo in originals]
    new = {key: position for position, key in enumerate(keys) if key not in _remembered}
    if new:
        positions = list(new.values())
        grays = [recolor(labs[i][..., 0], np.zeros_like(labs[i][..., 1:])) for i in positions]
        ask = judge.answers if features else lambda photos: Answers(judge.probabilities(photos), None)
        versions = [_rows(ask(photos)) for photos in ([originals[i] for i in positions], grays)]
        _remembered.update(zip(new, zip(*versions, strict=True), strict=True))
    return tuple(_stacked([_remembered[key][version] for key in keys]) for version in range(2))


def _rows(answers: Answers) -> list[Answers]:
    features = [None] * len(answers.probabilities) if answers.features is None else answers.features
    return [Answers(p, f) for p, f in zip(answers.probabilities, features, strict=True)]


def _stacked(rows: Sequence[Answers]) -> Answers:
    features = None if rows[0].features is None else np.stack([row.features for row in rows])
    return Answers(np.stack([row.probabilities for row in rows]), features)


def _content_hash(photo: np.ndarray) -> bytes:
    digest = hashlib.blake2b(repr(photo.shape).encode(), digest_size=20)
    digest.update(np.ascontiguousarray(photo))
    return digest.digest()
