"""The training loop: steps, log lines, validations and checkpoints; it knows neither network nor loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import paddle

from oldrestore import parallel
from oldrestore.batch import Batch
from oldrestore.narrator import Narrator
from oldrestore.training.interruption import Interruption
from oldrestore.training.learner import Learner


class DivergedError(ArithmeticError):
    """A loss or a weight is NaN or infinite; the message says at which iteration, and on which photographs.

    `updates` is the number of updates after which it was noticed. A run that `repeats` it would fail again if resumed.
    """

    def __init__(self, message: str, updates: int, repeats: bool = True) -> None:
        super().__init__(message)
        self.updates = updates
        self.repeats = repeats


class ScalarLog(Protocol):
    """Receives the loop's numbers."""

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record named values of an iteration."""


@dataclass(frozen=True)
class LoopSettings:
    """How often the loop does what; counts are iterations, and 0 is "only at the end"."""

    max_iterations: int
    log_every: int = 100
    evaluate_every: int = 0
    checkpoint_every: int = 0
    keep_every: int = 0
    log_gradients: bool = False  # with each log line


# A step whose loss has not been read from the device yet: iteration, scalars and names of the photographs.
_Pending = tuple[int, Mapping[str, paddle.Tensor], tuple[str, ...]]


def run_loop(
    learner: Learner,
    photographs: Iterable[tuple[paddle.Tensor, tuple[str, ...]]],
    make_batch: Callable[[paddle.Tensor, tuple[str, ...], int], Batch],
    settings: LoopSettings,
    log: ScalarLog,
    narrator: Narrator,
    evaluate: Callable[[int], None],
    save: Callable[[int, bool, bool], None],
    interruption: Interruption,
    start: int = 0,
    evaluate_first: bool = False,
    window: Sequence[float] = (),
    before_step: Callable[[int], None] | None = None,
) -> int:
    """Train from iteration `start` to the end; return the number of updates made in all.

    ``train/loss`` at iteration i is the loss of step i, i = 0 being the untrained network. The log line of
    iteration n gives the mean of the losses of the `log_every` steps before it, and line 0 the first loss.

    Parameters
    ----------
    photographs : iterable of (uint8 tensor (B, H, W, 3), names)
        Each iteration takes `learner.accumulate` of them.
    make_batch : callable
        Builds a `Batch` from photographs, their names and the position of this batch in the whole training.
    log : ScalarLog
        Receives ``train/loss``, the loss's other terms and ``train/learning_rate`` of every iteration, and
        ``time/...`` with each log line.
    evaluate : callable
        Called with the number of updates made, every `evaluate_every` and after the last.
    save : callable
        Called with the number of updates made, whether to keep this checkpoint for good, and whether the validation
        due now is still to come.
    evaluate_first : bool
        Begin with the validation of `start`, which was still due when the checkpoint was written.
    window : sequence of float
        Losses since the last log line before `start`, for the mean of the next.
    before_step : callable, optional
        Called with the iteration before anything of it is drawn at random.

    Raises
    ------
    DivergedError
        As soon as a loss that is not finite has been read; no checkpoint is written from such weights.
    Killed
        After a signal; the current step is finished and a checkpoint is written first.
    """
    reader = _LossReader(log, learner, window, interruption)
    stream: Iterator = iter(photographs)
    window_start = time.monotonic()
    images = 0
    waited = 0.0
    done = start

    def settle(evaluation_due: bool) -> None:
        """Validate and write the checkpoint, as due after `done` updates."""
        last = done == settings.max_iterations
        keep = _due(done, settings.keep_every)
        if interruption.signal_name is not None and not last:
            reader.flush()
            save(done, keep, evaluation_due)
            interruption.check()
        if evaluation_due:
            reader.flush()
            if last:  # the last validation takes long: if it is cut short, no step need be repeated
                save(done, keep, True)
            try:
                evaluate(done)
            except BaseException:  # whatever went wrong, the weights are worth keeping
                save(done, keep, True)
                raise
        if _due(done, settings.checkpoint_every) or keep or last:
            reader.flush()
            save(done, keep, False)

    with narrator.progress("training", settings.max_iterations, start) as advance:
        if evaluate_first:
            settle(True)
            window_start = time.monotonic()
        while done < settings.max_iterations:
            if before_step is not None:
                before_step(done)
            before_data = time.monotonic()
            group = list(islice(stream, learner.accumulate))
            waited += time.monotonic() - before_data
            names = tuple(name for _, photo_names in group for name in photo_names)
            first = done * learner.accumulate
            batches = [make_batch(rgb, photo_names, first + i) for i, (rgb, photo_names) in enumerate(group)]
            has_line = done == 0 or _due(done + 1, settings.log_every) or done + 1 == settings.max_iterations
            scalars = learner.step(batches, done, settings.log_gradients and has_line)
            reader.add((done, scalars, names))
            images += len(names) * parallel.size()
            done += 1
            if done == 1:
                reader.flush()
                _say(narrator, 0, window_start, reader.last)
            last = done == settings.max_iterations
            elapsed = time.monotonic() - window_start
            advance(done, loss=f"{reader.last:.4f}", rate=f"{images / max(elapsed, 1e-9):.0f} images/s")
            if done % settings.log_every == 0 or last:
                average = reader.take_average()
                _say(narrator, done, window_start, average)
                now = time.monotonic()
                log.scalars(
                    done,
                    {
                        "train/avg_loss": average,
                        "time/images_per_second": images / max(now - window_start, 1e-9),
                        "time/data_wait_share": waited / max(now - window_start, 1e-9),
                    },
                )
                window_start, images, waited = now, 0, 0.0
            paused = time.monotonic()
            settle(_due(done, settings.evaluate_every) or last)
            # The images per second leave out the time of validation.
            window_start += time.monotonic() - paused
    return done


def _due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0


def _say(narrator: Narrator, iteration: int, since: float, average: float) -> None:
    narrator.say(f"iter:{iteration} time:{time.monotonic() - since:.0f} avg_loss:{average:.4f}")


class _LossReader:
    """Reads each step's loss one step late, so that a GPU is never waited for within a step."""

    def __init__(self, log: ScalarLog, learner: Learner, window: Sequence[float], interruption: Interruption) -> None:
        self.last = window[-1] if window else math.nan
        self._log = log
        self._learner = learner
        self._interruption = interruption
        self._pending: _Pending | None = None
        self._window = list(window)

    def add(self, step: _Pending) -> None:
        self.flush()
        self._pending = step

    def flush(self) -> None:
        """Read pending scalars; raise `DivergedError` if one is not finite."""
        if self._pending is None:
            return
        (iteration, pending, names), self._pending = self._pending, None
        scalars = dict(pending)
        signal = scalars.pop(parallel.SIGNAL, None)
        if signal is not None:
            self._interruption.receive(int(signal))
        values = {f"train/{name}": float(value) for name, value in scalars.items()}
        values["train/learning_rate"] = self._learner.learning_rate(iteration)
        self._log.scalars(iteration, values)
        self.last = values["train/loss"]
        self._window.append(self.last)
        # Whether gradients are logged makes no difference to when a run ends.
        watched = {name: value for name, value in values.items() if not name.startswith("train/gradient_norm")}
        bad = next((name for name, value in watched.items() if not math.isfinite(value)), None)
        if bad is not None:
            # Every process has read the same.
            everywhere = [name for part in parallel.gather(names) for name in part]
            where = f"at iteration {iteration}, on {', '.join(everywhere)}"
            raise DivergedError(f"{bad} is {values[bad]} {where}", iteration + 1)

    def take_average(self) -> float:
        """Mean of the losses since the last call (of 100, as the log line is usually set)."""
        self.flush()
        average = math.fsum(self._window) / len(self._window)
        self._window.clear()
        return average
