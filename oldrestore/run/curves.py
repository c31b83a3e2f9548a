"""Draws ``curves.png`` of a run: its loss curve and its final accuracies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.records.run import Run
from oldrestore.tables import percent

COLORS = {"iter": "#c2410c", "orig": "#334155", "gray": "#94a3b8"}


def draw_curves(folder: Path, table: AccuracyTable | None) -> Path | None:
    """Draw ``curves.png`` of a run folder; None if the run has no losses.

    The accuracies of a table are drawn as bars with their 95% Wilson intervals.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    metrics = Run(folder).curves
    if "train/loss" not in metrics:
        return None
    figure, axes = pyplot.subplots(
        1,
        2 if table else 1,
        figsize=(9 if table else 6, 3.4),
        layout="constrained",
        width_ratios=[2, 1] if table else [1],
    )
    left = axes[0] if table else axes
    _draw_loss(left, metrics)
    if table:
        _draw_accuracy(axes[1], table)
    for each in figure.axes:
        each.spines[["top", "right"]].set_visible(False)
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def _draw_loss(axes, metrics) -> None:
    loss = metrics["train/loss"]
    axes.plot(loss.iterations, loss.values, color="#cbd5e1", linewidth=0.8, label="each iteration")
    # At most a quarter of a short run: a mean over all of it would be a point.
    window = min(25, len(loss.values) // 4)
    if window > 1:
        smooth = np.convolve(loss.values, np.ones(window) / window, mode="valid")
        axes.plot(loss.iterations[window - 1 :], smooth, color=COLORS["orig"], label=f"mean of {window}")
    if "val/loss" in metrics:
        validation = metrics["val/loss"]
        axes.plot(validation.iterations, validation.values, "o-", color=COLORS["iter"], label="validation")
    axes.set(xlabel="iteration", ylabel="loss")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)


def _draw_accuracy(axes, table: AccuracyTable) -> None:
    for position, version in enumerate(("gray", "iter", "orig")):
        accuracy = getattr(table.final, f"{version}_accuracy")
        low, high = table.interval(version)
        axes.bar(position, 100 * accuracy, color=COLORS[version], width=0.6)
        error = [[100 * (accuracy - low)], [100 * (high - accuracy)]]
        axes.errorbar(position, 100 * accuracy, yerr=error, color="black", capsize=4, linewidth=1)
        axes.text(position, 3, percent(accuracy).rstrip("%"), ha="center", color="white")
    axes.set_xticks(range(3), ["gray", "iter", "orig"])
    axes.set(ylabel="top-1, %", ylim=(0, 100), title=f"{table.judge}, n = {table.final.n}")
    axes.title.set_fontsize(10)
