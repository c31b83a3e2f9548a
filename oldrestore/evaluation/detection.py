"""Measures how well damage is detected, kind by kind, on seeded damage of validation photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import paddle
from pydantic import Field
from rich.table import Table

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Damaged
from oldrestore.data.damage.chain import check_damages
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext, spread
from oldrestore.evaluation.mask_counts import MEASURES, MaskCounts
from oldrestore.evaluation.scores import ImageScore
from oldrestore.panels import side_by_side
from oldrestore.tables import plain_table

DETECTION_STREAM = 5  # seeds of the damage begin with this
FOUND = np.array([230, 30, 30], dtype=np.uint8)
UNDAMAGED = "undamaged"
# Several pictures uint8 (H, W, 3) of one size in, a mask bool (H, W) of each out.
Find = Callable[[list[np.ndarray]], list[np.ndarray]]


@checked
@dataclass
class DamageDetection:
    """Precision, recall, F1 and IoU of each kind of damage alone, and false alarms on undamaged photographs.

    Damage depends on `seed`, on the photograph's place in the order of names and on the kind's place in `damages`.
    Measures are pooled over all pixels of a kind.
    """

    damages: Mapping[str, Any]  # kinds of damage by name, choices of ``conf/damage``
    # Measured beside the network, by name: `oldrestore.restoration.stages.Detector`.
    detectors: Mapping[str, Any] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5  # probability above which the network has found a pixel
    tolerance: Annotated[float, Field(ge=0, le=100)] = 0.0  # see `MaskCounts.of`; 0 asks for the very pixels
    seed: Annotated[int, Field(ge=0)] = 0
    samples: Annotated[int, Field(ge=0)] = 6  # photographs in the panels damaged | found | true
    every_time: bool = True

    def __post_init__(self) -> None:
        check_damages(self.damages)
        self.detectors = dict(self.detectors or {})

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure ``DETECTOR_KIND_MEASURE``, ``DETECTOR_f1`` (the mean over kinds) and ``DETECTOR_undamaged``."""
        context.require("damage_logits", "detection")
        finds: dict[str, Find] = {"network": lambda photos: self._network(context.network, photos)}
        for name, detector in self.detectors.items():
            finds[name] = finds_with(detector)
        watched = context.watch(context.photos(), "finding damage", context.count)
        return self.compare(finds, watched, context.count, context.batch_size)

    def compare(
        self, finds: Mapping[str, Find], photos: Iterable[tuple[str, np.ndarray]], count: int, batch_size: int = 8
    ) -> Evaluated:
        """Measure detectors beside each other, on `count` photographs (name, uint8 (H, W, 3)) in the order of names.

        The panel shows the first of them. A detector is given `batch_size` pictures at once.
        """
        totals: dict[tuple[str, str], MaskCounts] = {}
        per_image: list[ImageScore] = []
        shown: list[list[np.ndarray]] = []
        chosen = spread(count, self.samples)
        for place, (name, rgb) in enumerate(photos):
            cases = self.cases(rgb, place)
            for number, (detector, find) in enumerate(finds.items()):
                parts = batches([case.rgb_hw3 for case in cases.values()], batch_size)
                masks = [mask for part in parts for mask in find(part)]
                for (kind, damaged), mask in zip(cases.items(), masks, strict=True):
                    counts = MaskCounts.of(mask, damaged.mask_hw, self.tolerance)
                    totals[detector, kind] = totals.get((detector, kind), MaskCounts()) + counts
                    per_image += _image_scores(name, detector, kind, counts)
                if place in chosen and number == 0:
                    kind = list(self.damages)[len(shown) % len(self.damages)]
                    case, mask = cases[kind], masks[list(cases).index(kind)]
                    shown.append([case.rgb_hw3, overlay(case.rgb_hw3, mask), _white(case.mask_hw)])
        values = self._values(totals, list(finds))
        rows = [_row(detector, kind, counts) for (detector, kind), counts in totals.items()]
        panels = {"found": side_by_side(shown, ["Damaged", "Found", "True mask"])} if shown else {}
        return Evaluated(values, per_image, panels, table_of(rows, count), rows)

    def cases(self, rgb_hw3: np.ndarray, place: int) -> dict[str, Damaged]:
        """One photograph, uint8, with each kind of damage, and as it is; its place in the order of names is a seed."""
        undamaged = Damaged(rgb_hw3, np.zeros(rgb_hw3.shape[:2], dtype=bool), UNDAMAGED)
        streams = {kind: [DETECTION_STREAM, self.seed, place, k] for k, kind in enumerate(self.damages)}
        damaged = {kind: damage(rgb_hw3, np.random.default_rng(streams[kind])) for kind, damage in self.damages.items()}
        return damaged | {UNDAMAGED: undamaged}

    @paddle.no_grad()
    def _network(self, network: Callable, photos: list[np.ndarray]) -> list[np.ndarray]:
        pictures = np.stack(photos).transpose(0, 3, 1, 2).astype(np.float32) / 255.0
        logits = network(paddle.to_tensor(pictures)).damage_logits.numpy()[:, 0]
        return list(logits > np.log(self.threshold / (1.0 - self.threshold)))

    def _values(self, totals: Mapping[tuple[str, str], MaskCounts], detectors: list[str]) -> dict[str, float]:
        values: dict[str, float] = {}
        for detector in detectors:
            for kind in self.damages:
                values |= {f"{detector}_{kind}_{m}": getattr(totals[detector, kind], m) for m in MEASURES}
            values[f"{detector}_f1"] = float(np.mean([totals[detector, kind].f1 for kind in self.damages]))
            values[f"{detector}_{UNDAMAGED}"] = totals[detector, UNDAMAGED].false_share
        return values


def finds_with(detector: Callable[[np.ndarray], Any]) -> Find:
    """Let a `oldrestore.restoration.stages.Detector` look at several pictures."""
    return lambda photos: [detector(rgb).mask_hw for rgb in photos]


def overlay(rgb_hw3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
    """A photograph, paled, with a mask in red, uint8 (H, W, 3)."""
    pale = (rgb_hw3.astype(np.uint16) // 2 + 112).astype(np.uint8)
    return np.where(mask_hw[..., None], FOUND, pale)


def _white(mask_hw: np.ndarray) -> np.ndarray:
    return np.repeat(mask_hw[..., None] * np.uint8(255), 3, axis=2)


def _image_scores(name: str, detector: str, kind: str, counts: MaskCounts) -> list[ImageScore]:
    if kind == UNDAMAGED:
        return [ImageScore(name, f"{detector}_{UNDAMAGED}", counts.false_share, float(counts.pixels))]
    return counts.image_scores(name, f"{detector}_{kind}")


def _row(detector: str, kind: str, counts: MaskCounts) -> dict[str, Any]:
    shares = {m: getattr(counts, m) if kind != UNDAMAGED else None for m in MEASURES}
    return {"detector": detector, "damage": kind, **shares, "false_share": counts.false_share}


def table_of(rows: list[dict[str, Any]], count: int) -> Table:
    """Lay out the rows for the terminal."""
    table = plain_table(
        f"Damage found (n = {count})",
        "wrong: wrongly found, % of pixels",
        texts=("detector", "damage"),
        numbers=("precision", "recall", "F1", "IoU", "wrong"),
    )
    for row in rows:
        shares = ["" if row[m] is None else f"{row[m]:.3f}" for m in MEASURES]
        table.add_row(row["detector"], row["damage"], *shares, f"{100 * row['false_share']:.2f}")
    return table
