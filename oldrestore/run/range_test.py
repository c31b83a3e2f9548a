"""Carries out a learning-rate range test in place of a training, and records its curve, picture and suggestion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from oldrestore import parallel
from oldrestore.narrator import Narrator
from oldrestore.training.loop import ScalarLog
from oldrestore.training.range_test import RangeTestReading
from oldrestore.training.schedules import RangeTest


class _DivergesError(Exception):
    """The smoothed loss diverges, which ends the test."""


class _ReadingLog:
    """Passes scalars on to a log, and losses to the reading of the test."""

    def __init__(self, log: ScalarLog, reading: RangeTestReading) -> None:
        self._log = log
        self._reading = reading

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record values; raises `_DivergesError` after the loss that ends the test."""
        self._log.scalars(iteration, values)
        if "train/loss" in values:
            self._reading.add(values["train/learning_rate"], values["train/loss"])
            if self._reading.diverged_at is not None:
                raise _DivergesError


def carry_out(test: RangeTest, take_steps: Callable[..., int], folder: Any, narrator: Narrator) -> dict[str, float]:
    """Take the steps of a test, record and say what it suggests, and return that as a measure by name.

    `take_steps` takes a log and ``end``, the number of steps; `folder` is the run folder, or what replaces it in
    processes that record nothing.
    """
    reading = RangeTestReading(test)
    with suppress(_DivergesError):
        take_steps(log=_ReadingLog(folder, reading), end=test.iterations)
    steps = range(len(reading.losses))
    names = ("iteration", "learning_rate", "loss", "smoothed_loss")
    rows = zip(steps, reading.rates, reading.losses, reading.smoothed, strict=True)
    folder.write_table("range_test", [dict(zip(names, row, strict=True)) for row in rows])
    if parallel.is_first():
        draw(reading, folder.path / "range_test.png")
    narrator.say(f"suggested {reading.in_words()}")
    measured = {} if reading.suggestion is None else {"range_test/suggestion": reading.suggestion}
    folder.scalars(len(steps), measured)
    return measured


def draw(reading: RangeTestReading, path: Path) -> None:
    """Draw the loss over the learning rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    axes.plot(reading.rates, reading.losses, color="#cbd5e1", linewidth=0.8, label="each iteration")
    axes.plot(reading.rates, reading.smoothed, color="#334155", label="moving average")
    if reading.suggestion is not None:
        label = f"suggestion, {reading.suggestion:.2g}"
        axes.axvline(reading.suggestion, color="#c2410c", linestyle="--", linewidth=1, label=label)
    # Losses that explode would flatten the rest.
    shown = [loss for loss in reading.losses if loss <= 1.5 * reading.smoothed[0]] or reading.losses
    margin = 0.05 * (max(shown) - min(shown))
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(min(shown) - margin, max(shown) + margin))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
