"""A run under way: trains, validates, keeps the best weights, writes checkpoints, and ends in one of three ways."""

from __future__ import annotations

import os
import time

import paddle
from omegaconf import DictConfig
from paddle import nn

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.data.loading.loader import training_loader
from oldrestore.engines.pyfunc import finished_model
from oldrestore.engines.weights_file import header_of_run
from oldrestore.errors import UserError
from oldrestore.evaluation.metric_table import shown_in
from oldrestore.narrator import Narrator
from oldrestore.records.run_folder import RunFolder
from oldrestore.run.closing import closing_lines, ending
from oldrestore.run.components import Components
from oldrestore.run.curves import draw_curves
from oldrestore.run.failure import failure_in_words
from oldrestore.run.introduction import introduction
from oldrestore.run.outcome import Outcome
from oldrestore.run.processes.unrecorded import Unrecorded
from oldrestore.run.progress import Progress
from oldrestore.run.streams import seed_step, training_batch
from oldrestore.run.validation_loss import validation_loss
from oldrestore.scoring.score_rows import judged_values, rows_of
from oldrestore.scoring.scoring import Scorer
from oldrestore.tracking.tracker import Trackers
from oldrestore.training.checkpoint import Checkpoint, not_finite, save_checkpoint
from oldrestore.training.interruption import Interruption, Killed
from oldrestore.training.loop import DivergedError, LoopSettings, run_loop

PATIENCE_UNDER_SLURM = 20.0  # seconds that trackers have to catch up
PATIENCE_AFTER_LOSS = 15.0  # the same, after another process of the run has died: Paddle's launcher waits 30 s


