"""Walks one photograph through the stages of `oldrestore restore`, for docs/restore.md.

    python docs/restore_walk.py

The photograph (scikit-image's camera, gray) is damaged by the preset medium; then the command runs as a user would
type it, once with the detector of the configuration and once with the true mask. Prints PSNR and SSIM of each stage
and writes docs/images/restore_walk.jpg.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

import yaml  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402

from oldrestore.cli import main as oldrestore  # noqa: E402
from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.location import configuration_root  # noqa: E402
from oldrestore.panels import side_by_side  # noqa: E402

SEED = 3
IMAGES = Path(__file__).parent / "images"


def damage(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Damage a photograph by the preset medium; returns it and the mask of what is lost."""
    with initialize_config_dir(version_base="1.3", config_dir=str(configuration_root() / "conf")):
        preset = compose("config", overrides=["+damage=medium"]).damage
    made = build(preset)(rgb, np.random.default_rng(SEED))
    return made.rgb_hw3, made.mask_hw


def opened(path: Path) -> np.ndarray:
    """Read a picture."""
    return np.asarray(Image.open(path).convert("RGB"))


def main() -> None:
    """Damage, restore twice, measure, draw."""
    truth = np.repeat(data.camera()[..., None], 3, axis=-1)
    damaged, mask = damage(truth)
    rows, labels = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(damaged).save(folder / "old.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "true.png")
        for label, more in (("mask found by the detector", []), ("true mask", ["--mask", str(folder / "true.png")])):
            out = folder / label.replace(" ", "_")
            assert oldrestore(["restore", str(folder / "old.png"), "-o", str(out), *more]) == 0
            stages = [damaged, *(opened(out / f"old-{part}.png") for part in ("mask", "filled", "evened", "restored"))]
            rows.append(stages)
            labels.append(label)
            print(
                yaml.safe_dump(
                    {
                        label: {
                            stage: measures(stages[i], truth)
                            for stage, i in (("damaged", 0), ("filled", 2), ("evened", 3))
                        }
                    },
                    sort_keys=False,
                )
            )
            found = stages[1][..., 0] > 0
            print(f"mask: {found.mean():.1%} of the pixels, {(found & mask).sum() / mask.sum():.1%} of what is lost\n")
    titles = ["Damaged", "detect: mask", "fill", "restore", "colorize"]
    small = [[np.asarray(Image.fromarray(p).resize((288, 288), Image.Resampling.LANCZOS)) for p in row] for row in rows]
    Image.fromarray(side_by_side(small, titles, labels)).save(IMAGES / "restore_walk.jpg", quality=85)


def measures(picture: np.ndarray, truth: np.ndarray) -> str:
    """PSNR and SSIM of the lightness."""
    gray, true = picture.mean(axis=-1), truth[..., 0].astype(float)
    psnr = peak_signal_noise_ratio(true, gray, data_range=255)
    return f"PSNR {psnr:.2f} dB, SSIM {structural_similarity(true, gray, data_range=255):.3f}"


if __name__ == "__main__":
    main()
