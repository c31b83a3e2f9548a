"""What a run measures when it validates: the loss, colour, the judge, and the protocol's own evaluators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.data.loading.loader import evaluation_photos
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy_table import VERSIONS
from oldrestore.evaluation.batching import batches, shared
from oldrestore.evaluation.metric_table import OF_VALIDATION
from oldrestore.files import write_atomically
from oldrestore.narrator import Narrator
from oldrestore.records.parsing import read_json
from oldrestore.records.run import read_baselines
from oldrestore.records.run_folder import RunFolder
from oldrestore.run.components import Components
from oldrestore.run.outcome import Outcome
from oldrestore.run.streams import VALIDATION_STREAM
from oldrestore.scoring.baselines import baselines_of, beside_baselines
from oldrestore.scoring.scoring import Scorer, judged_values, own_photos, record_evaluated, rows_of

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Validation:
    """Measures the network of a run, and records scores of single photographs, tables and panels.

    Several processes that train together each measure a part of the photographs, and all have the whole result.
    """

    config: DictConfig
    components: Components
    folder: RunFolder  # or what replaces it in processes that record nothing
    narrator: Narrator
    outcome: Outcome  # receives the tables to print at the end
    check: Callable[[], None]  # called between photographs; raises if the run is to stop

    @cached_property
    def scorer(self) -> Scorer:
        """What measures colour and judges."""
        c = self.components
        return Scorer(self.config, c.source, c.validation, c.judged, self.narrator, self.check, c.evaluators, c.prior)

    def measure(self, iteration: int) -> dict[str, float]:
        """Measure everything that is due at an iteration; returns ``val/psnr``, ``judged/iter_accuracy`` and so on."""
        last = iteration == self.config.trainer.max_iterations
        evaluation = self.config.evaluation
        values = {f"val/{name}": value for name, value in validation_loss(self.components, self.config).items()}
        if evaluation.color:
            values |= self._measure_color(iteration)
            if self.components.judged is not None and (last or evaluation.judge_during_training):
                values |= self._judge(iteration)
        # On one process: an evaluator sees the whole set, and none says how to share it.
        return values | parallel.by_first(lambda: self._run_evaluators(iteration, last))

    def _measure_color(self, iteration: int) -> dict[str, float]:
        network = self.components.network
        result = self.scorer.validate(network)
        self.folder.per_image(rows_of(result.per_image, iteration, "val"))

        def draw() -> None:
            panel = self.scorer.panel(network, title=f"{type(network).__name__}, {iteration} iterations")
            if panel is not None:
                self.folder.panel("validation", iteration, panel)

        parallel.by_first(draw)
        return {f"val/{name}": value for name, value in result.summary.items()}

    def _judge(self, iteration: int) -> dict[str, float]:
        table = self.outcome.table = self.scorer.judge(self.components.network)
        self.folder.accuracy(table.as_dicts(), iteration)
        self.folder.per_image(rows_of(table.per_image(), iteration, "judged"))
        return judged_values(table)

    def measure_baselines(self) -> list[Table]:
        """Write ``baselines.csv``, and return tables of the run's figures beside them."""
        path = self.folder.path / "baselines.csv"
        if not path.is_file():
            data = read_json(self.folder.path / "data.json")
            write_atomically(path, baselines_of(self.scorer, self.components.train, data))
        return beside_baselines(self.outcome.summary, read_baselines(path))

    def _run_evaluators(self, iteration: int, last: bool) -> dict[str, float]:
        results = self.scorer.further(self.components.network, self.components.inputs, at_end=last)
        tables = self.outcome.further_tables | {name: r.table for name, r in results.items() if r.table is not None}
        # In the protocol's order, whenever each was measured first.
        self.outcome.further_tables = {name: tables[name] for name in self.components.evaluators if name in tables}
        return record_evaluated(results, self.folder, iteration, self.narrator)


def validation_loss(components: Components, config: DictConfig) -> dict[str, float]:
    """Return the mean of the training loss and its terms over the validation photographs, weighted by batch size."""
    totals: dict[str, float] = {}
    size = config.evaluation.batch_size

    def measure() -> list[tuple[int, dict[str, float]]]:
        measured = []
        part = own_photos(components.validation, size)
        photos = evaluation_photos(part, components.source.crops)
        for turn, chunk in enumerate(batches(photos, size)):
            rgb_bhw3 = paddle.to_tensor(np.stack([rgb for _, rgb in chunk]))
            # The batch's number among those of all processes.
            rng = np.random.default_rng([VALIDATION_STREAM, turn * parallel.size() + parallel.rank()])
            batch = components.inputs(rgb_bhw3, [photo.name for photo, _ in chunk], rng)
            values = components.learner.evaluate(batch)
            measured.append((len(chunk), {name: float(value) for name, value in values.items()}))
        return measured

    for count, values in shared(measure, 1):
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + value * count
    return {name: total / len(components.validation.photos) for name, total in totals.items()}


def check_monitor(config: DictConfig, components: Components) -> None:
    """Raise `UserError` if ``trainer.monitor``, which decides on the best weights, will not be measured."""
    photo, rgb = next(evaluation_photos(components.validation, components.source.crops))
    rng = np.random.default_rng([VALIDATION_STREAM, 0])
    batch = components.inputs(paddle.to_tensor(rgb[None]), [photo.name], rng)
    with components.learner.evaluation_weights():
        measured = [f"val/{name}" for name in components.learner.evaluate(batch)]
    if config.evaluation.color:
        predicted = components.network.predicts
        measured += [metric.key for metric in OF_VALIDATION if metric.needs is None or metric.needs in predicted]
        if components.judged is not None and config.evaluation.judge_during_training:
            measured += [f"judged/{version}_{what}" for version in VERSIONS for what in ("accuracy", "probability")]
    evaluators = list(components.evaluators)
    monitor = config.trainer.monitor
    if monitor not in measured and monitor.partition("/")[0] not in evaluators:
        more = "".join(f", {name}/..." for name in evaluators)
        raise UserError(f"trainer.monitor='{monitor}' is not measured here: choose one of {', '.join(measured)}{more}")
