"""A run under way: trains, validates, keeps the best weights, writes checkpoints, and ends in one of three ways."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import paddle
from omegaconf import DictConfig

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.data.loading.loader import lost_worker
from oldrestore.engines.pyfunc import finished_model
from oldrestore.engines.weights_file import header_of_run
from oldrestore.errors import UserError, sentence
from oldrestore.evaluation.metric_table import shown_in
from oldrestore.models.weights import parameter_count
from oldrestore.narrator import Narrator
from oldrestore.records.run_folder import RunFolder
from oldrestore.run import range_test
from oldrestore.run.components import Components
from oldrestore.run.curves import draw_curves
from oldrestore.run.outcome import Outcome, closing_lines, folder_as_typed
from oldrestore.run.progress import Progress
from oldrestore.run.steps import batch_at, take_steps
from oldrestore.run.validation import Validation
from oldrestore.scoring.judged import judge_of, judges_of
from oldrestore.scoring.protocols import protocol_of
from oldrestore.tracking.tracker import Trackers
from oldrestore.training.checkpoint import Checkpoint, not_finite, save_checkpoint
from oldrestore.training.interruption import Interruption, Killed
from oldrestore.training.loop import DivergedError
from oldrestore.training.schedules import RangeTest

# Seconds that trackers have to catch up: Slurm waits half a minute by default between its signal and the end of the
# process, and Paddle's launcher as long after the death of another process of the run.
PATIENCE_UNDER_SLURM = 20.0
PATIENCE_AFTER_LOSS = 15.0


class Unrecorded:
    """Replaces the run folder in the processes of a run that record nothing: only rank 0 does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def marks(self) -> dict[str, int]:
        """Return no lengths: there are no records here."""
        return {}

    def nothing(self, *arguments: Any, **more: Any) -> None:
        """Keep nothing."""

    scalars = accuracy = per_image = panel = log = write_table = nothing


