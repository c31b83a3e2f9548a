"""Draws the pictures of docs/damage.md: ``python docs/damage_panels.py``; writes docs/images/damage_*.jpg.

Photographs are scikit-image's: astronaut, coffee and cat (public domain or CC0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.compose import compose_config  # noqa: E402
from oldrestore.panels import side_by_side  # noqa: E402

IMAGES = Path(__file__).parent / "images"
SIDE = 108
SEEDS = {"stains": 3, "foxing": 5, "creases": 3, "tears": 4, "holes": 5, "scratches": 3}
TONES = ("fading", "contrast", "sepia", "color_cast", "emulsion")
TEXTURES = ("grain", "noise", "blur", "jpeg")
MARKS = ("stains", "foxing", "dust", "scratches", "creases", "tears", "holes")
PRESETS = ("light", "medium", "heavy")


def damage_of(name: str):
    """Build a choice of conf/damage."""
    return build(compose_config(["inputs=damaged", f"damage@inputs.damage={name}"]).inputs).damage


def photographs() -> list[np.ndarray]:
    """Square photographs of SIDE pixels."""
    squares = [data.astronaut()[:380, 40:420], data.coffee()[:, 100:500], data.chelsea()[:, 70:370]]
    return [np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.LANCZOS)) for rgb in squares]


def kinds(names: tuple[str, ...], file: str) -> None:
    """One row a kind: undamaged, three severities, and the mask of the last where there is one."""
    rows = []
    for index, name in enumerate(names):
        rgb, damage = photographs()[index % 3], damage_of(name)
        made = [damage.at(s)(rgb, np.random.default_rng(SEEDS.get(name, 0))) for s in (0.25, 0.5, 1.0)]
        row = [rgb, *(damaged.rgb_hw3 for damaged in made)]
        rows.append([*row, white(made[-1].mask_hw)] if damage.structured else row)
    titles = ["Undamaged", "Severity 0.25", "0.5", "1", *(["Mask at 1"] if len(rows[0]) == 5 else [])]
    save(side_by_side(rows, titles, [name.replace("_", " ") for name in names]), file)


def presets() -> None:
    """One row a photograph: undamaged, light, medium, heavy, and the mask of the last."""
    rows = []
    for index, rgb in enumerate(photographs()):
        made = [damage_of(name)(rgb, np.random.default_rng(index)) for name in PRESETS]
        rows.append([rgb, *(damaged.rgb_hw3 for damaged in made), white(made[-1].mask_hw)])
    save(side_by_side(rows, ["Undamaged", *PRESETS, "Mask of heavy"]), "damage_presets.jpg")


def white(mask: np.ndarray) -> np.ndarray:
    """Draw a mask white on black."""
    return np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)


def save(panel: np.ndarray, file: str) -> None:
    """Write a panel as JPEG and say how large it is."""
    Image.fromarray(panel).save(IMAGES / file, quality=60, optimize=True, progressive=True)
    print(f"{file}: {(IMAGES / file).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    kinds(TONES, "damage_tones.jpg")
    kinds(TEXTURES, "damage_textures.jpg")
    kinds(MARKS, "damage_marks.jpg")
    presets()
