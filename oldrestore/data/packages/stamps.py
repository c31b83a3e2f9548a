"""Cut-out photographs of things, of Debian's tuxpaint-stamps-default, pasted onto training photographs."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.cache import cache_directory
from oldrestore.data.cropping.crops import RESIZE_FILTER
from oldrestore.data.packages.debian_package import download_and_unpack, refuse_foreign_folder, write_prepared
from oldrestore.data.packages.gcompris import pinned_hash
from oldrestore.errors import UserError

PACKAGE = "tuxpaint-stamps-default"
VERSION = "2022.06.04-1"
PINNED_COUNT = 218
PINNED_SHA256 = "0768ea310ce667b139cddd2808ef5b38a0a519d02b6f2658e1fc2666a5249d5b"
"""sha256 over the sorted content hashes of the stamps kept from that version, a line each."""
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


@dataclass(frozen=True)
class Stamp:
    """A cut-out photograph.

    Attributes
    ----------
    name : str
        ``animals-birds-flamingo``.
    data : bytes
        The PNG file.
    rgba_hw4 : numpy.ndarray
        uint8, cut to what is not transparent.
    """

    name: str
    data: bytes
    rgba_hw4: np.ndarray

    @property
    def sha256(self) -> str:
        """Content hash of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class PreparedStamps:
    """What `prepare_stamps` made; ``str()`` of it is a sentence.

    Attributes
    ----------
    package, version : str
        Debian's.
    folder : str
        Where the composites are.
    found, kept : int
        Stamps in the package, and stamps used.
    composites, grounds : int
        Pictures made, and photographs that they were made on.
    sha256 : str
        The pinned hash that the stamps were checked against.
    """

    package: str
    version: str
    folder: str
    found: int
    kept: int
    composites: int
    grounds: int
    sha256: str

    def __str__(self) -> str:
        return (
            f"made {self.composites} pictures of {self.kept} of the {self.found} stamps of {self.package} "
            f"{self.version} on {self.grounds} photographs (checked: sha256 {self.sha256[:12]}) in {self.folder}"
        )


def stamps_folder(parent: Path | None = None) -> Path:
    """Where `prepare_stamps` puts the composites: inside `parent`, `cache_directory` when None."""
    return (parent or cache_directory()) / f"{PACKAGE}-{VERSION}"


def prepare_stamps(grounds: Sequence[np.ndarray], parent: Path | None = None) -> PreparedStamps:
    """Download, filter and check the stamps, and paste each onto photographs; replaces what was prepared.

    The licences of the stamps differ by file (GPL, public domain, Creative Commons): the texts that name the
    authors are kept beside the composites. They are for use here and not for shipping on.

    Parameters
    ----------
    grounds : sequence of numpy.ndarray
        Photographs to paste onto, uint8 (H, W, 3), in an order that is always the same. They must be training
        photographs: what is seen in a composite is learnt.
    parent : Path or None
        Where the folder is made; `cache_directory` when None.

    Raises
    ------
    UserError
        When apt-get or dpkg-deb is missing or fails, the package is another version, or the folder holds
        something else.
    """
    destination = stamps_folder(parent)
    refuse_foreign_folder(destination)
    with tempfile.TemporaryDirectory(prefix="oldrestore-stamps-") as temporary:
        advice = f"prepare it on Debian or Ubuntu and copy {destination}, or use dataset=photos_plus"
        unpacked = download_and_unpack(PACKAGE, Path(temporary), advice)
        count = len(list((unpacked / STAMPS).rglob("*.png")))
        stamps = choose_stamps(unpacked / STAMPS)
        notes = [(path.name, path.read_bytes()) for path in (unpacked / "usr/share/doc" / PACKAGE).glob("copyright")]
    sha256 = pinned_hash([stamp.sha256 for stamp in stamps])
    if sha256 != PINNED_SHA256:
        raise UserError(
            f"the stamps in the {PACKAGE} that apt-get downloaded are not those of the expected version {VERSION}: "
            f"{len(stamps)} of {PINNED_COUNT} kept, sha256 {sha256[:12]} and not {PINNED_SHA256[:12]}; use a Debian or "
            f"Ubuntu release that has {PACKAGE} {VERSION}"
        )
    composites = list(paste_all(stamps, grounds))
    summary = PreparedStamps(
        PACKAGE, VERSION, str(destination), count, len(stamps), len(composites), len(grounds), sha256
    )
    write_prepared(destination, ((f"{name}.png", _png(rgb)) for name, rgb in composites), notes, asdict(summary))
    return summary


