"""The metric that decides which weights of a run are the best."""

from __future__ import annotations

import numpy as np
import paddle
from omegaconf import DictConfig

from oldrestore.data.loading.loader import evaluation_photos
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy_table import VERSIONS
from oldrestore.evaluation.metric_table import OF_VALIDATION
from oldrestore.run.components import Components
from oldrestore.run.streams import VALIDATION_STREAM


def check_monitor(config: DictConfig, components: Components) -> None:
    """Refuse a metric to choose the best weights by that this run will not measure.

    Raises
    ------
    UserError
        Naming those that it will.
    """
    photo, rgb = next(evaluation_photos(components.validation, components.source.crops))
    rng = np.random.default_rng([VALIDATION_STREAM, 0])
    batch = components.inputs(paddle.to_tensor(rgb[None]), [photo.name], rng)
    with components.learner.evaluation_weights():
        measured = [f"val/{name}" for name in components.learner.evaluate(batch)]
    if config.evaluation.color:
        there = components.network.predicts
        measured += [metric.key for metric in OF_VALIDATION if metric.needs is None or metric.needs in there]
        if components.judged is not None and config.evaluation.judge_during_training:
            measured += [f"judged/{version}_{what}" for version in VERSIONS for what in ("accuracy", "probability")]
    own = list(config.evaluation.evaluators)
    monitor = config.trainer.monitor
    if monitor not in measured and monitor.partition("/")[0] not in own:
        more = "".join(f", {name}/..." for name in own)
        raise UserError(f"trainer.monitor='{monitor}' is not measured here: choose one of {', '.join(measured)}{more}")
