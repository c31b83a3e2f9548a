"""The photographs in Debian's gcompris-qt-data: fetched, and the usable ones chosen."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes
from oldrestore.data.packages.debian_package import File, PackagedPicture, PinnedPackage, colorfulness
from oldrestore.data.packages.qt_resources import BrokenResource, read_resources
from oldrestore.errors import UserError

PACKAGE = PinnedPackage(
    "gcompris-qt-data", "3.1-2", 200, "0a814afd981e2fd6ab6ed465a30784c3e74e079164ad774e2a86947908c4bd62"
)

ACTIVITIES = (
    "categorization",
    "erase",
    "explore_farm_animals",
    "explore_monuments",
    "explore_world_animals",
    "explore_world_music",
)
RASTER_ENDINGS = frozenset({".webp", ".jpg", ".jpeg", ".png"})

MIN_SIDE = 120
"""Pixels of the shorter side."""
MIN_CHROMA = 8.0
"""Mean Lab chroma: below it a photograph is nearly gray."""
MIN_COLORS = 700
"""Distinct colours at 5 bits a channel: fewer is a drawing, or a thing on a plain ground."""
NEAR_DUPLICATE = 0.98
"""Correlation of 16 x 16 gray thumbnails above which the smaller of two photographs is left out: some come in
two sizes, which would carry one photograph into training and validation. Different ones stay below 0.93."""


def prepare_gcompris() -> str:
    """Download, unpack, choose and check the photographs; replaces earlier ones, and returns a sentence on what it did.

    Photographs keep their original bytes. Their licences differ by file (GPL, CC-BY, CC-BY-SA, CC0): the
    READMEs that name the authors are kept beside them. They are for use here and not for shipping on.
    """
    with PACKAGE.unpacked(instead="photos") as folder:
        images, notes = read_activities(folder / "usr/share/gcompris-qt/rcc")
    kept, left_out = choose_photographs(images)
    PACKAGE.check("photographs", kept)
    size = sum(len(image.data) for image in kept)
    counts = {"found": len(images), "kept": len(kept), "bytes": size, "left_out": left_out}
    PACKAGE.write([(image.name, image.data) for image in kept], notes, counts)
    return (
        f"kept {len(kept)} of {len(images)} images of {PACKAGE.name} {PACKAGE.version} ({size / 1e6:.1f} MB, "
        f"checked: sha256 {PACKAGE.sha256[:12]}) in {PACKAGE.folder}"
    )


def choose_photographs(images: list[File]) -> tuple[list[PackagedPicture], list[dict[str, str]]]:
    """Return the images that are usable as photographs, in name order, and name and reason of the others."""
    usable, left_out = [], []
    for name, data in sorted(images):
        try:
            image = PackagedPicture(name, data, decode_bytes(data))
            reason = _why_unusable(image)
        except UnreadablePhoto as problem:
            reason = problem.reason
        if reason:
            left_out.append({"name": name, "reason": reason})
        else:
            usable.append(image)
    smaller = _smaller_of_pairs(usable)
    left_out += [{"name": name, "reason": f"smaller copy of {larger}"} for name, larger in smaller.items()]
    return [image for image in usable if image.name not in smaller], left_out


def _why_unusable(image: PackagedPicture) -> str | None:
    with Image.open(io.BytesIO(image.data)) as opened:
        if opened.has_transparency_data and np.asarray(opened.convert("RGBA"))[..., 3].min() < 255:
            return "not opaque"
    if min(image.pixels.shape[:2]) < MIN_SIDE:
        return f"shorter side below {MIN_SIDE} pixels"
    chroma, colors = colorfulness(image.pixels.reshape(-1, 3))
    if chroma < MIN_CHROMA:
        return f"mean chroma below {MIN_CHROMA:g}"
    return f"fewer than {MIN_COLORS} distinct colours" if colors < MIN_COLORS else None


def _smaller_of_pairs(images: list[PackagedPicture]) -> dict[str, str]:
    """Name of each image that another, larger one repeats, with the larger one's name."""
    if len(images) < 2:
        return {}
    thumbnails = []
    for image in images:
        gray = Image.fromarray(image.pixels).convert("L").resize((16, 16), Image.Resampling.BOX)
        values = np.asarray(gray, np.float64).ravel()
        values = values - values.mean()
        thumbnails.append(values / max(np.linalg.norm(values), 1e-9))
    correlation = np.array(thumbnails) @ np.array(thumbnails).T
    smaller: dict[str, str] = {}
    for first, second in zip(*np.nonzero(np.triu(correlation > NEAR_DUPLICATE, k=1)), strict=True):
        small, large = sorted((images[first], images[second]), key=lambda image: (image.pixels.size, image.name))
        smaller[small.name] = large.name
    return smaller


def read_activities(folder: Path) -> tuple[list[File], list[File]]:
    """Return the images, and the READMEs that name authors and licences, of all activities in the folder of .rcc."""
    images, notes = [], []
    for activity in ACTIVITIES:
        path = folder / f"{activity}.rcc"
        try:
            resources = list(read_resources(path))
        except (OSError, BrokenResource) as error:
            raise UserError(
                f"{PACKAGE.name} {PACKAGE.version} is expected to hold {path.name}, which cannot be read ({error})"
            ) from error
        for inside, data in resources:
            name = readable_name(activity, inside)
            if PurePosixPath(inside).suffix.lower() in RASTER_ENDINGS:
                images.append((name, data))
            elif PurePosixPath(inside).name.startswith("README"):
                notes.append((name, data))
    return images, notes


def readable_name(activity: str, inside: str) -> str:
    """``gcompris/src/activities/erase/resource/bee.webp`` becomes ``erase-bee.webp``."""
    plain = {"gcompris", "src", "activities", activity, "resource", "images", "..", ".", ""}
    return "-".join([activity, *(part for part in inside.replace("\\", "/").split("/") if part not in plain)])
