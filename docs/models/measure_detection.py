"""Measures both detectors of damage: on training photographs to choose settings, on validation photographs to report.

    python docs/models/measure_detection.py choose [--weights FILE]    thresholds, on training photographs
    python docs/models/measure_detection.py measure [--weights FILE]   writes detection_results.json beside this file
    python docs/models/measure_detection.py panel [--weights FILE]     writes docs/images/detection_panel.jpg

Photographs are those of `dataset=photos`, central squares of 256 pixels or of the size that --side says, with the
damage of `evaluation=detection`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from rich.console import Console  # noqa: E402
from skimage.filters import apply_hysteresis_threshold  # noqa: E402

from oldrestore.color.lab import gray_rgb8, rgb_to_lab  # noqa: E402
from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.compose import compose_config  # noqa: E402
from oldrestore.data.cropping.crops import Crops  # noqa: E402
from oldrestore.data.loading.loader import evaluation_photos  # noqa: E402
from oldrestore.data.sources.photos import Photos  # noqa: E402
from oldrestore.evaluation.detection import DamageDetection, finds_with, overlay  # noqa: E402
from oldrestore.evaluation.mask_counts import MaskCounts  # noqa: E402
from oldrestore.panels import side_by_side  # noqa: E402
from oldrestore.restoration.detect.classical import ClassicalDetector  # noqa: E402
from oldrestore.restoration.detect.learned import LearnedDetector  # noqa: E402

HERE = Path(__file__).resolve().parent
LEARNED_THRESHOLDS = (
    (0.8, 0.8),
    (0.9, 0.9),
    (0.95, 0.95),
    (0.95, 0.8),
    (0.97, 0.7),
    (0.98, 0.6),
    (0.98, 0.8),
    (0.99, 0.5),
)
CLASSICAL_THRESHOLDS = (0.85, 1.0, 1.15)


def photographs(split: str, side: int, count: int | None, gray: bool) -> list[tuple[str, np.ndarray]]:
    """Squares of a split, in the order of names; `count` of them spread over it."""
    source = Photos(Crops(size=side, crop=side, evaluation_size=side))
    found = [(photo.name, rgb) for photo, rgb in evaluation_photos(source.split(split), source.crops)]
    if count:
        found = [found[i * len(found) // count] for i in range(count)]
    return [(name, gray_rgb8(rgb_to_lab(rgb)[..., 0])) for name, rgb in found] if gray else found


def choose(protocol: DamageDetection, learned: LearnedDetector, photos: list[tuple[str, np.ndarray]]) -> None:
    """Print F1 of each kind and the false positives at several thresholds."""
    kinds = [*protocol.damages, "undamaged"]
    found: dict[tuple, MaskCounts] = {}
    for place, (_, rgb) in enumerate(photos):
        for kind, case in protocol.cases(rgb, place).items():
            probability = learned(case.rgb_hw3).confidence_hw
            masks = {("learned", t): apply_hysteresis_threshold(probability, t[1], t[0]) for t in LEARNED_THRESHOLDS}
            for t in CLASSICAL_THRESHOLDS:
                masks["classical", t] = ClassicalDetector(threshold=t)(case.rgb_hw3).mask_hw
            for (detector, t), mask in masks.items():
                key = detector, t, kind
                found[key] = found.get(key, MaskCounts()) + MaskCounts.of(mask, case.mask_hw)
    for detector, thresholds in (("learned", LEARNED_THRESHOLDS), ("classical", CLASSICAL_THRESHOLDS)):
        for t in thresholds:
            counts = {kind: found[detector, t, kind] for kind in kinds}
            shown = [f"{kind} {c.f1:.3f}" for kind, c in counts.items() if kind != "undamaged"]
            print(
                f"{detector} {t}: {'  '.join(shown)}  wrongly {100 * counts['undamaged'].false_share:.2f}%", flush=True
            )


def measure(protocol: DamageDetection, learned: LearnedDetector, options: argparse.Namespace) -> None:
    """Measure both on validation photographs, and write what was found."""
    photos = photographs("val", options.side, options.count, options.gray)
    finds = {"learned": finds_with(learned), "classical": finds_with(ClassicalDetector())}
    found = protocol.compare(finds, photos, len(photos))
    Console(width=110).print(found.table)
    worst = {d: max(s.value for s in found.per_image if s.metric == f"{d}_undamaged") for d in finds}
    print("most found wrongly on one undamaged photograph:", {d: round(100 * v, 2) for d, v in worst.items()})
    path = HERE / "detection_results.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    name = f"{'gray' if options.gray else 'color'} {options.side}, tolerance {protocol.tolerance:g}"
    rows = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in found.rows]
    results[name] = {"photographs": len(photos), "rows": rows, "worst_undamaged": worst}
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def panel(protocol: DamageDetection, learned: LearnedDetector, options: argparse.Namespace) -> None:
    """Show photographs with scratches, creases, dust and holes: damaged, both detectors, true mask."""
    photos = photographs("val", 256, 4, gray=False)
    rows = []
    for place, ((_, rgb), kind) in enumerate(zip(photos, ("scratches", "creases", "dust", "holes"), strict=True)):
        case = protocol.cases(rgb, place)[kind]
        masks = [ClassicalDetector()(case.rgb_hw3).mask_hw, learned(case.rgb_hw3).mask_hw, case.mask_hw]
        rows.append([case.rgb_hw3, *(overlay(case.rgb_hw3, mask) for mask in masks)])
    path = HERE.parent / "images" / "detection_panel.jpg"
    Image.fromarray(side_by_side(rows, ["Damaged", "Classical", "Learned", "True mask"])).save(path, quality=60)
    print(path, path.stat().st_size, "bytes")


def main() -> None:
    """Carry out what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("choose", "measure", "panel"))
    parser.add_argument("--weights", default="released")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--count", type=int, default=None, help="photographs, spread over the split; all by default")
    parser.add_argument("--gray", action="store_true", help="photographs without colour, before the damage")
    parser.add_argument("--tolerance", type=float, default=0.0, help="pixels by which a border may be elsewhere")
    parser.add_argument("--kinds", default=None, help="such as scratches,creases; all by default")
    options = parser.parse_args()
    protocol = build(compose_config(["evaluation=detection"]).evaluation.evaluators.detection)
    protocol.tolerance = options.tolerance
    if options.kinds:
        protocol.damages = {kind: protocol.damages[kind] for kind in options.kinds.split(",")}
    learned = LearnedDetector(weights=options.weights)
    if options.action == "choose":
        choose(protocol, learned, photographs("train", options.side, options.count, options.gray))
    elif options.action == "measure":
        measure(protocol, learned, options)
    else:
        panel(protocol, learned, options)


if __name__ == "__main__":
    main()
