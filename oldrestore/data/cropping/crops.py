"""Resizing and cropping: what training and evaluation see of a photograph."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.data.codecs.decode import decode_bytes, turn_upright
from oldrestore.data.codecs.scaled_decoding import ReducedPhoto, load_plain_jpeg, reduce_jpeg, scale_jpeg
from oldrestore.data.cropping.shrinking import shrink
from oldrestore.errors import UserError

Fit = Literal["shorter_side", "squash"]
"""Keep proportions and resize the shorter side, or squash to a square as ImageNet preparations and the training of
Zhang et al. (2016) do."""

RESIZE_FILTER = Image.Resampling.BICUBIC
"""Pillow's bicubic, whose support grows with the reduction, so that it is antialiased."""

MAX_ASPECT = 8
"""Longer strips are cut to their central part of this aspect, or a few pixels would become gigabytes."""

Decoding = Literal["full", "scaled", "fast"]
"""How photographs become pixels at training size; what evaluation sees is always decoded and resized as by ``full``.

- ``full``: by Pillow, with its bicubic filter.
- ``scaled``: so too, but JPEG files are decoded at a half, a quarter or an eighth if that leaves `SCALED_MARGIN` times
  `Crops.size` on the shorter side. Slightly other pixels: about 50 dB (PSNR) to those of ``full``.
- ``fast``: by OpenCV, JPEG files at such a fraction if that leaves `FAST_MARGIN` times, and with `shrink`; what is no
  plain JPEG file is decoded, and what is small or a strip also resized, as by ``full``. About 47 dB.
"""

SCALED_MARGIN = 2
FAST_MARGIN = 1.5
FAST_VERSION = 1
"""To be raised when the pixels of ``fast`` change: what was kept of them is then not found any more."""


