"""The steps of a run, from any iteration: its photographs, its random numbers and its loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.data.loading.loader import training_loader
from oldrestore.narrator import Narrator
from oldrestore.run.components import Components
from oldrestore.run.streams import seed_step, training_batch
from oldrestore.training.interruption import Interruption
from oldrestore.training.loop import LoopSettings, ScalarLog, run_loop


def nothing(*arguments: Any) -> None:
    """Neither validate nor save."""


def batch_at(
    config: DictConfig, components: Components, rgb_bhw3: paddle.Tensor, names: tuple[str, ...], position: int
) -> Batch:
    """Build the batch at a position of the training."""
    repeated = config.trainer.get("overfit_batches")
    position = position % repeated if repeated else position
    return training_batch(components.inputs, rgb_bhw3, names, config.seed, position)


def take_steps(
    config: DictConfig,
    components: Components,
    log: ScalarLog,
    narrator: Narrator,
    interruption: Interruption,
    evaluate: Callable[[int], None] = nothing,
    save: Callable[[int, bool, bool], None] = nothing,
    start: int = 0,
    end: int | None = None,
    make_batch: Callable[[paddle.Tensor, tuple[str, ...], int], Batch] | None = None,
    learner: Any = None,
    evaluate_first: bool = False,
    window: Sequence[float] = (),
) -> int:
    """Train from iteration `start` to `end` (by default that of the run) and return the number of updates in all.

    A step depends on the configuration, the weights and its iteration alone, so that it can be repeated. `learner`
    replaces that of the components, `make_batch` is by default `batch_at`; for the others see `run_loop`.
    """
    trainer = config.trainer
    settings = LoopSettings(**{field.name: trainer.get(field.name, field.default) for field in fields(LoopSettings)})
    settings = replace(settings, max_iterations=end or settings.max_iterations)
    learner = learner or components.learner
    photographs = training_loader(
        components.train,
        components.source.crops,
        batch_size=trainer.batch_size,
        seed=config.seed,
        iterations=settings.max_iterations * learner.accumulate,
        start=start * learner.accumulate,
        workers=trainer.workers,
        cache_mib=trainer.cache_mib / parallel.launched_here(),
        part=parallel.own_part(trainer.batch_size),
        repeated=trainer.get("overfit_batches"),
    )

    return run_loop(
        learner,
        photographs,
        make_batch or partial(batch_at, config, components),
        settings,
        log=log,
        narrator=narrator,
        evaluate=evaluate,
        save=save,
        interruption=interruption,
        start=start,
        evaluate_first=evaluate_first,
        window=window,
        before_step=lambda iteration: seed_step(config.seed, iteration, parallel.rank()),
    )