class RunInProgress:
    """One run, from its first iteration or from a checkpoint to its end.

    Of several processes that train together each has one; rank 0 records, the others' folder and tracker are
    `Unrecorded`.

    Parameters
    ----------
    config : DictConfig
    components : Components
        With the weights to go on from.
    folder : RunFolder or Unrecorded
    tracker : Trackers or Unrecorded
    narrator : Narrator
    progress : Progress
        How far the run has come: the beginning of a new one, or what its checkpoint says.

    Attributes
    ----------
    outcome : Outcome
    """

    def __init__(
        self,
        config: DictConfig,
        components: Components,
        folder: RunFolder | Unrecorded,
        tracker: Trackers | Unrecorded,
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
        self._before_evaluation: dict[str, int] = {}
        self._evaluating_at = -1
        self._began = time.monotonic()
        self.scorer = Scorer(
            config,
            components.source,
            components.validation,
            components.judged,
            narrator,
            check=self.interruption.check,
            evaluators=components.evaluators,
            prior=components.prior,
        )

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
                if outcome.reason is None:
                    # A defect of ours: it is recorded like any failure, and then seen as what it is.
                    self.interruption.ignore_from_now()
                    self.tracker.finish("failed", f"{type(error).__name__}: {error}", outcome.summary)
                    raise
            return self._end()

    def _end(self) -> Outcome:
        """Write down how the run ended."""
        outcome = self.outcome
        self.interruption.ignore_from_now()
        if parallel.is_first():
            if outcome.state == "killed" and "SLURM_JOB_ID" in os.environ:
                # Slurm waits half a minute by default between the signal and the end of the process.
                self.tracker.patience = min(self.tracker.patience, PATIENCE_UNDER_SLURM)
            if parallel.lost():
                self.tracker.patience = min(self.tracker.patience, PATIENCE_AFTER_LOSS)
            try:
                self._draw_curves()
                self._close_log()
            finally:
                model = finished_model(self.folder.path, self.config) if outcome.state == "finished" else None
                problem = self.tracker.finish(outcome.state, outcome.reason, outcome.summary, model)
            if problem is not None:
                self.narrator.say(f"the end of the run could not be recorded: {problem}")
                if outcome.state == "finished":
                    outcome.state, outcome.reason = "failed", problem
        return outcome

    def _draw_curves(self) -> None:
        """Draw the curves of a run that is over."""
        try:
            draw_curves(self.folder.path, self.outcome.table)
        except (OSError, ValueError, UserError) as error:
            # A picture is not worth a run.
            self.narrator.say(f"the curves could not be drawn: {error}")

    def _close_log(self) -> None:
        """Write down what is printed once the run is over: trackers keep the log as it is when they are closed."""
        tables = [part for table in self.outcome.tables() for part in ("", table)]
        how = ending(self.outcome)
        self.narrator.record_only(*tables, "", *([how] if how else []), *closing_lines(self.outcome, self.config))
        self.narrator.record = None

    def _train(self) -> None:
        trainer = self.config.trainer
        learner = self.components.learner
        for line in introduction(self.config, self.components):
            self.narrator.say(line)
        photographs = training_loader(
            self.components.train,
            self.components.source.crops,
            batch_size=trainer.batch_size,
            seed=self.config.seed,
            iterations=trainer.max_iterations * learner.accumulate,
            start=self.progress.iteration * learner.accumulate,
            workers=trainer.workers,
            cache_mib=trainer.cache_mib / parallel.launched_here(),
            part=parallel.own_part(trainer.batch_size),
        )
        self._began = time.monotonic()
        run_loop(
            learner,
            photographs,
            self._make_batch,
            LoopSettings(
                max_iterations=trainer.max_iterations,
                log_every=trainer.log_every,
                evaluate_every=trainer.evaluate_every,
                checkpoint_every=trainer.checkpoint_every,
                keep_every=trainer.keep_every,
            ),
            log=self.folder,
            narrator=self.narrator,
            evaluate=self._evaluate,
            save=self._save,
            interruption=self.interruption,
            start=self.progress.iteration,
            evaluate_first=self.progress.evaluate_first,
            window=self.progress.window,
            before_step=lambda iteration: seed_step(self.config.seed, iteration, parallel.rank()),
        )
        self.folder.scalars(trainer.max_iterations, {"time/training_seconds": self._training_seconds()})

    def _training_seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self._began

    def _make_batch(self, rgb_bhw3: paddle.Tensor, names: tuple[str, ...], position: int) -> Batch:
        return training_batch(self.components.inputs, rgb_bhw3, names, self.config.seed, position)

    def _evaluate(self, iteration: int) -> None:
        """Validate, draw a panel, judge if it is time, and remember the best weights."""
        network = self.components.network
        last = iteration == self.config.trainer.max_iterations
        self._refuse_spoiled(self.components.learner.checkpoint(), iteration)
        self._before_evaluation, self._evaluating_at = self.folder.marks(), iteration
        values: dict[str, float] = {}
        with self.components.learner.evaluation_weights():
            values |= {f"val/{name}": value for name, value in validation_loss(self.components, self.config).items()}
            if self.config.evaluation.color:
                values |= self._measure_color(network, iteration)
                if self.components.judged is not None and (last or self.config.evaluation.judge_during_training):
                    values |= self._judge(network, iteration)
            values |= self._run_evaluators(network, iteration, last)
        self.folder.scalars(iteration, values)
        self.outcome.summary.update(values)
        shown = [f"{m.name}:{values[m.key]:{m.format}}" for m in shown_in("log") if m.key in values]
        self.narrator.say(f"val at {iteration}: {' '.join(shown)}")
        self._keep_best(iteration, values)

    def _measure_color(self, network: nn.Layer, iteration: int) -> dict[str, float]:
        result = self.scorer.validate(network)
        self.folder.per_image(rows_of(result.per_image, iteration, "val"))
        title = f"{type(network).__name__}, {iteration} iterations"

        def draw() -> None:
            panel = self.scorer.panel(network, title=title)
            if panel is not None:
                self.folder.panel("validation", iteration, panel)

        parallel.by_first(draw)
        return {f"val/{name}": value for name, value in result.summary.items()}

    def _judge(self, network: nn.Layer, iteration: int) -> dict[str, float]:
        table = self.scorer.judge(network)
        self.outcome.table = table
        self.folder.accuracy(table.as_dicts(), iteration)
        self.folder.per_image(rows_of(table.per_image(), iteration, "judged"))
        return judged_values(table)

    def _run_evaluators(self, network: nn.Layer, iteration: int, last: bool) -> dict[str, float]:
        """Run the protocol's own evaluators on one process: they see the whole set, and none says how to share it."""
        return parallel.by_first(lambda: self._evaluators_alone(network, iteration, last))

    def _evaluators_alone(self, network: nn.Layer, iteration: int, last: bool) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, found in self.scorer.further(network, self.components.inputs, at_end=last).items():
            values |= {f"{name}/{figure}": value for figure, value in found.values.items()}
            self.folder.per_image(rows_of(found.per_image, iteration, name))
            for picture, rgb in found.panels.items():
                self.folder.panel(f"{name}-{picture}", iteration, rgb)
            if found.rows:
                self.folder.write_table(name, found.rows)
            for note in found.notes:
                self.narrator.say(f"note: {note}")
            if found.table is not None:
                self.outcome.further_tables[name] = found.table
        return values

    def _keep_best(self, iteration: int, values: dict[str, float]) -> None:
        """Write the weights down if they are the best so far; of several processes, rank 0 does."""
        trainer = self.config.trainer
        if trainer.monitor not in values:
            raise UserError(
                f"trainer.monitor='{trainer.monitor}' is not measured here: choose one of {', '.join(values)}"
            )
        if not parallel.is_first():
            return
        value = values[trainer.monitor]
        better = value < self.progress.best if trainer.monitor_mode == "min" else value > self.progress.best
        # The first is the best so far even where it is not a number: a run that ends has a best checkpoint.
        if better or not self._has_checkpoint("best"):
            self.progress.best = value
            self._write("best", self._checkpoint(iteration))

    def _save(self, iteration: int, keep: bool, evaluation_due: bool) -> None:
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
        # The kept one first: whoever goes on from `last` then has every one that should be kept.
        if keep:
            self._write(f"iteration-{iteration:07d}", checkpoint)
        self._write("last", checkpoint)

    def _refuse_spoiled(self, checkpoint: Checkpoint, iteration: int) -> None:
        """Stop before weights that are no numbers are measured, or take the place of the last good ones.

        A loss need not show them: where a rectifier gives 0 for NaN, it is a number. Every process finds the same.
        """
        name = not_finite(checkpoint.tensors)
        if name is not None:
            raise DivergedError(
                f"{name} is not finite after {iteration} iterations: the checkpoint before is kept; try a lower "
                "optimizer.learning_rate or trainer.learner.gradient_clip=1"
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
        header = header_of_run(self.config, self.components.network)
        save_checkpoint(self.folder.path / "checkpoints" / f"{name}.safetensors", checkpoint, header)

    def _has_checkpoint(self, name: str) -> bool:
        return (self.folder.path / "checkpoints" / f"{name}.safetensors").is_file()
