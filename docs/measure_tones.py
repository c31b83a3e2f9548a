"""Measures what the classical restore stage does to each kind of unstructured damage, and to sound photographs; and
which photographs are taken for gray.

    python docs/measure_tones.py

Seeded damage on the validation photographs of the dataset `photos`, made smaller to a shorter
side of at most 256 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()

from hydra import compose, initialize_config_dir  # noqa: E402

from oldrestore.color.lab import gray_rgb8, rgb_to_lab  # noqa: E402
from oldrestore.config.build import build  # noqa: E402
from oldrestore.config.compose import compose_config  # noqa: E402
from oldrestore.config.location import configuration_root  # noqa: E402
from oldrestore.config.restoration import compose_restoration  # noqa: E402
from oldrestore.data.codecs.decode import decode_photo  # noqa: E402
from oldrestore.restoration.print_area import is_print_on_colored_ground  # noqa: E402
from oldrestore.restoration.stages import has_colors  # noqa: E402

SIDE = 256
STREAM = 6  # seeds of the damage begin with this
KINDS = ("none", "fading", "contrast", "color_cast", "sepia", "noise", "grain", "jpeg", "blur")
HIGHEST = 60.0  # dB


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR, at most `HIGHEST`."""
    error = ((a.astype(np.float64) - b) ** 2).mean()
    return HIGHEST if error == 0 else min(HIGHEST, 10 * np.log10(255.0**2 / error))


def main() -> None:
    """Damage, mend, print."""
    photos = []
    for photo in build(compose_config(["dataset=photos"]).dataset).split("val").photos:
        rgb = decode_photo(photo.path)
        scale = min(1.0, SIDE / min(rgb.shape[:2]))
        sides = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
        photos.append(np.asarray(Image.fromarray(rgb).resize(sides, Image.Resampling.BOX)))
    steps = {name: build(node) for name, node in compose_restoration([]).restore.items()}
    print(f"{len(photos)} photographs; PSNR, dB, mean over photographs")
    print(
        "| damage | before | " + " | ".join(f"after {name}" for name in steps) + " | made worse by more than 0.5 dB |"
    )
    print("|---|---|" + "---|" * (len(steps) + 1))
    for kind in KINDS:
        damage = damage_of(kind)
        scores = []
        for number, rgb in enumerate(photos):
            picture = damage(rgb, np.random.default_rng([STREAM, number])).rgb_hw3
            row = [psnr(picture, rgb)]
            for step in steps.values():
                picture = step(picture)
                row.append(psnr(picture, rgb))
            scores.append(row)
        worse = sum(row[-1] < row[0] - 0.5 for row in scores)
        print(f"| {kind} | " + " | ".join(f"{score:.2f}" for score in np.mean(scores, axis=0)) + f" | {worse} |")

    grays = [gray_rgb8(rgb_to_lab(rgb)[..., 0]) for rgb in photos]
    for kind in ("none", "sepia", "light", "medium", "heavy"):
        damage = damage_of(kind)
        counts = [
            sum(has_colors(damage(rgb, np.random.default_rng([STREAM, i])).rgb_hw3) for i, rgb in enumerate(group))
            for group in (photos, grays)
        ]
        print(f"taken for coloured, damage {kind}: {counts[0]} of {len(photos)} in colour, {counts[1]} made gray")
    tables = [[on_a_table(rgb) for rgb in group] for group in (photos, grays)]
    for what, group in (
        ("in colour", photos),
        ("in colour, on a table", tables[0]),
        ("made gray, on a table", tables[1]),
    ):
        count = sum(has_colors(rgb) and is_print_on_colored_ground(rgb) for rgb in group)
        print(f"taken for a gray print on a coloured ground: {count} of {len(group)} {what}")


def on_a_table(rgb: np.ndarray) -> np.ndarray:
    """Lay a photograph on a striped brown table, turned by 5 degrees, on half of its area."""
    height, width = rgb.shape[:2]
    stripes = np.arange(int(height * 1.4))[:, None, None] // 9 % 2
    table = Image.fromarray(
        np.repeat(np.where(stripes, (140, 90, 50), (190, 60, 40)), int(width * 1.4), 1).astype(np.uint8)
    )
    turned = Image.fromarray(rgb).convert("RGBA").rotate(5, Image.Resampling.BICUBIC, expand=True)
    table.paste(turned, ((table.width - turned.width) // 2, (table.height - turned.height) // 2), turned)
    return np.asarray(table)


def damage_of(kind: str) -> Callable:
    """Build a choice of the group damage."""
    with initialize_config_dir(version_base="1.3", config_dir=str(configuration_root() / "conf")):
        return build(compose("config", overrides=[f"+damage={kind}"]).damage)


if __name__ == "__main__":
    main()
