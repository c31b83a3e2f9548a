"""Measures a whole restoration, stage by stage, on seeded damage of validation photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

import numpy as np
import paddle
from pydantic import Field
from rich.table import Table

from oldrestore.config.values import checked
from oldrestore.data.damage.base import Severity
from oldrestore.data.damage.chain import check_damages
from oldrestore.errors import UserError
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext, spread
from oldrestore.evaluation.holes import score_fill
from oldrestore.evaluation.mask_counts import MEASURES as DETECTED
from oldrestore.evaluation.mask_counts import MaskCounts
from oldrestore.evaluation.metrics import HIGHEST_PSNR, capped_psnr
from oldrestore.evaluation.restoration_stages import VERSIONS, Stages, make_versions
from oldrestore.evaluation.scores import ImageScore, summarize
from oldrestore.panels import side_by_side
from oldrestore.tables import plain_table

RESTORATION_STREAM = 6  # seeds of the damage begin with this
MEASURES = ("psnr", "psnr_hole", "psnr_known", "ssim", "ssim_hole", "ssim_known", "lpips")
HEADINGS = {"psnr": "PSNR", "psnr_hole": "damaged", "psnr_known": "outside", "ssim": "SSIM", "lpips": "LPIPS"}


@checked
@dataclass
class RestorationStages:
    """PSNR, SSIM and LPIPS of each stage and of the whole, beside doing nothing and the classical stages alone.

    Damage depends on `seed` and on the photograph's place in the order of names; a higher severity is more of the same
    damage. ``_hole`` is over the pixels where structure is lost, ``_known`` over all others; damage without a mask
    (fading, noise, ...) has the second only. A network that predicts photographs is measured as filler, and as restorer
    where it repaints every pixel; one that predicts colour colours the output of the classical stages.
    """

    damages: Mapping[str, Any]  # kinds of damage by name, choices of ``conf/damage``
    # The classical stages, choices of ``conf/restore``; ``none`` leaves a stage out.
    detect: Any
    fill: Any
    restore: Any
    severities: Annotated[list[Severity], Field(min_length=1)] = (0.5, 1.0)  # they multiply those of a chain's steps
    # Build stages of the network that is measured, given it as ``network``.
    network_fill: Any = None
    network_restore: Any = None
    lpips: Any = None  # `oldrestore.models.lpips.LpipsNetwork`, with weights that the user has
    # Shorter side at which a network that predicts colour sees a photograph, pixels.
    color_size: Annotated[int, Field(ge=32, le=4096, multiple_of=8)] = 128
    photographs: Annotated[int, Field(ge=1)] | None = 16  # measured, spread evenly over the names; None is all
    seed: Annotated[int, Field(ge=0)] = 0
    # Photographs in the panel damaged | classical | network | original, with the last damage at the highest severity.
    samples: Annotated[int, Field(ge=0)] = 4
    every_time: bool = False

    def __post_init__(self) -> None:
        check_damages(self.damages)
        if not self.damages:
            raise UserError("the restoration protocol needs at least one kind of damage under 'damages'")
        self.severities = sorted(self.severities)
        steps = self.restore.values() if isinstance(self.restore, Mapping) else self.restore or ()
        self.stages = Stages(_unless_empty(self.detect), _unless_empty(self.fill), tuple(steps))

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure; values are ``DAMAGE_SEVERITY/VERSION_MEASURE`` and ``VERSION_MEASURE``, the mean over those.

        The detector's ``DAMAGE_SEVERITY/detect_MEASURE`` are pooled over pixels; everything else is a mean over
        photographs.
        """
        network = context.network
        stages = self.stages.of_network(network, self.network_fill, self.network_restore, self.color_size)
        places = spread(context.count, self.photographs)
        chosen = [places[index] for index in spread(len(places), self.samples)]
        per_image: list[ImageScore] = []
        shown: list[dict[str, np.ndarray]] = []
        for place, (name, rgb) in enumerate(context.watch(context.photos(), "restoring", context.count)):
            if place not in places:
                continue
            scores, versions = self._measure(stages, name, rgb, place)
            per_image += scores
            if place in chosen:
                shown.append(versions | {"original": rgb})
        means = summarize(per_image)
        rows = self._rows(means, len(places))
        values = means | _over_all(rows)
        return Evaluated(values, per_image, self._panels(shown, type(network).__name__), table_of(rows), rows)

    def _measure(
        self, stages: Stages, name: str, rgb: np.ndarray, place: int
    ) -> tuple[list[ImageScore], dict[str, np.ndarray]]:
        """Scores of one photograph under every damage, and its versions under the last."""
        per_image: list[ImageScore] = []
        versions: dict[str, np.ndarray] = {}
        for (kind, damage), severity in product(self.damages.items(), self.severities):
            condition = f"{kind}_{severity:g}"
            damaged = damage.at(severity)(rgb, np.random.default_rng([RESTORATION_STREAM, self.seed, place]))
            versions, detected = make_versions(stages, damaged)
            scored: dict[int, dict[str, tuple[float, float]]] = {}  # where no stage changed anything: one picture
            for version, picture in versions.items():
                if id(picture) not in scored:
                    scored[id(picture)] = self.score(picture, rgb, damaged.mask_hw)
                scores = scored[id(picture)]
                per_image += [ImageScore(name, f"{condition}/{version}_{m}", *scores[m]) for m in scores]
            if detected is not None and damaged.masks:
                counts = MaskCounts.of(detected, damaged.mask_hw)
                per_image += counts.image_scores(name, f"{condition}/detect")
        return per_image, versions

    def score(self, picture: np.ndarray, original: np.ndarray, mask: np.ndarray) -> dict[str, tuple[float, float]]:
        """Scores of one photograph as (value, weight): those of `score_fill`, and those of the whole picture.

        ``psnr`` and ``ssim`` are over all pixels (at most 100 dB); ``lpips`` where there are weights for it.
        """
        parts = score_fill(picture, original, mask)
        share = float(mask.mean())
        ssim = share * parts["ssim_hole"][0] + (1 - share) * parts["ssim_known"][0]
        scores = parts | {"psnr": (capped_psnr(picture, original), 1.0), "ssim": (ssim, 1.0)}
        if self.lpips is not None:
            with paddle.no_grad():
                pair = [
                    paddle.to_tensor(np.ascontiguousarray(rgb.transpose(2, 0, 1)[None]).astype(np.float32) / 255.0)
                    for rgb in (picture, original)
                ]
                scores["lpips"] = (float(self.lpips(*pair)), 1.0)
        return scores

    def _rows(self, means: Mapping[str, float], count: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for name, severity, version in product(self.damages, self.severities, VERSIONS):
            prefix = f"{name}_{severity:g}/"
            if f"{prefix}{version}_psnr" in means:
                row = {"damage": name, "severity": severity, "n": count, "version": version}
                row |= {measure: means.get(f"{prefix}{version}_{measure}") for measure in MEASURES}
                # The detector's figures concern the versions that begin with its mask.
                by_mask = version in ("fill", "classical", "network_fill", "network", "colorized")
                row |= {f"detect_{m}": means.get(f"{prefix}detect_{m}") if by_mask else None for m in DETECTED}
                rows.append(row)
        return rows

    def _panels(self, shown: list[dict[str, np.ndarray]], network: str) -> dict[str, np.ndarray]:
        if not shown:
            return {}
        titles = {"nothing": "Damaged", "classical": "Classical", "network": network, "colorized": network}
        columns = [version for version in titles if version in shown[0]]
        panel = side_by_side(
            [[versions[column] for column in [*columns, "original"]] for versions in shown],
            [*(titles[column] for column in columns), "Original"],
        )
        return {f"{list(self.damages)[-1]}_{self.severities[-1]:g}": panel}


def _unless_empty(stage: Any) -> Any:
    """None for the empty mapping that a choice ``none`` leaves."""
    return None if isinstance(stage, Mapping) and not stage else stage


def _over_all(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Mean of each version and measure over kinds and severities that have it.

    Outside of damage much is untouched, which counts as 100 dB: a mean of that would say little.
    """
    values = {}
    for version in VERSIONS:
        for measure in (measure for measure in MEASURES if not measure.endswith("_known")):
            measured = [row[measure] for row in rows if row["version"] == version and row[measure] is not None]
            if measured:
                values[f"{version}_{measure}"] = float(np.mean(measured))
    return values


def table_of(rows: list[dict[str, Any]]) -> Table:
    """Lay out what fits 80 columns; ``restoration.csv`` has it all."""
    count = rows[0]["n"] if rows else 0
    shown = {measure: heading for measure, heading in HEADINGS.items() if any(row[measure] is not None for row in rows)}
    title = f"Restoration of seeded damage (n = {count}; PSNR in dB)"
    table = plain_table(title, gap=2, texts=("damage", "stages"), numbers=shown.values())
    for row in rows:
        figures = ["" if row[measure] is None else _figure(measure, row[measure]) for measure in shown]
        first = row["version"] == "nothing"
        if first:
            table.add_section()
        table.add_row(f"{row['damage']} {row['severity']:g}" if first else "", VERSIONS[row["version"]], *figures)
    return table


def _figure(measure: str, value: float) -> str:
    if not measure.startswith("psnr"):
        return f"{value:.3f}"
    return "exact" if value >= HIGHEST_PSNR else f"{value:.2f}"
