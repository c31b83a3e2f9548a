"""How much colour hints help: PSNR by number of revealed patches (Zhang et al. 2017)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import paddle
from pydantic import Field
from scipy.stats import t as student

from oldrestore.batch import Batch
from oldrestore.color.lab import gray_rgb8, rgb_to_lab
from oldrestore.config.values import checked
from oldrestore.data.inputs.hints import reveal, uniform_patches
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.colorizer import at_full_size
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext, spread
from oldrestore.evaluation.metrics import capped_psnr
from oldrestore.evaluation.prediction import recolor
from oldrestore.evaluation.scores import ImageScore, summarize
from oldrestore.panels import side_by_side
from oldrestore.tables import plain_table

if TYPE_CHECKING:
    from rich.table import Table

HINT_STREAM = 17  # begins the seeds of this protocol's patches, so that they repeat no other stream
COUNTS = (0, 1, 2, 5, 10, 20, 50, 100)
CONFIDENCE = 0.95


@checked
@dataclass
class HintCurve:
    """PSNR with more and more of a photograph's own colour revealed.

    Patches are square, stand anywhere in a photograph with equal chance, overlap where they may, and show the mean
    colour of what they cover; the first patches of a larger number are those of a smaller. They depend on `seed` and
    on the photograph's name alone.

    PSNR is that of the true lightness with the predicted ab, 8-bit sRGB, mean over photographs; photographs are cut
    to a multiple of the network's stride. Beside it stands what the patches give without being understood: the
    network's own colour without hints, with the patches pasted onto it (*pasted*). A network that reads no hints is
    refused (`check_read`): its PSNR would be the same throughout.

    References
    ----------
    Zhang et al. Real-Time User-Guided Image Colorization with Learned Deep Priors. 2017.
    """

    reads: ClassVar[str] = "hints_b3hw"

    counts: list[Annotated[int, Field(ge=0, le=10000)]] | None = None  # of patches; 0 is always among them
    patch: Annotated[int, Field(ge=1)] = 6  # side, pixels
    seed: Annotated[int, Field(ge=0)] = 0
    samples: Annotated[int, Field(ge=0)] = 4  # photographs in the sample panel
    every_time: bool = False

    def __post_init__(self) -> None:
        self.counts = sorted({0, *(COUNTS if self.counts is None else self.counts)})

    @paddle.no_grad()
    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure every photograph at every number of hints."""
        scores: list[ImageScore] = []
        shown: list[list[np.ndarray]] = []
        chosen = spread(context.count, self.samples)
        stride = context.network.stride
        watched = context.watch(context.photos(), "hints", context.count)
        photos = ((name, _cut(rgb, stride)) for name, rgb in watched)
        done = 0
        for batch in batches(photos, context.batch_size):
            predicted = self._colors(context, batch)
            for index, (name, rgb) in enumerate(batch):
                lab = rgb_to_lab(rgb)
                hints = {count: self.hints(name, lab, count) for count in self.counts}
                for count in self.counts:
                    ab_hw2 = predicted[count][index]
                    scores.append(ImageScore(name, f"psnr_{count}", _psnr(lab, ab_hw2, rgb)))
                    pasted = np.where(hints[count][2][..., None] > 0, _channels_last(hints[count]), predicted[0][index])
                    scores.append(ImageScore(name, f"pasted_psnr_{count}", _psnr(lab, pasted, rgb)))
                if done + index in chosen:
                    shown.append(self._panel_row(lab, rgb, hints, {c: ab[index] for c, ab in predicted.items()}))
            done += len(batch)
        rows = curve_rows(scores, self.counts)
        panels = {"curve": draw_curve(rows)}
        if shown:
            panels["samples"] = side_by_side(shown, self._panel_titles())
        return Evaluated(summarize(scores), scores, panels, render(rows, self.patch), rows)

    def hints(self, name: str, lab: np.ndarray, count: int) -> np.ndarray:
        """Hints of a photograph, float32 (3, H, W), for its float32 Lab (H, W, 3)."""
        rng = np.random.default_rng([HINT_STREAM, self.seed, zlib.crc32(name.encode())])
        height, width = lab.shape[:2]
        side = min(self.patch, height, width)
        return reveal(lab[..., 1:].transpose(2, 0, 1), uniform_patches(rng, count, side, height, width))

    def _colors(self, context: EvaluationContext, batch: Sequence[tuple[str, np.ndarray]]) -> dict[int, np.ndarray]:
        """Predict ab, float32 (B, H, W, 2), for each number of hints."""
        network = context.network
        labs = [rgb_to_lab(rgb) for _, rgb in batch]
        lab_b3hw = paddle.to_tensor(np.stack(labs).transpose(0, 3, 1, 2))
        colors: dict[int, np.ndarray] = {}
        for count in self.counts:
            hints = np.stack([self.hints(name, lab, count) for (name, _), lab in zip(batch, labs, strict=True)])
            inputs = Batch(lab_b3hw[:, :1], lab_b3hw[:, 1:], hints_b3hw=paddle.to_tensor(hints))
            prediction = network(*(getattr(inputs, field) for field in network.reads))
            ab_bhw2 = network.decode(prediction).transpose([0, 2, 3, 1]).numpy()
            joined = [at_full_size(network, ab, lab[..., 0]) for ab, lab in zip(ab_bhw2, labs, strict=True)]
            colors[count] = np.stack(joined)
        return colors

    def _panel_counts(self) -> list[int]:
        return sorted({0, self.counts[len(self.counts) // 2], self.counts[-1]})

    def _panel_titles(self) -> list[str]:
        several = [f"{count} hints" for count in self._panel_counts()]
        return [f"Input, {several[-2:][0]}", *several, "Original"]

    def _panel_row(self, lab, rgb, hints, colors) -> list[np.ndarray]:
        some = hints[self._panel_counts()[-2:][0]]
        shown = np.where(some[2][..., None] > 0, recolor(lab[..., 0], _channels_last(some)), gray_rgb8(lab[..., 0]))
        return [shown, *(recolor(lab[..., 0], colors[count]) for count in self._panel_counts()), rgb]


def curve_rows(scores: Sequence[ImageScore], counts: Sequence[int]) -> list[dict[str, Any]]:
    """Means over photographs by number of hints.

    ``hints``; ``psnr`` (dB) with its 95% interval ``low``, ``high``; ``gain``, the mean of each photograph's own gain
    over no hints, with ``gain_low``, ``gain_high``; ``pasted_psnr``; ``n``, photographs. Intervals are Student's, None
    for a single photograph.
    """
    by_metric: dict[str, list[float]] = {}
    for score in scores:
        by_metric.setdefault(score.metric, []).append(score.value)
    without = np.array(by_metric["psnr_0"])
    rows = []
    for count in counts:
        values = np.array(by_metric[f"psnr_{count}"])
        psnr = zip(("psnr", "low", "high"), _mean_and_interval(values), strict=True)
        gain = zip(("gain", "gain_low", "gain_high"), _mean_and_interval(values - without), strict=True)
        pasted = float(np.mean(by_metric[f"pasted_psnr_{count}"]))
        rows.append({"hints": count, **dict(psnr), **dict(gain), "pasted_psnr": pasted, "n": len(values)})
    return rows


def render(rows: Sequence[dict[str, Any]], patch: int) -> Table:
    """Lay out the rows for the terminal."""
    table = plain_table(
        f"PSNR (dB) by number of {patch} x {patch} hints, n = {rows[0]['n']}",
        "pasted: the network's colour without hints, with the patches pasted onto it",
        numbers=("hints", "PSNR", "gain", "95% interval of the gain", "pasted"),
    )
    for row in rows:
        interval = "" if row["gain_low"] is None else f"{row['gain_low']:+.2f} .. {row['gain_high']:+.2f}"
        figures = (f"{row['psnr']:.2f}", f"{row['gain']:+.2f}", interval, f"{row['pasted_psnr']:.2f}")
        table.add_row(str(row["hints"]), *figures)
    return table


def draw_curve(rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """Draw PSNR by number of hints, with the interval of the gain and the pasted curve; uint8 (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    # No hints stand at 0.4 of a logarithmic axis, as in the authors' sweep.
    places = [row["hints"] or 0.4 for row in rows]
    if rows[0]["gain_low"] is not None:
        # Photographs differ by far more than hints do, so what is shown is how sure each photograph's own gain is.
        low, high = ([rows[0]["psnr"] + row[end] for row in rows] for end in ("gain_low", "gain_high"))
        axes.fill_between(places, low, high, color="#fed7aa", linewidth=0, label="95% interval of the gain")
    axes.plot(places, [row["pasted_psnr"] for row in rows], "s--", color="#94a3b8", markersize=4, label="pasted")
    axes.plot(places, [row["psnr"] for row in rows], "o-", color="#c2410c", label="network with hints")
    axes.set_xscale("log")
    axes.set_xticks(places, [str(row["hints"]) for row in rows])
    axes.minorticks_off()
    axes.set(xlabel="hints", ylabel="PSNR, dB", title=f"{rows[0]['n']} validation photographs")
    axes.title.set_fontsize(10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _mean_and_interval(values: np.ndarray) -> tuple[float, float | None, float | None]:
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None, None
    half = student.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return mean, float(mean - half), float(mean + half)


def _psnr(lab: np.ndarray, ab_hw2: np.ndarray, rgb: np.ndarray) -> float:
    return capped_psnr(recolor(np.ascontiguousarray(lab[..., 0]), ab_hw2), rgb)


def _cut(rgb: np.ndarray, stride: int) -> np.ndarray:
    """Cut a photograph centrally to a multiple of the stride."""
    height, width = (side // stride * stride for side in rgb.shape[:2])
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]


def _channels_last(hints_3hw: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(hints_3hw[:2].transpose(1, 2, 0))
