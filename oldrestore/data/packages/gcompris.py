"""Fetches the photographs in Debian's gcompris-qt-data with apt-get, without root; keeps the usable ones."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.cache import cache_directory
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes
from oldrestore.data.packages.debian_package import download_and_unpack, refuse_foreign_folder, write_prepared
from oldrestore.data.packages.qt_resources import BrokenResource, read_resources
from oldrestore.errors import UserError

PACKAGE = "gcompris-qt-data"
VERSION = "3.1-2"
PINNED_COUNT = 200
PINNED_SHA256 = "0a814afd981e2fd6ab6ed465a30784c3e74e079164ad774e2a86947908c4bd62"
"""sha256 over the sorted content hashes of the photographs kept from version 3.1-2, a line each."""

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


@dataclass(frozen=True)
class _Image:
    name: str
    data: bytes
    rgb: np.ndarray

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Prepared:
    """What `prepare_gcompris` made.

    Attributes
    ----------
    package, version : str
        Debian's.
    folder : str
        Where the photographs are.
    found, kept : int
        Images in the package's activities, and photographs kept of them.
    bytes : int
        Size of the photographs together.
    sha256 : str
        The pinned hash that they were checked against.
    left_out : list of dict
        name and reason of every image that was not kept.
    """

    package: str
    version: str
    folder: str
    found: int
    kept: int
    bytes: int
    sha256: str
    left_out: list[dict[str, str]]

    def __str__(self) -> str:
        return (
            f"kept {self.kept} of {self.found} images of {self.package} {self.version} "
            f"({self.bytes / 1e6:.1f} MB, checked: sha256 {self.sha256[:12]}) in {self.folder}"
        )


def prepared_folder(parent: Path | None = None) -> Path:
    """Where `prepare_gcompris` puts the photographs: inside `parent`, `cache_directory` when None."""
    return (parent or cache_directory()) / f"{PACKAGE}-{VERSION}"


def pinned_hash(content_hashes: list[str]) -> str:
    """Return the one hash of a set of photographs, regardless of their names and order."""
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in sorted(content_hashes)).encode("ascii")).hexdigest()


def prepare_gcompris(parent: Path | None = None) -> Prepared:
    """Download, unpack, filter and check the photographs; replace what an earlier call prepared.

    The package is fetched by name with ``apt-get download``, which needs neither root nor an installation.
    Photographs keep their original bytes. Their licences differ by file (GPL, CC-BY, CC-BY-SA, CC0): the
    READMEs that name the authors are kept beside them. They are for use here and not for shipping on.

    Parameters
    ----------
    parent : Path or None
        Folder in which a folder ``gcompris-qt-data-3.1-2`` is made; `cache_directory` when None, where
        `PhotosPlus` looks.

    Returns
    -------
    Prepared
        What was made; ``str()`` of it is a sentence.

    Raises
    ------
    UserError
        When apt-get or dpkg-deb is missing or fails, the package is not version 3.1-2, or the folder
        holds something else.
    """
    destination = prepared_folder(parent)
    refuse_foreign_folder(destination)
    with tempfile.TemporaryDirectory(prefix="oldrestore-gcompris-") as temporary:
        advice = f"prepare it on Debian or Ubuntu and copy {destination}, or use dataset=photos"
        unpacked = download_and_unpack(PACKAGE, Path(temporary), advice)
        images, notes = _read_activities(unpacked / "usr/share/gcompris-qt/rcc")
    kept, left_out = choose_photographs(images)
    summary = Prepared(
        package=PACKAGE,
        version=VERSION,
        folder=str(destination),
        found=len(images),
        kept=len(kept),
        bytes=sum(len(image.data) for image in kept),
        sha256=pinned_hash([image.sha256 for image in kept]),
        left_out=left_out,
    )
    if summary.sha256 != PINNED_SHA256:
        raise UserError(
            f"the photographs in the {PACKAGE} that apt-get downloaded are not those of version {VERSION}, which "
            f"is expected: {len(kept)} of {PINNED_COUNT} kept, sha256 {summary.sha256[:12]} and not "
            f"{PINNED_SHA256[:12]}; use a Debian or Ubuntu release that has {PACKAGE} {VERSION}"
        )
    write_prepared(destination, ((image.name, image.data) for image in kept), notes, asdict(summary))
    return summary


def choose_photographs(images: list[tuple[str, bytes]]) -> tuple[list[_Image], list[dict[str, str]]]:
    """Keep the images that are usable as photographs.

    Parameters
    ----------
    images : list of (str, bytes)
        Name and file contents.

    Returns
    -------
    kept : list
        With `name`, `data` and `rgb`, in name order.
    left_out : list of dict
        name and reason of the others.
    """
    usable, left_out = [], []
    for name, data in sorted(images):
        try:
            image = _Image(name, data, decode_bytes(data))
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


def _why_unusable(image: _Image) -> str | None:
    with Image.open(io.BytesIO(image.data)) as opened:
        if opened.has_transparency_data and np.asarray(opened.convert("RGBA"))[..., 3].min() < 255:
            return "not opaque"
    if min(image.rgb.shape[:2]) < MIN_SIDE:
        return f"shorter side below {MIN_SIDE} pixels"
    ab = rgb_to_lab(image.rgb)[..., 1:]
    if float(np.hypot(ab[..., 0], ab[..., 1]).mean()) < MIN_CHROMA:
        return f"mean chroma below {MIN_CHROMA:g}"
    coarse = image.rgb.astype(np.int32) >> 3
    colors = len(np.unique((coarse[..., 0] << 10) | (coarse[..., 1] << 5) | coarse[..., 2]))
    return f"fewer than {MIN_COLORS} distinct colours" if colors < MIN_COLORS else None


def _smaller_of_pairs(images: list[_Image]) -> dict[str, str]:
    """Name of each image that another, larger one repeats, with the larger one's name."""
    if len(images) < 2:
        return {}
    thumbnails = []
    for image in images:
        gray = Image.fromarray(image.rgb).convert("L").resize((16, 16), Image.Resampling.BOX)
        values = np.asarray(gray, np.float64).ravel()
        values = values - values.mean()
        thumbnails.append(values / max(np.linalg.norm(values), 1e-9))
    correlation = np.array(thumbnails) @ np.array(thumbnails).T
    smaller: dict[str, str] = {}
    for first, second in zip(*np.nonzero(np.triu(correlation > NEAR_DUPLICATE, k=1)), strict=True):
        small, large = sorted((images[first], images[second]), key=lambda image: (image.rgb.size, image.name))
        smaller[small.name] = large.name
    return smaller


def _read_activities(folder: Path) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Images, and the READMEs that name authors and licences, of all activities."""
    images, notes = [], []
    for activity in ACTIVITIES:
        path = folder / f"{activity}.rcc"
        try:
            resources = list(read_resources(path))
        except (OSError, BrokenResource) as error:
            raise UserError(
                f"{PACKAGE} {VERSION} is expected to hold {path.name}, which cannot be read ({error})"
            ) from error
        for inside, data in resources:
            name = _readable_name(activity, inside)
            if PurePosixPath(inside).suffix.lower() in RASTER_ENDINGS:
                images.append((name, data))
            elif PurePosixPath(inside).name.startswith("README"):
                notes.append((name, data))
    return images, notes


def _readable_name(activity: str, inside: str) -> str:
    """``gcompris/src/activities/erase/resource/bee.webp`` becomes ``erase-bee.webp``."""
    plain = {"gcompris", "src", "activities", activity, "resource", "images", "..", ".", ""}
    return "-".join([activity, *(part for part in inside.replace("\\", "/").split("/") if part not in plain)])
