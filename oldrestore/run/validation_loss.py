"""The training loss on photographs that are not trained on."""

from __future__ import annotations

import numpy as np
import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.data.loading.loader import evaluation_photos
from oldrestore.evaluation.batching import batches, shared
from oldrestore.run.components import Components
from oldrestore.run.streams import VALIDATION_STREAM
from oldrestore.scoring.scoring import own_photos


def validation_loss(components: Components, config: DictConfig) -> dict[str, float]:
    """Mean of the training loss and its terms over the validation photographs, weighted by batch size.

    Of several processes that train together each takes a part, and all of them must call it.
    """
    totals: dict[str, float] = {}
    size = config.evaluation.batch_size

    def measure() -> list[tuple[int, dict[str, float]]]:
        found = []
        own = own_photos(components.validation, size)
        photos = evaluation_photos(own, components.source.crops)
        for turn, chunk in enumerate(batches(photos, size)):
            rgb_bhw3 = paddle.to_tensor(np.stack([rgb for _, rgb in chunk]))
            # The batch's number among those of all processes.
            rng = np.random.default_rng([VALIDATION_STREAM, turn * parallel.size() + parallel.rank()])
            batch = components.inputs(rgb_bhw3, [photo.name for photo, _ in chunk], rng)
            values = components.learner.evaluate(batch)
            found.append((len(chunk), {name: float(value) for name, value in values.items()}))
        return found

    for count, values in shared(measure, 1):
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + value * count
    return {name: total / len(components.validation.photos) for name, total in totals.items()}
