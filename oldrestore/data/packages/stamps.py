"""Cut-out photographs of things, of Debian's tuxpaint-stamps-default, pasted onto training photographs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.data.cropping.crops import RESIZE_FILTER
from oldrestore.data.packages.debian_package import PackagedPicture, PinnedPackage, colorfulness

PACKAGE = PinnedPackage(
    "tuxpaint-stamps-default", "2022.06.04-1", 218, "0768ea310ce667b139cddd2808ef5b38a0a519d02b6f2658e1fc2666a5249d5b"
)
STAMPS = "usr/share/tuxpaint/stamps"

LEFT_OUT_FOLDERS = ("symbols", "seasonal", "space", "town/roadsigns", "town/flags")
"""Signs, drawings and what nobody photographs."""
MIN_LONG_SIDE = 90
"""Pixels of the longer side of what is opaque: smaller ones are blurred when they fill a crop."""
MIN_CHROMA = 8.0
"""Mean Lab chroma of what is opaque."""
MIN_COLORS = 180
"""Distinct colours at 5 bits a channel: fewer is a drawing."""

SIDE = 288
"""Pixels: side of a composite."""
COPIES = 3
"""Composites of each stamp, on different grounds."""
SHARE = (0.5, 0.9)
"""Longer side of the stamp over the side of the composite, drawn evenly."""
LARGEST = 1.5
"""A stamp is enlarged at most this much."""
SEED = 7_401


def prepare_stamps(grounds: Sequence[np.ndarray]) -> str:
    """Download, choose and check the stamps, and paste each onto photographs, in place of what was prepared before.

    The licences of the stamps differ by file (GPL, public domain, Creative Commons): the texts that name the
    authors are kept beside the composites. They are for use here and not for shipping on.

    `grounds` are photographs, uint8 (H, W, 3), in an order that is always the same. They must be training photographs:
    what is seen in a composite is learnt. Returns a sentence on what was made.
    """
    with PACKAGE.unpacked(instead="photos_plus") as folder:
        total = len(list((folder / STAMPS).rglob("*.png")))
        stamps = choose_stamps(folder / STAMPS)
        notes = [(path.name, path.read_bytes()) for path in (folder / "usr/share/doc" / PACKAGE.name).glob("copyright")]
    PACKAGE.check("stamps", stamps)
    composites = [(f"{name}.png", png(rgb)) for name, rgb in paste_all(stamps, grounds)]
    counts = {"found": total, "kept": len(stamps), "composites": len(composites), "grounds": len(grounds)}
    PACKAGE.write(composites, notes, counts)
    return (
        f"made {len(composites)} pictures of {len(stamps)} of the {total} stamps of {PACKAGE.name} {PACKAGE.version} "
        f"on {len(grounds)} photographs (checked: sha256 {PACKAGE.sha256[:12]}) in {PACKAGE.folder}"
    )


def choose_stamps(folder: Path) -> list[PackagedPicture]:
    """Keep the stamps in a folder that are colourful photographs of things, in the order of their names."""
    stamps = []
    for path in sorted(folder.rglob("*.png")):
        inside = path.relative_to(folder).as_posix()
        if inside.startswith(tuple(f"{left}/" for left in LEFT_OUT_FOLDERS)) or "/cartoon/" in inside:
            continue
        data = path.read_bytes()
        rgba = cut(data)
        if max(rgba.shape[:2]) < MIN_LONG_SIDE:
            continue
        chroma, colors = colorfulness(rgba[rgba[..., 3] > 127][:, :3])
        if colors >= MIN_COLORS and chroma >= MIN_CHROMA:
            stamps.append(PackagedPicture(inside.removesuffix(".png").replace("/", "-"), data, rgba))
    return stamps


def cut(data: bytes) -> np.ndarray:
    """Decode a stamp and cut it to what is opaque, uint8 (H, W, 4); empty if nothing is."""
    with Image.open(io.BytesIO(data)) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    rows, columns = np.nonzero(rgba[..., 3] > 127)
    if not len(rows):
        return rgba[:0, :0]
    return rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def paste_all(stamps: Sequence[PackagedPicture], grounds: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Make `COPIES` composites of each stamp; yields name and picture, uint8 (SIDE, SIDE, 3).

    Ground, place, size and mirroring follow from the stamp's content and the number of the copy.
    """
    for stamp in stamps:
        for copy in range(COPIES):
            rng = np.random.default_rng([SEED, copy, int(stamp.sha256[:15], 16)])
            yield f"{stamp.name}-{copy}", paste(stamp, grounds[int(rng.integers(len(grounds)))], rng)


def paste(stamp: PackagedPicture, ground_hw3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paste a stamp onto a square of a photograph, uint8 (SIDE, SIDE, 3)."""
    height, width = ground_hw3.shape[:2]
    scale, down, right = rng.random(3)
    side = min(height, width) * (0.6 + 0.4 * scale)
    top, left = down * (height - side), right * (width - side)
    picture = Image.fromarray(ground_hw3).resize((SIDE, SIDE), RESIZE_FILTER, box=(left, top, left + side, top + side))
    long_side = max(stamp.pixels.shape[:2])
    size = min(SIDE * rng.uniform(*SHARE), LARGEST * long_side)
    cut = Image.fromarray(stamp.pixels if rng.random() < 0.5 else np.ascontiguousarray(stamp.pixels[:, ::-1]))
    shape = tuple(max(1, round(pixels * size / long_side)) for pixels in cut.size)
    cut = cut.resize(shape, RESIZE_FILTER)
    x, y = (int(rng.integers(SIDE - pixels + 1)) for pixels in shape)
    picture.paste(cut, (x, y), cut)
    return np.asarray(picture)


def png(rgb_hw3: np.ndarray) -> bytes:
    """Encode a picture, uint8 (H, W, 3), losslessly."""
    file = io.BytesIO()
    Image.fromarray(rgb_hw3).save(file, "PNG")
    return file.getvalue()
