"""Measures how well a network fills holes, beside fills that learn nothing, on the same seeded masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
import paddle
from pydantic import Field
from rich.table import Table
from skimage.restoration import inpaint_biharmonic

from oldrestore.batch import Batch
from oldrestore.config.values import checked
from oldrestore.data.inputs.holes import HoleInputs
from oldrestore.evaluation.batching import batches
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext, spread
from oldrestore.evaluation.metrics import HIGHEST_PSNR, ssim_map
from oldrestore.evaluation.scores import ImageScore, summarize
from oldrestore.panels import side_by_side
from oldrestore.tables import plain_table

HOLES_STREAM = 4  # seeds of the masks begin with this
MEASURES = ("psnr_hole", "psnr_known", "ssim_hole", "ssim_known")
TITLES = {"mean": "mean colour", "start": "start of the network", "biharmonic": "biharmonic", "network": "network"}


class _Filled(NamedTuple):
    """One photograph with holes, and its fills by name; pictures uint8 (H, W, 3)."""

    name: str
    original: np.ndarray
    damaged: np.ndarray
    hole: np.ndarray
    fills: dict[str, np.ndarray]


@checked
@dataclass
class HoleFilling:
    """PSNR and SSIM in the holes and outside, of the network and of fills that learn nothing.

    The fills: ``mean``, the mean colour of the photograph's known pixels; ``start``, what the network itself starts
    from, where it has a ``starting_fill``; ``biharmonic``, `skimage.restoration.inpaint_biharmonic` (Damelin and
    Hoang 2018), which may be left out. Masks depend on `seed`, on the photograph's place in the order of names, and on
    `shape`, `thickness` and `fill` (see `oldrestore.data.inputs.holes.HoleInputs`). `samples` photographs are shown:
    damaged | network | biharmonic | original.
    """

    shape: Literal["free_form", "box", "mixed"] = "free_form"
    thickness: Literal["thin", "medium", "thick", "mixed"] = "medium"
    fill: Annotated[float, Field(ge=0, le=1)] = 0.5
    seed: Annotated[int, Field(ge=0)] = 0
    biharmonic: bool = True
    samples: Annotated[int, Field(ge=0)] = 8
    every_time: bool = True

    def __post_init__(self) -> None:
        self.holes = HoleInputs(self.shape, self.thickness, self.fill)

    def __call__(self, context: EvaluationContext) -> Evaluated:
        """Measure; values are means over photographs, and ``psnr_gain_over_FILL`` the network's lead in the holes."""
        context.require("rgb", "holes")
        per_image: list[ImageScore] = []
        shown: list[list[np.ndarray]] = []
        chosen = spread(context.count, self.samples)
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
        rows = [{"fill": method, "n": place} | {m: means[f"{method}_{m}"] for m in MEASURES} for method in methods]
        values = {f"{row['fill']}_{measure}": row[measure] for row in rows for measure in MEASURES}
        for method in methods[:-1]:
            values[f"psnr_gain_over_{method}"] = means["network_psnr_hole"] - means[f"{method}_psnr_hole"]
        titles = ["Damaged", type(context.network).__name__, *(["Biharmonic"] if self.biharmonic else []), "Original"]
        panels = {"filled": side_by_side(shown, titles)} if shown else {}
        return Evaluated(values, per_image, panels, self.table_of(rows, place), rows)

    @paddle.no_grad()
    def _fill(self, network: Callable, photos: list[tuple[str, np.ndarray]], first: int) -> list[_Filled]:
        damaged_batches = [
            self.holes(paddle.to_tensor(rgb[None]), [name], np.random.default_rng([HOLES_STREAM, self.seed, first + i]))
            for i, (name, rgb) in enumerate(photos)
        ]
        fields = ("L_b1hw", "ab_b2hw", "rgb_b3hw", "damaged_b3hw", "hole_b1hw")
        joined = Batch(**{field: paddle.concat([getattr(one, field) for one in damaged_batches]) for field in fields})
        pictures = {"network": network(*(getattr(joined, field) for field in network.reads)).rgb}
        if hasattr(network, "starting_fill"):
            pictures["start"] = network.starting_fill(joined.damaged_b3hw, joined.hole_b1hw)
        restored = {name: rgb8(tensor) for name, tensor in pictures.items()}
        damaged = rgb8(joined.damaged_b3hw)
        holes = joined.hole_b1hw[:, 0].numpy() > 0.5
        filled = []
        for i, (name, rgb) in enumerate(photos):
            fills = {method: pictures_bhw3[i] for method, pictures_bhw3 in restored.items()}
            fills["mean"] = mean_colour(rgb, holes[i])
            if self.biharmonic:
                fills["biharmonic"] = biharmonic(rgb, holes[i])
            filled.append(_Filled(name, rgb, damaged[i], holes[i], fills))
        return filled

    def table_of(self, rows: list[dict], count: int) -> Table:
        """Lay out the rows for the terminal."""
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
    2004; Gaussian window, data range 255, mean of the three channels). Each photograph counts the same. Pictures are
    uint8 (H, W, 3), the hole bool (H, W).
    """
    squared = ((picture.astype(np.float64) - original.astype(np.float64)) ** 2).mean(axis=-1)
    similar = ssim_map(picture, original)
    scores: dict[str, tuple[float, float]] = {}
    for place, where in (("hole", hole), ("known", ~hole)):
        error = float(squared[where].mean()) if where.any() else 0.0
        psnr = HIGHEST_PSNR if error == 0 else min(HIGHEST_PSNR, float(10 * np.log10(255.0**2 / error)))
        scores[f"psnr_{place}"] = (psnr, float(where.any()))
        scores[f"ssim_{place}"] = (float(similar[where].mean()) if where.any() else 0.0, float(where.any()))
    return scores


def mean_colour(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill holes with the mean colour of the known pixels, uint8 (H, W, 3); mid-gray if there are none."""
    mean = rgb[~hole].mean(axis=0) if (~hole).any() else np.full(3, 127.5)
    return np.where(hole[..., None], np.round(mean), rgb).astype(np.uint8)


def biharmonic(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill holes by scikit-image's biharmonic inpainting, uint8 (H, W, 3)."""
    blanked = np.where(hole[..., None], 0, rgb) / 255.0  # the fill must not see the original
    filled = inpaint_biharmonic(blanked, hole, channel_axis=-1)
    return np.round(np.clip(filled, 0.0, 1.0) * 255.0).astype(np.uint8)


def rgb8(rgb_b3hw: paddle.Tensor) -> np.ndarray:
    """sRGB 0..1 (B, 3, H, W) as uint8 (B, H, W, 3)."""
    return np.round(paddle.clip(rgb_b3hw, 0.0, 1.0).transpose([0, 2, 3, 1]).numpy() * 255.0).astype(np.uint8)
