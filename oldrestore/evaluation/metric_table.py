"""Every metric in one table: what it is called, which way is better, how it is written, and where it is shown.

A new metric of colour is a function in `oldrestore.evaluation.metrics` and a row here: validation measures it, and the
log line, comparisons, reports and summaries of sweeps show it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Literal

import numpy as np

from oldrestore.evaluation import metrics
from oldrestore.evaluation.scores import Score

if TYPE_CHECKING:
    from oldrestore.evaluation.prediction import ColoredPhoto

ANYTHING, AT_LEAST_0, SHARE = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)
JUDGED, AGREEMENT = "judged", "agreement"  # families of the first judge
View = Literal["log", "compare", "sweep", "evaluate"]


class Better(Enum):
    """Which way a metric is better; the value is what comparisons call it."""

    HIGHER = "max"
    LOWER = "min"
    CLOSER = "closer"  # to the original's: neither more nor less is better
    NEITHER = "neither"  # it describes the photographs or a baseline, not what was trained

    @property
    def way(self) -> Literal["max", "min"] | None:
        """``max`` or ``min``; None if the value alone does not say what is better."""
        return self.value if self in (Better.HIGHER, Better.LOWER) else None


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    The family says where it is measured: ``train``, ``val``, ``judged``; "" for the evaluators of protocols, where
    every name that holds these words is of this kind: ``psnr`` is that of ``network_psnr_hole``. Scalars are logged as
    ``FAMILY/NAME``.

    `of` measures a photograph (None for one that lacks what it takes), and `with_prior` once the whole set is known: of
    area and count by bin of a photograph, and of the prior. Three `columns` are what a design, the originals and gray
    photographs score: the metric is the share of the gap that the design closes. A fourth is what the best constant
    tint scores: the gap is then counted from the better of it and gray.
    """

    family: str
    name: str
    better: Better
    format: str  # one that ends in % makes it a percentage in comparisons and charts
    title: str = ""  # in a sentence
    short: str = ""  # at the head of a column; by default the name
    unit: str = ""
    of: Callable[[ColoredPhoto], float | Score | None] | None = None
    with_prior: Callable[[np.ndarray, np.ndarray, np.ndarray], Score] | None = None
    bounds: tuple[float, float] = ANYTHING  # what it can be: an interval is not drawn beyond
    needs: str | None = None  # what a network must predict to have it
    columns: tuple[str, ...] = ()  # the scores of single photographs it is computed from; by default its own
    places: Mapping[View, int] = field(default_factory=dict)  # which column it is of each view that shows it

    @property
    def key(self) -> str:
        """Name that a run logs it by."""
        return f"{self.family}/{self.name}"


def _colorfulness_difference(photo: ColoredPhoto) -> float:
    return abs(metrics.colorfulness(photo.rgb) - metrics.colorfulness(photo.original))


def _top(k: int) -> Callable[[ColoredPhoto], Score | None]:
    return lambda p: None if p.top_bins is None else metrics.bin_accuracy(p.top_bins, p.true_ab, k)


def _judged(name: str, better: Better, title: str, short: str, *columns: str, **places: int) -> Metric:
    bounds = SHARE if len(columns) == 1 else ANYTHING  # the share of a gap may be anything
    return Metric(JUDGED, name, better, ".1%", title, short, bounds=bounds, columns=columns, places=places)


def _versions(score: str) -> tuple[str, ...]:
    return tuple(f"{version}_{score}" for version in ("iter", "orig", "gray"))


HIGHER, LOWER, CLOSER, NEITHER = Better
FROM_FLOOR = "from the better of gray and the best tint"