@checked
@dataclass
class Crops:
    """How photographs are resized and cropped; lengths are in pixels."""

    size: Annotated[int, Field(ge=1)]  # of the shorter side, or the square, of photographs in training
    crop: Annotated[int, Field(ge=1)]  # side of the random square that training sees, at most `size`
    mirror: bool = True  # flip left and right at random in training
    fit: Fit = "shorter_side"
    evaluation_size: Annotated[int, Field(ge=1)] | None = None  # side of the square that evaluation sees; else `size`
    decoding: Decoding = "full"
    scaled_decoding: bool = False  # decoding=scaled, as earlier versions wrote it

    def __post_init__(self) -> None:
        self.check_together({"size": self.size, "crop": self.crop}, "crops")
        self.evaluation_size = self.evaluation_size or self.size
        if self.scaled_decoding:
            self.decoding = "scaled"

    @staticmethod
    def check_together(settings: Mapping[str, Any], path: str) -> None:
        """Refuse settings that do not fit one another; `path` is where they stand: ``dataset.crops``."""
        size, crop = settings.get("size"), settings.get("crop")
        if size is not None and crop is not None and crop > size:
            raise UserError(
                f"{path}.crop = {crop} is larger than {path}.size = {size}; give a crop of at most {size}, or a "
                f"{path}.size of at least {crop}"
            )

    def describe(self) -> dict[str, int | bool | str | float]:
        """Return the settings as plain values."""
        return self.describe_resizing() | asdict(self)

    def describe_resizing(self) -> dict[str, int | bool | str]:
        """Return what a photograph at training size depends on, beside the decoders of `full`, for cache keys."""
        settings = {"size": self.size, "fit": self.fit, "filter": RESIZE_FILTER.name.lower()}
        if self.decoding == "fast":
            return settings | {"decoding": "fast", "version": FAST_VERSION, "opencv": cv2.__version__}
        # As ever: photographs stored before there was a choice stay valid.
        return settings | ({"scaled_decoding": SCALED_MARGIN} if self.decoding == "scaled" else {})

    def of_protocols(self) -> Self:
        """Return crops that a protocol counts the colours of training photographs on, which are never ``fast``."""
        return replace(self, decoding="full") if self.decoding == "fast" else self

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """Resize a photograph, uint8 (H, W, 3), to training size with Pillow."""
        return resized(rgb, self.size, self.fit)

    def prepare_bytes(self, data: bytes) -> np.ndarray:
        """Decode a photograph file's contents at training size; `UnreadablePhoto` as `decode_bytes` raises it."""
        if self.decoding == "fast":
            return self._prepare_fast(data)
        photo = scale_jpeg(data, SCALED_MARGIN * self.size) if self.decoding == "scaled" else None
        if photo is not None:
            size = _width_and_height(photo.height, photo.width, self.size, self.fit)
            return np.asarray(Image.fromarray(photo.rgb).resize(size, RESIZE_FILTER, box=photo.box))
        image = load_plain_jpeg(data)
        if image is None or (self.fit != "squash" and max(image.size) > MAX_ASPECT * min(image.size)):
            return self.prepare(decode_bytes(data))
        return np.asarray(image.resize(_width_and_height(*image.size[::-1], self.size, self.fit), RESIZE_FILTER))

    def _prepare_fast(self, data: bytes) -> np.ndarray:
        photo = reduce_jpeg(data, self.size, FAST_MARGIN)
        if photo is None:
            rgb = decode_bytes(data)
            if min(rgb.shape[:2]) < self.size or max(rgb.shape[:2]) > MAX_ASPECT * min(rgb.shape[:2]):
                return self.prepare(rgb)  # to be enlarged, or a strip
            photo = ReducedPhoto(rgb, rgb.shape[1::-1])
        width, height = photo.extent
        # The file's pixels are resized as they stand, which may be on their side: proportions and squares allow it.
        small = shrink(photo.rgb, photo.extent, _width_and_height(height, width, self.size, self.fit))
        return np.ascontiguousarray(turn_upright(small, photo.orientation))

    def train(self, rgb_prepared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cut a random square from a prepared photograph, mirrored half of the time: uint8 (crop, crop, 3), contiguous.

        Three numbers are drawn for any size, so that the same generator gives comparable crops of
        photographs of different sizes.
        """
        height, width = rgb_prepared.shape[:2]
        down, right, flip = rng.random(3)
        top = int(down * (height - self.crop + 1))
        left = int(right * (width - self.crop + 1))
        square = rgb_prepared[top : top + self.crop, left : left + self.crop]
        if self.mirror and flip < 0.5:
            return cv2.flip(square, 1)  # far faster than a copy of [:, ::-1]
        return np.ascontiguousarray(square)

    def evaluation(self, rgb: np.ndarray) -> np.ndarray:
        """Resize and cut the central square that evaluation sees: uint8 (side, side, 3), contiguous."""
        return central_square(rgb, self.evaluation_size, self.fit)


class EvaluationCrops:
    """What a protocol measures colour on, independently of the data set's own crops: a central square.

    Its side is `size` pixels; the filters are Pillow's, which average over what falls into a pixel when they shrink.
    """

    @checked
    def __init__(
        self,
        size: int,
        fit: Fit = "shorter_side",
        filter: Literal["bicubic", "bilinear", "lanczos", "box"] = "bicubic",
    ):
        self.evaluation_size = size
        self.fit = fit
        self.filter = Image.Resampling[filter.upper()]

    def evaluation(self, rgb: np.ndarray) -> np.ndarray:
        """Resize and cut a photograph, uint8 (H, W, 3): uint8 (size, size, 3), contiguous."""
        return central_square(rgb, self.evaluation_size, self.fit, self.filter)


def resized(rgb: np.ndarray, side: int, fit: Fit, filter: Image.Resampling = RESIZE_FILTER) -> np.ndarray:
    """Resize a photograph so that its shorter side is `side`, or to a square; long strips are cut to `MAX_ASPECT`."""
    if fit != "squash":
        height, width = rgb.shape[:2]
        longest = MAX_ASPECT * min(height, width)
        top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
        rgb = rgb[top : top + longest, left : left + longest]
    size = _width_and_height(*rgb.shape[:2], side, fit)
    return rgb if rgb.shape[1::-1] == size else np.asarray(Image.fromarray(rgb).resize(size, filter))


def central_square(rgb: np.ndarray, side: int, fit: Fit, filter: Image.Resampling = RESIZE_FILTER) -> np.ndarray:
    """Resize a photograph and cut the central square, contiguous."""
    rgb = resized(rgb, side, fit, filter)
    top, left = (rgb.shape[0] - side) // 2, (rgb.shape[1] - side) // 2
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def _width_and_height(height: float, width: float, side: int, fit: Fit) -> tuple[int, int]:
    """Size to resize a photograph to, once strips are cut."""
    if fit == "squash":
        return side, side
    if height <= width:
        return max(side, round(width * side / height)), side
    return side, max(side, round(height * side / width))
