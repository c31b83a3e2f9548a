"""A user's own mask in place of a detector."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo
from oldrestore.errors import UserError
from oldrestore.restoration.stages import Detection

LIGHT = 128
# Of `_strokes`, in levels of 255.
ALIKE = 24  # the median difference is smaller
NOT_BLACK, NOT_WHITE = 64, 192
DRAWN, DRAWN_ON_JPEG = 24, 45  # what is drawn differs by more
SMALLEST = 16  # pixels: at hard edges, JPEG of low quality differs by as much as a stroke
# More than this share of pixels between these levels, of more than so many different ones, is no mask.
MIDDLE, MOST_MIDDLE, MOST_LEVELS = slice(32, 224), 1 / 3, 32


class MaskFile:
    """Reads the mask from a picture of the photograph's size: light pixels (128 or more in any channel) are damaged.

    If it has only black and one other value (0 and 1, for instance), that value counts as light. Transparent pixels
    count as black, so that strokes on a layer of their own are a mask too. A copy of the photograph with strokes drawn
    on it marks what was drawn; another picture is refused.

    `path` may be a folder of masks, each where its photograph is below the folder that was named, and of its name
    (``2019/holiday.png`` for ``2019/holiday.tif``), from which `for_photo` chooses.
    """

    @checked
    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise UserError(f"there is no mask '{path}'")

    def for_photo(self, photo: Path, is_alone: bool = True) -> MaskFile:
        """Return the mask of a photograph: from a folder, the one file of its relative name.

        If the subfolder has none and the photograph `is_alone` with its name, it may lie in the folder itself. A mask
        called ``holiday.tif.png`` is for ``holiday.tif`` and not for ``holiday.jpg``.
        """
        if not self.path.is_dir():
            return self
        places = [self.path / photo.parent, *([self.path] if is_alone else [])]
        named = next(filter(None, (_named(place, photo) for place in places)), [])
        if len(named) != 1:
            fault = f"has {len(named)} masks" if named else "has no mask"
            name = (photo.parent / photo.stem).as_posix() if not named else photo.stem
            raise UserError(f"the folder '{self.path}' {fault} named '{name}': there must be one")
        return MaskFile(str(named[0]))

    def __call__(self, rgb_hw3: np.ndarray) -> Detection:
        """Read the mask; the confidence is 1 in it."""
        if self.path.is_dir():
            raise UserError(f"'{self.path}' is a folder: a mask is chosen from it by the photograph's name")
        try:
            picture = _picture(self.path)
        except UnreadablePhoto as problem:
            raise UserError(f"the mask '{self.path}' cannot be read: {problem.reason}") from None
        (height, width), (mask_height, mask_width) = rgb_hw3.shape[:2], picture.shape[:2]
        if (height, width) != (mask_height, mask_width):
            raise UserError(
                f"the mask '{self.path}' is {mask_width} x {mask_height} pixels and its photograph {width} x {height}: "
                "they must be the same size"
            )
        mask = self._marked(picture, rgb_hw3)
        return Detection(mask, mask.astype(np.float32))

    def _marked(self, picture: np.ndarray, rgb_hw3: np.ndarray) -> np.ndarray:
        drawn = _strokes(picture, rgb_hw3)
        if drawn is not None:
            if not drawn.any():
                raise UserError(f"the mask '{self.path}' is the photograph itself, with nothing drawn on it")
            return drawn
        brightness = picture.max(axis=2)
        levels = np.bincount(brightness.ravel(), minlength=256)
        used = np.flatnonzero(levels)
        if len(used) == 2 and used[0] == 0:
            return brightness > 0
        if len(used) > MOST_LEVELS and levels[MIDDLE].sum() > MOST_MIDDLE * brightness.size:
            fault = "is a picture, neither black and white nor the photograph with strokes drawn on it"
        elif 0 < used[-1] < LIGHT:
            fault = f"has no light pixel (the lightest has {used[-1]} of 255)"
        else:
            return brightness >= LIGHT
        raise UserError(f"the mask '{self.path}' {fault}: white is damage, black is sound")


def _named(folder: Path, photo: Path) -> list[Path]:
    """Return the masks of a photograph's name in a folder: of its whole name, else of its name without the ending."""
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return next(filter(None, (sorted(p for p in files if p.stem == name) for name in (photo.name, photo.stem))), [])


def _strokes(picture: np.ndarray, rgb_hw3: np.ndarray) -> np.ndarray | None:
    """Return where a copy of a photograph differs from it, bool (H, W); None if the picture is no copy.

    A copy is like the photograph both where that is not black and where it is not white, which a mask is not.
    """
    difference = cv2.absdiff(picture, rgb_hw3).max(axis=2)
    shown = rgb_hw3.max(axis=2)
    for part in (shown >= NOT_BLACK, shown <= NOT_WHITE):
        if not part.any() or np.median(difference[part]) > ALIKE:
            return None
    if not np.quantile(difference, 0.75):
        return difference > DRAWN
    _, pieces, facts, _ = cv2.connectedComponentsWithStats((difference > DRAWN_ON_JPEG).astype(np.uint8))
    large = facts[:, cv2.CC_STAT_AREA] >= SMALLEST
    large[0] = False
    return large[pieces]


def _picture(path: Path) -> np.ndarray:
    """Read a picture, its transparent pixels on black."""
    with contextlib.suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(path) as opened:
        if opened.has_transparency_data:
            rgba = np.asarray(ImageOps.exif_transpose(opened).convert("RGBA"))
            return (rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255).astype(np.uint8)
        if opened.mode.startswith("I"):
            samples = np.asarray(ImageOps.exif_transpose(opened))
            if samples.max() == 1:  # of 65535, it would be black
                return np.repeat(samples[..., None].astype(np.uint8), 3, axis=-1)
    return decode_photo(path)  # which says what is wrong with a file that cannot be read
