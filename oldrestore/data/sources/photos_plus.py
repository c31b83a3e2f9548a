"""The default photographs and about 200 more of Debian's gcompris-qt-data, once they are prepared."""

from collections.abc import Sequence
from pathlib import Path

from oldrestore.data.packages import gcompris
from oldrestore.data.packages.debian_package import pinned_hash
from oldrestore.data.sources.index import PhotoFile
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.photos import Photos, photo_files
from oldrestore.data.sources.source import Candidate, Offer, PhotoSource
from oldrestore.errors import UserError

PREPARE = "oldrestore data prepare photos_plus"


class PhotosPlus(PhotoSource):
    """`Photos` and the photographs that ``oldrestore data prepare photos_plus`` has prepared.

    Those of `Photos` are in the split in which they are there; by default, `root` is where the command puts the others.
    """

    name = "photos_plus"

    def offer(self) -> Offer:
        """List the photographs of the packages and the prepared ones."""
        folder = Path(self.root).expanduser() if self.root else gcompris.PACKAGE.folder
        prepared = photo_files(folder)
        if not prepared:
            raise UserError(f"the photographs of photos_plus are not prepared in {folder}; run: {PREPARE}")
        packaged = Photos(self.crops, validation_fraction=self.validation_fraction).offer()
        added = tuple(Candidate(Photo(f"gcompris/{path.name}", path)) for path in prepared)
        return Offer(packaged.candidates + added, packaged.left_out, f"{packaged.place} and {folder}")

    def check_contents(self, contents: Sequence[tuple[Photo, PhotoFile]]) -> None:
        """Compare the prepared photographs with the pinned hash."""
        hashes = [file.sha256 for photo, file in contents if photo.name.startswith("gcompris/") and file.sha256]
        package = gcompris.PACKAGE
        if pinned_hash(hashes) != package.sha256:
            raise UserError(
                f"the prepared photographs of photos_plus ({len(hashes)} files) are not those of {package.name} "
                f"{package.version}; run again: {PREPARE}"
            )