class RunInProgress:
    """One run, from its first iteration or from a checkpoint to its end.

    Of several processes that train together each has one; those that record nothing have no `tracker`.
    """

    def __init__(
        self,
        config: DictConfig,
        components: Components,
        folder: RunFolder | Unrecorded,
        tracker: Trackers | None,
        narrator: Narrator,
        progress: Progress,
    ) -> None:
        self.config = config
        self.components = components
        self.folder = folder
        self.tracker = tracker
        self.narrator = narrator
        self.interruption = Interruption()
        self.progress = progress
        self.outcome = Outcome(state="running", folder=folder.path, summary=progress.summary)
        self.validation = Validation(config, components, folder, narrator, self.outcome, self.interruption.check)
        self._before_evaluation: dict[str, int] = {}
        self._evaluating_at = -1
        self._began = time.monotonic()

    def carry_out(self) -> Outcome:
        """Train to the end, to a failure or to a signal; the folder and every tracker say which."""
        outcome = self.outcome
        with self.interruption.listening():
            try:
                self._train()
                outcome.state = "finished"
            except Killed as stop:
                outcome.state, outcome.reason = "killed", str(stop)
            except BaseException as error:
                outcome.state, outcome.reason = "failed", failure_in_words(error)
                outcome.diverged = isinstance(error, DivergedError) and error.repeats
                if outcome.reason is None:
                    # A bug: record the failure, then show the traceback.
                    self.interruption.ignore_from_now()
                    if self.tracker is not None:
                        self.tracker.finish("failed", f"{type(error).__name__}: {error}", outcome.summary)
                    raise
            self.interruption.ignore_from_now()
            if self.tracker is not None:
                self._record_end()
        return outcome

    def _record_end(self) -> None:
        outcome = self.outcome
        if outcome.state == "killed" and "SLURM_JOB_ID" in os.environ:
            self.tracker.patience = min(self.tracker.patience, PATIENCE_UNDER_SLURM)
        if parallel.lost():
            self.tracker.patience = min(self.tracker.patience, PATIENCE_AFTER_LOSS)
        try:
            self.draw_curves()
            self._close_log()
        finally:
            model = finished_model(self.folder.path, self.config) if outcome.state == "finished" else None
            problem = self.tracker.finish(outcome.state, outcome.reason, outcome.summary, model)
        if problem is not None:
            self.narrator.say(f"the end of the run could not be recorded: {problem}")
            if outcome.state == "finished":
                outcome.state, outcome.reason = "failed", problem

    def draw_curves(self) -> None:
        """Draw the curves of a run that is over; a picture is not worth a failure."""
        try:
            draw_curves(self.folder.path, self.outcome.table)
        except (OSError, ValueError, UserError) as error:
            self.narrator.say(f"the curves could not be drawn: {error}")

    def _close_log(self) -> None:
        """Write down what is printed once the run is over: trackers keep the log as it is when they are closed."""
        tables = [part for table in self.outcome.tables() for part in ("", table)]
        ending = self.outcome.ending()
        closing = closing_lines(self.outcome, self.config)
        self.narrator.record_only(*tables, "", *([ending] if ending else []), *closing)
        self.narrator.record = None

    def _train(self) -> None:
        for line in introduction(self.config, self.components):
            self.narrator.say(line)
        self._began = time.monotonic()
        try:
            self._take_steps()
        except DivergedError as error:
            from oldrestore.run.diagnosis import AGAIN, where_nan_began

            began = where_nan_began(self.config, self.folder.path, error.updates, self.narrator, self.interruption)
            raise DivergedError(f"{error}: {began}", error.updates, AGAIN not in began) from None

    def _take_steps(self) -> None:
        steps = partial(
            take_steps,
            self.config,
            self.components,
            narrator=self.narrator,
            interruption=self.interruption,
            make_batch=self.make_batch,
        )
        if isinstance(self.components.learner.schedule, RangeTest):
            test = self.components.learner.schedule
            self.outcome.summary |= range_test.carry_out(test, steps, self.folder, self.narrator)
            return
        updates = steps(
            log=self.folder,
            evaluate=self.evaluate,
            save=self.save,
            start=self.progress.iteration,
            evaluate_first=self.progress.evaluate_first,
            window=self.progress.window,
        )
        self.folder.scalars(updates, {"time/training_seconds": self._training_seconds()})
        # After the clock has stopped: only the first run on these photographs takes the time for it.
        if self.config.evaluation.color:
            self.outcome.baselines = parallel.by_first(self.measure_baselines)

    def measure_baselines(self) -> list[Any]:
        """Measure what needs no network, unless it is known, and return tables of it; it is not worth a failure."""
        try:
            return self.validation.measure_baselines()
        except (OSError, ValueError, Killed) as error:
            # The run is over, whoever asks it to stop now.
            why = sentence(error) if isinstance(error, OSError) else error
            self.narrator.say(f"the baselines were not measured: {why}")
            return []

    def _training_seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self._began

    def make_batch(self, rgb_bhw3: paddle.Tensor, names: tuple[str, ...], position: int) -> Batch:
        """Build the batch at a position of the training."""
        return batch_at(self.config, self.components, rgb_bhw3, names, position)

    def evaluate(self, iteration: int) -> None:
        """Validate and record the values."""
        self._refuse_spoiled(self.components.learner.checkpoint(), iteration)
        self._before_evaluation, self._evaluating_at = self.folder.marks(), iteration
        with self.components.learner.evaluation_weights():
            values = self.validation.measure(iteration)
        self.folder.scalars(iteration, values)
        self.outcome.summary.update(values)
        shown = [f"{m.name}:{values[m.key]:{m.format}}" for m in shown_in("log") if m.key in values]
        self.narrator.say(f"val at {iteration}: {' '.join(shown)}")
        self.keep_best(iteration, values)

    def keep_best(self, iteration: int, values: dict[str, float]) -> None:
        """Write a checkpoint if the monitored value is the best so far."""
        trainer = self.config.trainer
        if trainer.monitor not in values:
            raise UserError(
                f"trainer.monitor='{trainer.monitor}' is not measured here: choose one of {', '.join(values)}"
            )
        if not parallel.is_first():
            return
        value = values[trainer.monitor]
        better = value < self.progress.best if trainer.monitor_mode == "min" else value > self.progress.best
        # The first is the best so far even if it is NaN: a run that ends has a best checkpoint.
        if better or not self._path_of("best").is_file():
            self.progress.best = value
            self._write("best", self._checkpoint(iteration))

    def save(self, iteration: int, keep: bool, evaluation_due: bool) -> None:
        """Write the checkpoint to resume from, and with `keep` one that stays."""
        checkpoint = self._checkpoint(iteration)
        self._refuse_spoiled(checkpoint, iteration)
        if not parallel.is_first():
            return
        marks = self.folder.marks()
        # Rows of a validation that is carried out again must go, whether it was cut short or only followed by a crash.
        before = self._before_evaluation if self._evaluating_at == iteration else marks
        checkpoint.state |= {
            "evaluation_due": evaluation_due,
            "marks": marks,
            "marks_before_evaluation": before,
            "summary": self.outcome.summary,
            "seconds": self._training_seconds(),
        }
        # The kept one first: a run resumed from `last` then has every one that should be kept.
        if keep:
            self._write(f"iteration-{iteration:07d}", checkpoint)
        self._write("last", checkpoint)

    def _refuse_spoiled(self, checkpoint: Checkpoint, iteration: int) -> None:
        """Stop before weights that are not finite are measured or replace the last good ones; all processes find them.

        The loss need not show them: a rectifier may give 0 for NaN.
        """
        name = not_finite(checkpoint.tensors)
        if name is not None:
            raise DivergedError(
                f"{name} is not finite after {iteration} iterations, and the checkpoint before is kept", iteration
            )

    def _checkpoint(self, iteration: int) -> Checkpoint:
        checkpoint = self.components.learner.checkpoint()
        checkpoint.state |= {
            "iteration": iteration,
            "best": self.progress.best,
            "monitor": self.config.trainer.monitor,
        }
        return checkpoint

    def _write(self, name: str, checkpoint: Checkpoint) -> None:
        save_checkpoint(self._path_of(name), checkpoint, header_of_run(self.config, self.components.network))

    def _path_of(self, name: str) -> Path:
        return self.folder.path / "checkpoints" / f"{name}.safetensors"