METRICS = (
    Metric("train", "loss", LOWER, ".4f", title="training loss"),
    Metric("val", "loss", LOWER, ".4f", title="validation loss", places={"log": 1}),
    Metric(
        "val",
        "psnr",
        HIGHER,
        ".2f",
        "PSNR",
        "PSNR",
        of=lambda p: metrics.capped_psnr(p.rgb, p.original),
        unit="dB",
        bounds=(0.0, metrics.HIGHEST_PSNR),
        places={"log": 2, "compare": 7, "evaluate": 3},
    ),
    Metric(
        "val", "ssim", HIGHER, ".4f", "SSIM", of=lambda p: metrics.ssim(p.rgb, p.original, 255.0), bounds=(-1.0, 1.0)
    ),
    Metric(
        "val",
        "ab_rmse",
        LOWER,
        ".2f",
        "ab RMSE",
        of=lambda p: metrics.ab_rmse(p.ab, p.true_ab),
        unit="Lab units",
        bounds=AT_LEAST_0,
    ),
    Metric(
        "val",
        "auc",
        HIGHER,
        ".4f",
        "raw AuC",
        "AuC",
        of=lambda p: metrics.auc(p.ab, p.true_ab),
        bounds=SHARE,
        places={"log": 3, "compare": 5, "sweep": 2, "evaluate": 1},
    ),
    Metric(
        "val",
        "auc_rebalanced",
        HIGHER,
        ".4f",
        "rebalanced AuC",
        "AuC rebal",
        with_prior=metrics.rebalance,
        bounds=SHARE,
        places={"log": 4, "compare": 6, "sweep": 1, "evaluate": 2},
    ),
    # CIEDE2000 (oldrestore.color.difference) of the recoloured photograph in 8 bits: about 1 is just noticeable.
    Metric(
        "val",
        "de2000",
        LOWER,
        ".2f",
        "CIEDE2000",
        "dE2000",
        of=lambda p: float(p.difference.mean()),
        bounds=AT_LEAST_0,
        places={"compare": 8, "evaluate": 5},
    ),
    Metric(
        "val",
        "de2000_p95",
        LOWER,
        ".2f",
        "95th percentile of CIEDE2000",
        "dE2000 p95",
        of=lambda p: float(np.percentile(p.difference, 95)),
        bounds=AT_LEAST_0,
    ),
    Metric(
        "val",
        "nearer_than_gray",
        HIGHER,
        ".1%",
        "share of pixels nearer to the truth than gray",
        "nearer",
        of=lambda p: metrics.share_nearer(p.difference, p.gray_difference),
        bounds=SHARE,
    ),
    *(
        Metric(
            "val", f"bin_top{k}", HIGHER, ".4f", of=_top(k), needs="logits", title=f"top-{k} bin accuracy", bounds=SHARE
        )
        for k in (1, 5)
    ),
    Metric(
        "val",
        "colorfulness",
        CLOSER,
        ".1f",
        "colourfulness",
        "CF",
        of=lambda p: metrics.colorfulness(p.rgb),
        bounds=AT_LEAST_0,
        places={"log": 5, "compare": 9, "sweep": 3, "evaluate": 4},
    ),
    Metric(
        "val",
        "colorfulness_original",
        NEITHER,
        ".1f",
        of=lambda p: metrics.colorfulness(p.original),
        bounds=AT_LEAST_0,
        places={"log": 6},
    ),
    Metric(
        "val",
        "colorfulness_difference",
        LOWER,
        ".1f",
        "colourfulness difference",
        "delta CF",
        of=_colorfulness_difference,
        bounds=AT_LEAST_0,
        places={"compare": 10},
    ),
    _judged(
        "iter_accuracy",
        HIGHER,
        "accuracy on recoloured photographs",
        "iter",
        "iter_correct",
        compare=1,
        sweep=4,
        evaluate=6,
    ),
    _judged("orig_accuracy", NEITHER, "accuracy on the originals", "orig", "orig_correct", compare=2),
    _judged("gray_accuracy", NEITHER, "accuracy on gray photographs", "gray", "gray_correct", compare=3),
    _judged("gap_closed", HIGHER, "share of the accuracy gap closed", "closed", *_versions("correct"), compare=4),
    _judged(
        "gap_closed_probability", HIGHER, "share of the probability gap closed", "closed p", *_versions("probability")
    ),
    _judged(
        "gap_closed_from_floor",
        HIGHER,
        f"share of the accuracy gap closed, {FROM_FLOOR}",
        "closed, floor",
        *_versions("correct"),
        "tint_correct",
    ),
    _judged(
        "gap_closed_probability_from_floor",
        HIGHER,
        f"share of the probability gap closed, {FROM_FLOOR}",
        "closed p, floor",
        *_versions("probability"),
        "tint_probability",
    ),
    Metric(
        "judged", "iter_probability", HIGHER, ".3f", title="probability of the true class", short="p iter", bounds=SHARE
    ),
    # The judge's answers beside those on the originals; each also of gray photographs.
    *(
        Metric(
            "agreement",
            name if version == "" else f"{version}_{name}",
            better if version == "" else NEITHER,
            form,
            f"{title} of {version or 'recoloured'} photographs",
            short if version == "" else f"{short} {version}",
            unit=unit,
            bounds=bounds,
            places=places if version == "" else {},
        )
        for name, better, form, title, short, unit, bounds, places in (
            ("kl", LOWER, ".3f", "KL divergence", "KL", "nats", AT_LEAST_0, {"log": 7, "compare": 11, "sweep": 5}),
            ("js", LOWER, ".3f", "JS divergence", "JS", "nats", (0.0, math.log(2)), {}),
            ("feature_distance", LOWER, ".3f", "feature distance", "features", "", (0.0, 2.0), {}),
            ("top1", HIGHER, ".1%", "top-1 agreement", "top-1", "", SHARE, {}),
            ("top5", HIGHER, ".1%", "top-5 agreement", "top-5", "", SHARE, {}),
        )
        for version in ("", "gray")
    ),
    Metric(
        "agreement",
        "kl_closed",
        HIGHER,
        ".1%",
        "share of gray's KL divergence taken away",
        "KL closed",
        columns=("kl", "gray_kl"),
    ),
    # Of evaluators, by the words of a name: holes, hints, restoration, detection, measures of whole sets.
    *(
        Metric("", name, better, form, unit=unit, bounds=bounds)
        for name, better, form, unit, bounds in (
            ("psnr", HIGHER, ".2f", "dB", AT_LEAST_0),
            ("pasted_psnr", NEITHER, ".2f", "dB", AT_LEAST_0),  # hints without a network
            ("ssim", HIGHER, ".4f", "", (-1.0, 1.0)),
            ("auc", HIGHER, ".4f", "", SHARE),
            ("lpips", LOWER, ".4f", "", AT_LEAST_0),
            ("rmse", LOWER, ".4g", "", AT_LEAST_0),
            ("mae", LOWER, ".4g", "", AT_LEAST_0),
            ("precision", HIGHER, ".3f", "", SHARE),
            ("recall", HIGHER, ".3f", "", SHARE),
            ("f1", HIGHER, ".3f", "", SHARE),
            ("iou", HIGHER, ".3f", "", SHARE),
            ("undamaged", LOWER, ".4f", "", SHARE),  # share found on photographs without damage
            ("fid", LOWER, ".2f", "", AT_LEAST_0),
            ("cf", CLOSER, ".1f", "", AT_LEAST_0),
            ("cf_original", NEITHER, ".1f", "", AT_LEAST_0),
            ("delta_cf", LOWER, ".1f", "", AT_LEAST_0),
        )
    ),
)
_ROWS = {(metric.family, metric.name): metric for metric in METRICS}
# What validation measures of each photograph, in the order of its files.
OF_VALIDATION = tuple(metric for metric in METRICS if metric.of or metric.with_prior)


