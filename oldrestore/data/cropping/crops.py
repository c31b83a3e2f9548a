"""Resizing and cropping: what training and evaluation see of a photograph."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import decode_bytes
from oldrestore.data.codecs.scaled_decoding import ScaledPhoto, load_plain_jpeg, scale_jpeg
from oldrestore.errors import UserError

RESIZE_FILTER = Image.Resampling.BICUBIC
"""Pillow's bicubic, whose support grows with the reduction, so that it is antialiased."""

MAX_ASPECT = 8
"""Longer strips are cut to their central part of this aspect, or a few pixels would become gigabytes."""

SCALED_MARGIN = 2
"""Scaled decoding leaves at least this many pixels for each pixel of the shorter side at training size."""


class Crops:
    """How photographs are resized and cropped.

    Parameters
    ----------
    size : int
        Photographs are resized for training so that the shorter side has this length in pixels, or to a
        square of this side.
    crop : int
        Side of the random square that training sees, at most `size`.
    mirror : bool
        Flip left and right at random in training.
    fit : {"shorter_side", "squash"}
        Keep proportions and resize the shorter side, or squash to a square as ImageNet preparations and
        the training of Zhang et al. (2016) do.
    evaluation_size : int or None
        Side of the square that evaluation sees; `size` when None.
    scaled_decoding : bool
        Decode JPEG files for training at a half, a quarter or an eighth where that leaves at least twice `size`
        on the shorter side: faster, and slightly other pixels (about 50 dB to those of a full decoding). What
        evaluation sees is always decoded in full.
    """

    @checked
    def __init__(
        self,
        size: Annotated[int, Field(ge=1)],
        crop: Annotated[int, Field(ge=1)],
        mirror: bool = True,
        fit: Literal["shorter_side", "squash"] = "shorter_side",
        evaluation_size: Annotated[int, Field(ge=1)] | None = None,
        scaled_decoding: bool = False,
    ):
        self.check_together({"size": size, "crop": crop}, "crops")
        self.size = size
        self.crop = crop
        self.mirror = mirror
        self.fit = fit
        self.evaluation_size = evaluation_size or size
        self.scaled_decoding = scaled_decoding

    @staticmethod
    def check_together(settings: Mapping[str, Any], path: str) -> None:
        """Refuse settings that do not fit one another; `path` is where they stand: ``dataset.crops``."""
        size, crop = settings.get("size"), settings.get("crop")
        if size is not None and crop is not None and crop > size:
            raise UserError(
                f"{path}.crop = {crop} is larger than {path}.size = {size}; give a crop of at most {size}, or a "
                f"{path}.size of at least {crop}"
            )

    def describe(self) -> dict[str, int | bool | str]:
        """Return the settings as plain values."""
        return {
            "size": self.size,
            "crop": self.crop,
            "mirror": self.mirror,
            "fit": self.fit,
            "evaluation_size": self.evaluation_size,
            "filter": RESIZE_FILTER.name.lower(),
            "scaled_decoding": self.scaled_decoding,
        }

    def describe_resizing(self) -> dict[str, int | bool | str]:
        """Return what a photograph at training size depends on, for cache keys."""
        settings = {"size": self.size, "fit": self.fit, "filter": RESIZE_FILTER.name.lower()}
        # Only if it is on: photographs stored before the setting existed stay valid.
        return settings | ({"scaled_decoding": SCALED_MARGIN} if self.scaled_decoding else {})

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """Resize a photograph to training size.

        Parameters
        ----------
        rgb : numpy.ndarray
            uint8 (H, W, 3), 0..255.

        Returns
        -------
        numpy.ndarray
            uint8: its shorter side is `size`, or (size, size, 3) when `fit` is "squash".
        """
        return self._resize(rgb, self.size)

    def prepare_bytes(self, data: bytes) -> np.ndarray:
        """Decode the contents of a photograph file at training size; see `prepare`.

        Raises
        ------
        UnreadablePhoto
            As `decode_bytes` does.
        """
        photo = scale_jpeg(data, SCALED_MARGIN * self.size) if self.scaled_decoding else None
        if photo is not None:
            return self._resize_scaled(photo)
        image = load_plain_jpeg(data)
        if image is None or (self.fit != "squash" and max(image.size) > MAX_ASPECT * min(image.size)):
            return self.prepare(decode_bytes(data))
        return np.asarray(image.resize(self._width_and_height(*image.size[::-1], self.size), RESIZE_FILTER))

    def train(self, rgb_prepared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cut a random square, mirrored half of the time, from a prepared photograph.

        Three numbers are drawn for any size, so that the same generator gives comparable crops of
        photographs of different sizes.

        Returns
        -------
        numpy.ndarray
            uint8 (crop, crop, 3), contiguous.
        """
        height, width = rgb_prepared.shape[:2]
        down, right, flip = rng.random(3)
        top = int(down * (height - self.crop + 1))
        left = int(right * (width - self.crop + 1))
        square = rgb_prepared[top : top + self.crop, left : left + self.crop]
        if self.mirror and flip < 0.5:
            square = square[:, ::-1]
        return np.ascontiguousarray(square)

    def evaluation(self, rgb: np.ndarray) -> np.ndarray:
        """Resize and cut the central square that evaluation sees.

        Returns
        -------
        numpy.ndarray
            uint8 (evaluation_size, evaluation_size, 3), contiguous.
        """
        return central_square(self._resize(rgb, self.evaluation_size), self.evaluation_size)

    def _resize(self, rgb: np.ndarray, side: int) -> np.ndarray:
        if self.fit != "squash":
            rgb = cut_strip(rgb)
        height, width = rgb.shape[:2]
        return _pillow_resize(rgb, *self._width_and_height(height, width, side))

    def _resize_scaled(self, photo: ScaledPhoto) -> np.ndarray:
        size = self._width_and_height(photo.height, photo.width, self.size)
        return np.asarray(Image.fromarray(photo.rgb).resize(size, RESIZE_FILTER, box=photo.box))

    def _width_and_height(self, height: int, width: int, side: int) -> tuple[int, int]:
        """Size to resize a photograph to, once strips are cut."""
        return (side, side) if self.fit == "squash" else width_and_height(height, width, side)


def width_and_height(height: int, width: int, side: int) -> tuple[int, int]:
    """Width and height of a photograph whose shorter side is resized to `side` pixels."""
    if height <= width:
        return max(side, round(width * side / height)), side
    return side, max(side, round(height * side / width))


def cut_strip(rgb: np.ndarray) -> np.ndarray:
    """Cut a longer strip to its central part of `MAX_ASPECT`."""
    height, width = rgb.shape[:2]
    longest = MAX_ASPECT * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return rgb[top : top + longest, left : left + longest]


def central_square(rgb: np.ndarray, side: int) -> np.ndarray:
    """Cut the central square, contiguous."""
    top, left = (rgb.shape[0] - side) // 2, (rgb.shape[1] - side) // 2
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def _pillow_resize(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), RESIZE_FILTER))
