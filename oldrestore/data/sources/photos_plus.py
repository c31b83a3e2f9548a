"""The default photographs and about 200 more of Debian's gcompris-qt-data, once they are prepared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages.gcompris import PACKAGE, PINNED_SHA256, VERSION, pinned_hash, prepared_folder
from oldrestore.data.sources.index import PhotoFile
from oldrestore.data.sources.photo import PHOTO_EXTENSIONS, Photo
from oldrestore.data.sources.photos import Photos
from oldrestore.data.sources.source import Candidate, Offer, PhotoSource, Prepared
from oldrestore.errors import UserError

PREPARE = "oldrestore data prepare photos_plus"


class PhotosPlus(PhotoSource):
    """`Photos` and the photographs that ``oldrestore data prepare photos_plus`` has prepared.

    Parameters
    ----------
    root : str or None
        Folder of the prepared photographs; where the command puts them when None.
    validation_fraction : float
        Share that is held out, drawn by content hash: photographs of `Photos` are in the split in which they
        are there.
    prepared : {"auto", "off", "required"}
        Whether what ``oldrestore data prepare`` has made is used: it changes no pixel.

    Raises
    ------
    UserError
        On first use: when nothing is prepared, or the folder does not hold the photographs of the pinned
        version.
    """

    name = "photos_plus"

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,
        validation_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2,
        prepared: Prepared = "auto",
    ):
        super().__init__(crops, validation_fraction, prepared)
        self.root = root

    def offer(self) -> Offer:
        """List the photographs of the packages and the prepared ones."""
        folder = Path(self.root).expanduser() if self.root else prepared_folder()
        prepared = []
        if folder.is_dir():
            prepared = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_EXTENSIONS)
        if not prepared:
            raise UserError(f"the photographs of photos_plus are not prepared in {folder}; run: {PREPARE}")
        packaged = Photos(self.crops, validation_fraction=self.validation_fraction).offer()
        added = tuple(Candidate(Photo(f"gcompris/{path.name}", path)) for path in prepared)
        return Offer(packaged.candidates + added, packaged.left_out, f"{packaged.place} and {folder}")

    def check_contents(self, contents: Sequence[tuple[Photo, PhotoFile]]) -> None:
        """Compare the prepared photographs with the pinned hash."""
        hashes = [found.sha256 for photo, found in contents if photo.name.startswith("gcompris/") and found.sha256]
        if pinned_hash(hashes) != PINNED_SHA256:
            raise UserError(
                f"the prepared photographs of photos_plus ({len(hashes)} files) are not those of {PACKAGE} "
                f"{VERSION}; run again: {PREPARE}"
            )
