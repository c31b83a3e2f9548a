"""Measures how well a network fills holes, beside fills that learn nothing, on the same seeded masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import paddle
from pydantic import Field
from rich.table import Table
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.data.inputs.holes import HoleInputs
from oldrestore.errors import UserError
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext
from oldrestore.evaluation.metrics import SSIM_WINDOW
from oldrestore.evaluation.scores import ImageScore, summarize
from oldrestore.panels import side_by_side
from oldrestore.tables import plain_table

HOLES_STREAM = 4  # seeds of the masks begin with this
HIGHEST_PSNR = 100.0  # of pixels without any error, whose PSNR is infinite
MEASURES = ("psnr_hole", "psnr_known", "ssim_hole", "ssim_known")
TITLES = {"mean": "mean colour", "start": "start of the network", "biharmonic": "biharmonic", "network": "network"}


@dataclass(frozen=True)
class _Filled:
    """One photograph with holes and what was made of it; pictures uint8 (H, W, 3)."""

    name: str
    original: np.ndarray
    damaged: np.ndarray
    hole: np.ndarray
    fills: dict[str, np.ndarray]


class HoleFilling:
    """PSNR and SSIM in the holes and outside, of the network and of fills that learn nothing.

    The fills: ``mean``, the mean colour of the photograph's known pixels; ``start``, what the network itself starts
    from, where it has a ``starting_fill``; ``biharmonic``, `skimage.restoration.inpaint_biharmonic` (Damelin and
    Hoang 2018). Masks depend on `seed`, on the photograph's place in the order of names and on the settings
    below, not on the run: every run is measured on the same.

    Parameters
    ----------
    shape, thickness, fill
        As for `oldrestore.data.inputs.holes.HoleInputs`.
    biharmonic : bool
        Whether to compute that fill too.
    samples : int
        Photographs in the panel damaged | network | biharmonic | original.
    every_time : bool
        Measure at each validation, or at the end only.
    """

    @checked
    def __init__(
        self,
        shape: Literal["free_form", "box", "mixed"] = "free_form",
        thickness: Literal["thin", "medium", "thick", "mixed"] = "medium",
        fill: Annotated[float, Field(ge=0, le=1)] = 0.5,
        seed: Annotated[int, Field(ge=0)] = 0,
        biharmonic: bool = True,
        samples: Annotated[int, Field(ge=0)] = 8,
        every_time: bool = True,
    ) -> None:
        self.holes = HoleInputs(shape, thickness, fill)
        self.seed = seed
        self.biharmonic = biharmonic
        self.samples = samples
        self.every_time = every_time

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure; values are means over photographs, and ``psnr_gain_over_FILL`` the network's lead in the holes."""
        if "rgb" not in context.network.predicts:
            raise UserError(
                f"holes cannot be measured on {type(context.network).__name__}, which predicts "
                f"{' and '.join(sorted(context.network.predicts))}: take a model that predicts rgb"
            )
        per_image: list[ImageScore] = []
        shown: list[list[np.ndarray]] = []
        chosen = {i * context.count // max(1, self.samples) for i in range(min(self.samples, context.count))}
        watched = context.watch(context.photos(), "filling holes", context.count)
        place = 0
        for photos in batches(watched, context.batch_size):
            for filled in self._fill(context.network, photos, place):
                for method, picture in filled.fills.items():
                    scores = score_fill(picture, filled.original, filled.hole)
                    per_image += [ImageScore(filled.name, f"{method}_{name}", *scores[name]) for name in scores]
                if place in chosen:
                    others = [filled.fills["biharmonic"]] if self.biharmonic else []
                    shown.append([filled.damaged, filled.fills["network"], *others, filled.original])
                place += 1
        means = summarize(per_image)
        methods = [name for name in TITLES if f"{name}_psnr_hole" in means]
        values = {f"{method}_{measure}": means[f"{method}_{measure}"] for method in methods for measure in MEASURES}
        for method in methods[:-1]:
            values[f"psnr_gain_over_{method}"] = means["network_psnr_hole"] - means[f"{method}_psnr_hole"]
        rows = [
            {"fill": method, "n": place} | {measure: values[f"{method}_{measure}"] for measure in MEASURES}
            for method in methods
        ]
        titles = ["Damaged", type(context.network).__name__, *(["Biharmonic"] if self.biharmonic else []), "Original"]
        panels = {"filled": side_by_side(shown, titles)} if shown else {}
        return Evaluated(values, per_image, panels, self._table(rows, place), rows)

    @paddle.no_grad()
    def _fill(self, network: Callable, photos: list[tuple[str, np.ndarray]], first: int) -> list[_Filled]:
        damaged_batches = [
            self.holes(paddle.to_tensor(rgb[None]), [name], np.random.default_rng([HOLES_STREAM, self.seed, first + i]))
            for i, (name, rgb) in enumerate(photos)
        ]
        joined = Batch(
            **{
                field: paddle.concat([getattr(one, field) for one in damaged_batches])
                for field in ("L_b1hw", "ab_b2hw", "rgb_b3hw", "damaged_b3hw", "hole_b1hw")
            },
            names=tuple(name for name, _ in photos),
        )
        pictures = {"network": network(*(getattr(joined, field) for field in network.reads)).rgb}
        if hasattr(network, "starting_fill"):
            pictures["start"] = network.starting_fill(joined.damaged_b3hw, joined.hole_b1hw)
        restored = {name: rgb8(tensor) for name, tensor in pictures.items()}
        damaged = rgb8(joined.damaged_b3hw)
        holes = joined.hole_b1hw[:, 0].numpy() > 0.5
        return [
            _Filled(
                name,
                rgb,
                damaged[i],
                holes[i],
                {k: pictures_bhw3[i] for k, pictures_bhw3 in restored.items()} | self._plain(rgb, holes[i]),
            )
            for i, (name, rgb) in enumerate(photos)
        ]

    def _plain(self, rgb: np.ndarray, hole: np.ndarray) -> dict[str, np.ndarray]:
        plain = {"mean": mean_colour(rgb, hole)}
        if self.biharmonic:
            plain["biharmonic"] = biharmonic(rgb, hole)
        return plain

    def _table(self, rows: list[dict], count: int) -> Table:
        kinds = f"{'/'.join(self.holes.thicknesses)}, {'/'.join(self.holes.shapes)}"
        headings = ("PSNR in holes", "PSNR outside", "SSIM in holes", "SSIM outside")
        title = f"Filled holes ({kinds}; n = {count})"
        table = plain_table(title, "PSNR in dB", gap=2, texts=("fill",), numbers=headings)
        for row in rows:
            psnr = ["unchanged" if row[name] >= HIGHEST_PSNR else f"{row[name]:.2f}" for name in MEASURES[:2]]
            table.add_row(TITLES[row["fill"]], *psnr, *[f"{row[name]:.4f}" for name in MEASURES[2:]])
        return table


def score_fill(picture: np.ndarray, original: np.ndarray, hole: np.ndarray) -> dict[str, tuple[float, float]]:
    """Scores of one filled photograph as (value, weight); a place that has no pixels has weight 0.

    ``psnr_hole`` and ``psnr_known`` are 10 log10(255^2 / mean squared error) over the pixels in holes or outside
    (at most 100 dB); ``ssim_hole`` and ``ssim_known`` the means over the same pixels of the SSIM map (Wang et al.
    2004; Gaussian window, data range 255, mean of the three channels). Each photograph counts the same.

    Parameters
    ----------
    picture, original : np.ndarray
        uint8 (H, W, 3).
    hole : np.ndarray
        bool (H, W).
    """
    if min(hole.shape) < SSIM_WINDOW:
        raise UserError(f"SSIM needs photographs of at least 11 x 11 pixels, not {hole.shape[1]} x {hole.shape[0]}")
    squared = ((picture.astype(np.float64) - original.astype(np.float64)) ** 2).mean(axis=-1)
    _, similar = structural_similarity(
        original,
        picture,
        data_range=255.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    similar = similar.mean(axis=-1)
    scores: dict[str, tuple[float, float]] = {}
    for place, where in (("hole", hole), ("known", ~hole)):
        error = float(squared[where].mean()) if where.any() else 0.0
        psnr = HIGHEST_PSNR if error == 0 else min(HIGHEST_PSNR, float(10 * np.log10(255.0**2 / error)))
        scores[f"psnr_{place}"] = (psnr, float(where.any()))
        scores[f"ssim_{place}"] = (float(similar[where].mean()) if where.any() else 0.0, float(where.any()))
    return scores


def mean_colour(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Give the holes the mean colour of the known pixels, uint8 (H, W, 3); mid-gray where nothing is known."""
    mean = rgb[~hole].mean(axis=0) if (~hole).any() else np.full(3, 127.5)
    return np.where(hole[..., None], np.round(mean), rgb).astype(np.uint8)


def biharmonic(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill holes by scikit-image's biharmonic inpainting, uint8 (H, W, 3)."""
    known = np.where(hole[..., None], 0, rgb) / 255.0  # of the original nothing may be seen in the holes
    filled = inpaint_biharmonic(known, hole, channel_axis=-1)
    return np.round(np.clip(filled, 0.0, 1.0) * 255.0).astype(np.uint8)


def rgb8(rgb_b3hw: paddle.Tensor) -> np.ndarray:
    """sRGB 0..1 (B, 3, H, W) as uint8 (B, H, W, 3)."""
    return np.round(paddle.clip(rgb_b3hw, 0.0, 1.0).transpose([0, 2, 3, 1]).numpy() * 255.0).astype(np.uint8)