def introduction(config: DictConfig, components: Components) -> Iterator[str]:
    """Yield the lines that name run folder, device, network, loss, photographs, protocol and judge."""
    network, judged = components.network, components.judged
    yield f"run       {folder_as_typed(config)}"
    several = f", {parallel.size()} processes" if parallel.size() > 1 else ""
    yield f"device    {paddle.get_device()}{several}"
    yield f"model     {type(network).__name__}, {parameter_count(network):,} parameters"
    yield f"loss      {config.loss['_target_'].rpartition('.')[2]}"
    train, validation = components.train, components.validation
    left_out = len(train.left_out)
    note = f" ({left_out} files left out: see data.json)" if left_out else ""
    yield f"data      {train.source}: {len(train.photos)} to train on, {len(validation.photos)} to validate{note}"
    for line in train.notes:
        yield f"note      {line}"
    judge = judge_of(judged, components.evaluators)
    yield f"protocol  {protocol_of(config, len(validation), judge, components.prior).label}"
    if judged is not None:
        names = ", ".join(each.name for each in judges_of(judged, components.evaluators))
        yield f"judge     {names} on {len(judged.split.photos)} photographs of {judged.split.source}"


def failure_in_words(error: BaseException) -> str | None:
    """Return in one sentence why a run failed; None for a bug, whose traceback should be seen."""
    # First, since Paddle turns what is raised within a backward pass into an OSError with a text of many lines.
    if parallel.lost():
        return parallel.loss_in_words(error)
    if isinstance(error, DivergedError | UserError):
        return str(error)
    if isinstance(error, OSError):
        return sentence(error)
    return lost_worker(error)