def choose_stamps(folder: Path) -> list[Stamp]:
    """Keep the stamps that are colourful photographs of things, in the order of their names.

    Parameters
    ----------
    folder : Path
        ``usr/share/tuxpaint/stamps`` of the package.
    """
    stamps = []
    for path in sorted(folder.rglob("*.png")):
        inside = path.relative_to(folder).as_posix()
        if inside.startswith(tuple(f"{left}/" for left in LEFT_OUT_FOLDERS)) or "/cartoon/" in inside:
            continue
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            rgba = np.asarray(opened.convert("RGBA"))
        rows, columns = np.nonzero(rgba[..., 3] > 127)
        if len(rows) and _usable(rgba[rows, columns, :3], max(np.ptp(rows), np.ptp(columns)) + 1):
            cut = rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            stamps.append(Stamp(inside.removesuffix(".png").replace("/", "-"), data, cut))
    return stamps


def _usable(rgb_n3: np.ndarray, long_side: int) -> bool:
    ab_n2 = rgb_to_lab(rgb_n3[None])[0, :, 1:]
    coarse = rgb_n3.astype(np.int32) >> 3
    colors = len(np.unique((coarse[:, 0] << 10) | (coarse[:, 1] << 5) | coarse[:, 2]))
    chroma = float(np.hypot(ab_n2[:, 0], ab_n2[:, 1]).mean())
    return long_side >= MIN_LONG_SIDE and colors >= MIN_COLORS and chroma >= MIN_CHROMA


def paste_all(stamps: Sequence[Stamp], grounds: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Make `COPIES` composites of each stamp; yields name and picture, uint8 (SIDE, SIDE, 3).

    Ground, place, size and mirroring follow from the stamp's content and the number of the copy.
    """
    for stamp in stamps:
        for copy in range(COPIES):
            rng = np.random.default_rng([SEED, copy, int(stamp.sha256[:15], 16)])
            yield f"{stamp.name}-{copy}", paste(stamp, grounds[int(rng.integers(len(grounds)))], rng)


def paste(stamp: Stamp, ground_hw3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paste a stamp onto a square of a photograph, uint8 (SIDE, SIDE, 3)."""
    height, width = ground_hw3.shape[:2]
    scale, down, right = rng.random(3)
    side = min(height, width) * (0.6 + 0.4 * scale)
    top, left = down * (height - side), right * (width - side)
    picture = Image.fromarray(ground_hw3).resize((SIDE, SIDE), RESIZE_FILTER, box=(left, top, left + side, top + side))
    long_side = max(stamp.rgba_hw4.shape[:2])
    size = min(SIDE * rng.uniform(*SHARE), LARGEST * long_side)
    cut = Image.fromarray(stamp.rgba_hw4 if rng.random() < 0.5 else np.ascontiguousarray(stamp.rgba_hw4[:, ::-1]))
    shape = tuple(max(1, round(pixels * size / long_side)) for pixels in cut.size)
    cut = cut.resize(shape, RESIZE_FILTER)
    x, y = (int(rng.integers(SIDE - pixels + 1)) for pixels in shape)
    picture.paste(cut, (x, y), cut)
    return np.asarray(picture)


def _png(rgb_hw3: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb_hw3).save(file, "PNG")
    return file.getvalue()
