"""The photographs of `photos_plus`, and training pictures with things pasted onto them, once they are prepared."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages.stamps import PACKAGE, prepare_stamps
from oldrestore.data.sources.grouping import GroupBy
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.photos_plus import PhotosPlus
from oldrestore.data.sources.source import Candidate, Offer, Prepared, TrainingFraction
from oldrestore.errors import UserError

PREPARE = "oldrestore data prepare photos_wide"
GROUNDS_FRACTION = 0.2
"""Validation fraction that the grounds of the composites are drawn with."""


class PhotosWide(PhotosPlus):
    """`PhotosPlus` and, in training alone, composites of cut-out things (fruit, animals, flowers, vehicles).

    A few hundred photographs show too few things whose colour is their own. The composites add them; their
    grounds are training photographs. Validation photographs are those of `PhotosPlus`, all of them real.
    """

    name = "photos_wide"

    @checked
    def __init__(
        self,
        crops: Crops,
        root: str | None = None,
        stamps_root: str | None = None,  # of the composites; by default where the command puts them
        # Of `PhotosPlus`. The composites were made for 0.2 and hold no other fraction back: a larger one is refused.
        validation_fraction: Annotated[float, Field(ge=0, le=GROUNDS_FRACTION)] = GROUNDS_FRACTION,
        prepared: Prepared = "auto",
        group_by: GroupBy | None = None,
        training_fraction: TrainingFraction | None = None,
    ):
        super().__init__(crops, root, validation_fraction, prepared, group_by, training_fraction)
        self.stamps_root = stamps_root

    def offer(self) -> Offer:
        """List the photographs of `PhotosPlus` and the composites."""
        photographs = super().offer()
        folder = Path(self.stamps_root).expanduser() if self.stamps_root else PACKAGE.folder
        composites = sorted(folder.glob("*.png")) if folder.is_dir() else []
        if not composites:
            raise UserError(f"the composites of photos_wide are not prepared in {folder}; run: {PREPARE}")
        added = tuple(Candidate(Photo(f"stamps/{path.name}", path), "train") for path in composites)
        return Offer(photographs.candidates + added, photographs.left_out, f"{photographs.place} and {folder}")


def prepare_photos_wide() -> str:
    """Make the composites, on the training photographs of `PhotosPlus`, which must be prepared before."""
    source = PhotosPlus(Crops(size=512, crop=512), validation_fraction=GROUNDS_FRACTION)
    split = source.split("train")
    # By content, so that the names of files play no part in which ground a stamp comes to stand on.
    ordered = sorted(zip(split.hashes, split.photos, strict=True), key=lambda pair: pair[0])
    return prepare_stamps([decode_photo(photo.path) for _, photo in ordered])
