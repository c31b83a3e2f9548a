"""Baselines that need no training, measured on the shipped photographs: gray, and the colour of another photograph.

Beside the published table of Zhang et al. (2016), whose photographs these are not: see docs/protocols.md.

    python docs/measure_protocols.py
"""

from __future__ import annotations

import numpy as np

from oldrestore import runtime

SETS = {"labelled_photos": "test", "photos": "val"}
SEED = 0
SHOWN = ("auc", "auc_rebalanced", "psnr", "ssim", "colorfulness", "colorfulness_original")


def measure() -> None:
    """Print a row for each set, baseline and prior."""
    from oldrestore.color.lab import rgb_to_lab
    from oldrestore.config.build import build
    from oldrestore.config.compose import compose_config
    from oldrestore.data.cropping.evaluation_crops import EvaluationCrops
    from oldrestore.data.loading.loader import evaluation_photos
    from oldrestore.data.prior import dataset_prior
    from oldrestore.evaluation.prediction import ColorPrediction
    from oldrestore.evaluation.validation import measure_photos, summarize_validation

    training = build(compose_config([]).dataset)
    prior = dataset_prior(training.split("train"), training.crops)
    crops = EvaluationCrops(256, "squash", "bicubic")  # as cic_2016 cuts them
    print(f"{'photographs':<18}{'n':>4}  {'colour':<8}" + "".join(f"{name:>22}" for name in SHOWN))
    for name, split_name in SETS.items():
        source = build(compose_config([f"dataset={name}"]).dataset)
        photos = [(photo.name, rgb) for photo, rgb in evaluation_photos(source.split(split_name), crops)]
        truths = [rgb_to_lab(rgb) for _, rgb in photos]
        # Everybody has the colour of another photograph.
        order = np.random.default_rng(SEED).permutation(len(photos))
        other = {int(a): int(b) for a, b in zip(order, np.roll(order, 1), strict=True)}
        place = {np.ascontiguousarray(lab[..., 0]).tobytes(): index for index, lab in enumerate(truths)}

        def gray(lightness):
            return [ColorPrediction(np.zeros((*L.shape, 2), np.float32)) for L in lightness]

        def random(lightness, truths=truths, other=other, place=place):
            return [ColorPrediction(truths[other[place[L.tobytes()]]][..., 1:].copy()) for L in lightness]

        for colour, colorize in (("gray", gray), ("random", random)):
            measured = measure_photos(colorize, photos)
            found = summarize_validation(measured).summary
            row = "".join(f"{found[key]:>22.4f}" for key in SHOWN)
            print(f"{name:<18}{len(photos):>4}  {colour:<8}{row}")
            trained = summarize_validation(measured, prior).summary["auc_rebalanced"]
            print(f"{'':<32}auc_rebalanced by the prior of the training photographs of photos: {trained:.4f}")


if __name__ == "__main__":
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    measure()
