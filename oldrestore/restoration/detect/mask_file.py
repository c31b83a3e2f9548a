"""A user's own mask in place of a detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo
from oldrestore.errors import UserError
from oldrestore.restoration.detect.base import Detection

LIGHT = 128


class MaskFile:
    """Reads the mask from a picture: light pixels (128 or more in any channel) are damaged.

    What is transparent counts as black, so that strokes on a layer of their own are a mask too.

    Parameters
    ----------
    path : str
        A picture of the photograph's size; or a folder of them, each named like its photograph (``holiday.png`` for
        ``holiday.tif``), which `for_photo` chooses from.
    """

    @checked
    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise UserError(f"there is no mask '{path}'")

    def for_photo(self, photo: Path) -> MaskFile:
        """Return the mask of a photograph: from a folder, the one file of its name."""
        if not self.path.is_dir():
            return self
        named = sorted(path for path in self.path.iterdir() if path.stem == photo.stem and path.is_file())
        if len(named) != 1:
            fault = f"has {len(named)} masks" if named else "has no mask"
            raise UserError(f"the folder '{self.path}' {fault} named '{photo.stem}': there must be one")
        return MaskFile(str(named[0]))

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Read the mask; see `oldrestore.restoration.detect.base.Detector`. The confidence is 1 in it.

        Raises
        ------
        UserError
            When the picture cannot be read or is not of the photograph's size.
        """
        if self.path.is_dir():
            raise UserError(f"'{self.path}' is a folder: a mask is chosen from it by the photograph's name")
        try:
            picture = _on_black(self.path) if _is_transparent(self.path) else decode_photo(self.path)
        except UnreadablePhoto as problem:
            raise UserError(f"the mask '{self.path}' cannot be read: {problem.reason}") from None
        (height, width), (mask_height, mask_width) = rgb_hw3.shape[:2], picture.shape[:2]
        if (height, width) != (mask_height, mask_width):
            raise UserError(
                f"the mask '{self.path}' is {mask_width} x {mask_height} pixels and its photograph {width} x {height}: "
                "they must be the same size"
            )
        mask = picture.max(axis=2) >= LIGHT
        return Detection(mask, mask.astype(np.float32))


def _is_transparent(path: Path) -> bool:
    try:
        with Image.open(path) as opened:
            return opened.has_transparency_data
    except (OSError, ValueError, Image.DecompressionBombError):
        return False  # said in a sentence by whoever decodes it


def _on_black(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as opened:
            rgba = np.asarray(ImageOps.exif_transpose(opened).convert("RGBA"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadablePhoto("not an image that can be read") from error
    return (rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255).astype(np.uint8)
