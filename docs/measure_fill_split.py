"""Measures how well small and large holes are filled, and up to which size the method for small ones is better.

    python docs/measure_fill_split.py
    python docs/measure_fill_split.py --restorer FILE      # a network beside them, on one mask of each photograph

Seeded holes on the validation photographs of the dataset `photos`: the central SIDE x SIDE pixels, as they are in the
file. The split is chosen on one half of the photographs and scored on the other, then the other way round.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

from fill_split import best_split, fill_and_score, psnr_of_split  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.compose import compose_config  # noqa: E402
from oldrestore.data.codecs.decode import decode_photo  # noqa: E402
from oldrestore.models.sagan import SaganRestorer  # noqa: E402
from oldrestore.restoration.fill.biharmonic import Biharmonic  # noqa: E402
from oldrestore.restoration.fill.harmonic import Harmonic  # noqa: E402
from oldrestore.restoration.fill.network import NetworkFiller  # noqa: E402
from oldrestore.restoration.fill.opencv import OpenCV  # noqa: E402

SIDE = 384  # pixels
STREAM = 5  # the seeds of the masks begin with this
REPEATS = 4  # masks of each photograph
SCRATCHES, BLOTS = 2, 12  # of each mask
WIDTHS = (1, 9)  # of scratches, pixels
RADII = (1, 48)  # of blots, pixels; drawn evenly in the logarithm
BANDS = ((0, 1.5), (1.5, 3), (3, 5), (5, 8), (8, 12), (12, 20), (20, 64))
DEPTHS = [1.0, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32]
AREAS = [float(round(2**power)) for power in np.arange(3, 14, 0.5)]
FILLERS = {
    "biharmonic": Biharmonic(),
    "harmonic": Harmonic(),
    "telea": OpenCV("telea"),
    "navier_stokes": OpenCV("navier_stokes"),
}


def draw_holes(rng: np.random.Generator) -> np.ndarray:
    """Scratches of several widths and blots of several sizes, bool (SIDE, SIDE)."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(SCRATCHES):
        (x0, y0), (x1, y1) = rng.integers(0, SIDE, (2, 2)).tolist()
        cv2.line(mask, (x0, y0), (x1, y1), 1, int(rng.integers(WIDTHS[0], WIDTHS[1] + 1)))
    for _ in range(BLOTS):
        radius = round(RADII[0] * (RADII[1] / RADII[0]) ** float(rng.random()))
        center = rng.integers(radius, SIDE - radius, 2).tolist()
        axes = radius, max(1, round(radius * (0.5 + 0.5 * float(rng.random()))))
        cv2.ellipse(mask, center, axes, float(rng.integers(180)), 0, 360, 1, -1)
    return mask.astype(bool)


def photographs() -> list[np.ndarray]:
    """Central pixels of the validation photographs that are large enough."""
    found = []
    for photo in build(compose_config(["dataset=photos"]).dataset).split("val").photos:
        rgb = decode_photo(photo.path)
        top, left = (rgb.shape[0] - SIDE) // 2, (rgb.shape[1] - SIDE) // 2
        if min(top, left) >= 0:
            found.append(np.ascontiguousarray(rgb[top : top + SIDE, left : left + SIDE]))
    return found


def compare_restorer(weights: Path, width: float) -> None:
    """Print PSNR of a SAGAN restorer beside both methods of the split, by depth."""
    network = SaganRestorer(width=width, weights=str(weights))
    network.eval()
    fillers = {name: FILLERS[name] for name in ("biharmonic", "harmonic")}
    fillers |= {f"sagan_{size}": NetworkFiller(network, size=size) for size in (64, 128, 256)}
    holes = [
        hole
        for number, rgb in enumerate(photographs())
        for hole in fill_and_score([(rgb, draw_holes(np.random.default_rng([STREAM, number, 0])))], fillers)
    ]
    for low, high in BANDS:
        within = [hole for hole in holes if low < hole.depth <= high]
        psnr = ", ".join(f"{name} {psnr_of_split(within, name, name, 0, 'depth'):.2f}" for name in fillers)
        print(f"depth {low:g}-{high:g}, {len(within)} holes: {psnr}", flush=True)


def main() -> None:
    """Fill, score, print and write the results beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restorer", type=Path, help="weights or a checkpoint of model=sagan_restore")
    parser.add_argument("--width", type=float, default=0.25, help="model.width of the restorer")
    chosen = parser.parse_args()
    if chosen.restorer is not None:
        compare_restorer(chosen.restorer, chosen.width)
        return
    photos = photographs()
    holes = [
        replace(hole, photograph=number)
        for number, rgb in enumerate(photos)
        for repeat in range(REPEATS)
        for hole in fill_and_score([(rgb, draw_holes(np.random.default_rng([STREAM, number, repeat])))], FILLERS)
    ]
    console = Console(width=120)
    console.print(f"{len(photos)} photographs, {len(holes)} holes")

    table = Table(title="PSNR in holes, dB, by their depth in pixels")
    for column in ("depth", "holes", *FILLERS):
        table.add_column(column, justify="right")
    bands = []
    for low, high in BANDS:
        within = [hole for hole in holes if low < hole.depth <= high]
        row = {name: psnr_of_split(within, name, name, 0, "depth") for name in FILLERS}
        bands.append({"depth_above": low, "depth_to": high, "holes": len(within)} | row)
        table.add_row(f"{low:g}-{high:g}", str(len(within)), *(f"{row[name]:.2f}" for name in FILLERS))
    console.print(table)

    alone = {name: psnr_of_split(holes, name, name, 0, "depth") for name in FILLERS}
    console.print("all holes: " + ", ".join(f"{name} {psnr:.2f}" for name, psnr in alone.items()))
    splits = {}
    for measure, sizes in (("depth", DEPTHS), ("area", AREAS)):
        curve = {size: psnr_of_split(holes, "biharmonic", "harmonic", size, measure) for size in sizes}
        size, psnr = best_split(holes, "biharmonic", "harmonic", measure, sizes)
        crossed = []
        for half in (0, 1):
            chosen, _ = best_split(
                [h for h in holes if h.photograph % 2 == half], "biharmonic", "harmonic", measure, sizes
            )
            others = [h for h in holes if h.photograph % 2 != half]
            best_alone = max(psnr_of_split(others, name, name, 0, measure) for name in FILLERS)
            unseen = psnr_of_split(others, "biharmonic", "harmonic", chosen, measure)
            crossed.append({"chosen": chosen, "psnr": unseen, "best_alone": best_alone})
        splits[measure] = {"best": size, "psnr": psnr, "curve": curve, "crossed": crossed}
        console.print(
            f"split by {measure}: best at {size:g}, {psnr:.2f} dB; chosen on half, scored on the other: {crossed}"
        )
        console.print("  " + ", ".join(f"{s:g}: {p:.3f}" for s, p in curve.items()))
    results = {"photographs": len(photos), "holes": len(holes), "bands": bands, "alone": alone, "splits": splits}
    Path(__file__).with_name("fill_split.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