def shown_in(view: View, measured: Iterable[str] = ()) -> list[Metric]:
    """Metrics that the log line or a printed table shows, in its order.

    Names of what was `measured`, ``FAMILY/NAME``, add those of further judges, each beside the first judge's.
    """
    named = (metric_of(*name.split("/", 1)) for name in measured if "/" in name)
    rows = {metric.key: metric for metric in (*METRICS, *named) if metric is not None and view in metric.places}
    return sorted(rows.values(), key=lambda metric: metric.places[view])


def directions(measures: Iterable[tuple[str, str, str | None]]) -> str:
    """Say of measures (heading, unit, ``max`` or ``min`` or None) which way each is better, as a line below a table."""
    ways: dict[str, list[str]] = {"max": [], "min": []}
    for heading, unit, way in measures:
        if way is not None:
            ways[way].append(f"{heading} ({unit})" if unit else heading)
    said = {"higher": ways["max"], "lower": ways["min"]}
    return "; ".join(f"{word} is better: {', '.join(names)}" for word, names in said.items() if names)


def is_agreement(family: str) -> bool:
    """Say whether a family holds a judge's agreement: ``agreement``, or ``squeezenet_agreement`` of a further judge."""
    return f"_{family}".endswith(f"_{AGREEMENT}")


def metric_of(family: str, name: str) -> Metric | None:
    """Return the row of a metric, or that of its kind if it is an evaluator's; None if the table has neither.

    A further judge's figures, ``squeezenet/iter_accuracy`` and ``squeezenet_agreement/kl``, are as the first judge's;
    views show those that have a direction. Of two kinds whose words a name holds, that of more words counts:
    ``cf_original`` is not ``cf``.
    """
    if (metric := _ROWS.get((family, name))) is not None:
        return metric
    first = _ROWS.get((AGREEMENT if is_agreement(family) else JUDGED, name))
    if first is not None and family not in ("train", "val"):
        judge = family.removesuffix(f"_{AGREEMENT}")
        called = {"title": f"{first.title} ({judge})", "short": f"{judge} {first.short or name}"}
        return replace(first, family=family, places=first.places if first.better.way else {}, **called)
    words = f"_{re.sub('[^a-z0-9]+', '_', name.lower())}_"
    kinds = [metric for metric in METRICS if metric.family == "" and f"_{metric.name}_" in words]
    if family in ("train", JUDGED) or not kinds:
        return None
    return replace(max(kinds, key=lambda metric: len(metric.name)), family=family, name=name)
