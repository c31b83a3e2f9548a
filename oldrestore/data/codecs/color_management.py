"""Colour management: what a picture's numbers mean, and the way from there to 8-bit sRGB."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache

import imagecodecs
import numpy as np
from PIL import ExifTags, Image, ImageCms

from oldrestore.data.codecs.sample_depth import Span, bands, to_uint8, to_uint16, value_span
from oldrestore.data.codecs.unreadable import UnreadablePhoto

SRGB = imagecodecs.cms_profile("srgb")
LAB_D50 = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
SPACES = {b"GRAY": ("gray", 1), b"RGB ": ("rgb", 3), b"CMYK": ("cmyk", 4)}  # ICC.1:2010, table 19
SAME = 1  # of 255: a profile that changes no colour by more is that of sRGB, whatever its name
WHITE = 255
LEVELS = 65536
_LINEAR = np.linspace(0, 1, LEVELS)
# IEC 61966-2-1
ENCODED = np.where(_LINEAR <= 0.0031308, _LINEAR * 12.92, 1.055 * _LINEAR ** (1 / 2.4) - 0.055)
ENCODED = np.rint(ENCODED * 255).astype(np.uint8)
# ITU-T H.273, table 2: xy of red, green, blue and white.
D65 = (0.3127, 0.3290)
PRIMARIES = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *D65),
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, *D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),
}
SRGB_PRIMARIES = PRIMARIES[1]
# ITU-T H.273, table 3. Video (1, 6, 14, 15) is made for displays of about sRGB's curve and is shown as it stands.
GAMMAS = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}
# Adobe RGB (1998) Color Image Encoding, 4.3.1
ADOBE_RGB = ((0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *D65), 563 / 256)
SRGB_GAMMA, ABOUT = 0.4545, 0.02  # PNG writers say 1/2.2, rounded in several ways, for sRGB's curve
BOXES = 65536  # bytes in which the colour boxes of JPEG 2000, AVIF and HEIF are looked for
RELATIVE, BLACK_POINT, EXACT = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC, 0x2000, 0x0100  # lcms2.h


def to_srgb(image: Image.Image) -> np.ndarray:
    """Return the loaded picture as uint8 sRGB (H, W, 3), not yet turned upright."""
    profile, key = profile_of(image), image.info.get("transparency")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        samples = np.asarray(image)
        rgb = to_srgb8(samples, profile)
        # One value of a PNG's samples may stand for "transparent".
        return composite_on_white(rgb, (samples != key) * np.uint8(255)) if isinstance(key, int) else rgb
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or (key is not None and image.mode != "CMYK"):
        gray = image.mode in ("LA", "La", "L")
        samples = np.asarray(image if image.mode in ("LA", "RGBA") else image.convert("LA" if gray else "RGBA"))
        rgb, alpha = to_srgb8(samples[..., 0] if gray else samples[..., :3], profile), samples[..., -1]
        # Many 32-bit BMP files leave the fourth byte at zero.
        return rgb if image.format == "BMP" and not alpha.any() else composite_on_white(rgb, alpha)
    plain = image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "1" else "RGB")
    return to_srgb8(np.asarray(plain), profile)


def to_srgb8(samples: np.ndarray, profile: bytes | None = None, span: Span | None = None) -> np.ndarray:
    """Convert samples of any depth to uint8 sRGB (H, W, 3) through an ICC profile.

    The conversion is relative colorimetric with black point compensation, by LittleCMS, and keeps the depth of the
    samples until its last step. Plain scaling (see `to_uint8`) is what is left without a profile, with that of sRGB,
    and with one that is broken or of another kind of picture.

    Parameters
    ----------
    samples
        Gray (H, W), RGB (H, W, 3) or CMYK (H, W, 4).
    span
        The samples that are black and white; by default `value_span`.
    """
    span = span or value_span(samples)
    space = profile and _space_that_changes(profile)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if space == "gray" and channels == 3 and (samples == samples[..., :1]).all():
        return to_srgb8(samples[..., 0], profile, span)  # a palette of grays
    if space and channels == 1 and space != "cmyk":
        return _gray_to_srgb8(samples, profile, space, span)
    if space and channels == SPACES[profile[16:20]][1]:
        return _color_to_srgb8(samples, profile, space, span)
    scaled = to_uint8(samples, span)
    if channels == 1:
        return np.repeat(scaled[..., None], 3, axis=2)
    return np.asarray(Image.fromarray(scaled, "CMYK").convert("RGB")) if channels == 4 else scaled


def lab_to_srgb8(lab: np.ndarray) -> np.ndarray:
    """Convert CIELab relative to D50, L* 0..100, any float (H, W, 3), to uint8 sRGB."""
    rgb = np.empty(lab.shape, np.uint8)
    for band in bands(lab):
        rgb[band] = _transform(lab[band].astype(np.float32), LAB_D50, "lab", EXACT)
    return rgb


def composite_on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay a uint8 picture (H, W, 3) with transparency, uint8 (H, W), on white."""
    mixed = np.empty(rgb.shape, np.uint8)
    for band in bands(rgb):
        opaque = alpha[band][..., None].astype(np.uint32)
        mixed[band] = (rgb[band] * opaque + WHITE * (255 - opaque) + 127) // 255
    return mixed


def profile_of(image: Image.Image) -> bytes | None:
    """Return the ICC profile that a picture's file names in any of the usual ways; None for sRGB and for nothing.

    These are, the first that there is: PNG's ``cICP``, an ICC profile, the ``nclx`` of AVIF and HEIF, PNG's ``sRGB``,
    its ``gAMA`` and ``cHRM``, and EXIF's mark of Adobe RGB (interoperability index R03).
    """
    info = image.info
    if "cicp" in info:
        return _profile_of_code_points(*info["cicp"])
    if info.get("icc_profile"):
        return info["icc_profile"]
    if "srgb" in info:
        return None
    if "gamma" in info or "chromaticity" in info:
        gamma, (wx, wy, *rgb) = info.get("gamma", SRGB_GAMMA), info.get("chromaticity", (*D65, *SRGB_PRIMARIES[:6]))
        like_srgb = abs(gamma - SRGB_GAMMA) <= ABOUT or not 0.1 <= gamma <= 5
        return rgb_profile((*rgb, wx, wy), None if like_srgb else 1 / gamma)
    if b"R03\0" in (info.get("exif") or b"") and is_adobe_rgb(image):
        return rgb_profile(*ADOBE_RGB)
    return None


def code_points_of(data: bytes, has_profile: bool) -> dict[str, object]:
    """Return what a file says of its colours and Pillow does not: ``cicp`` or ``icc_profile``, by their names there.

    Code points come before a profile in PNG, and after it in AVIF and HEIF.
    """
    if data.startswith(b"\x89PNG"):
        at = data.find(b"\0\0\0\4cICP", 0, data.find(b"IDAT"))
        return {"cicp": tuple(data[at + 8 : at + 10])} if at >= 0 else {}
    if data[4:8] == b"ftyp" and not has_profile:
        at = data.find(b"colrnclx", 0, BOXES)
        return {"cicp": (data[at + 9], data[at + 11])} if 0 <= at < len(data) - 12 else {}
    if data[4:8] == b"jP  ":
        at = data.find(b"colr\2", 0, BOXES)
        length = int.from_bytes(data[at - 4 : at], "big")
        return {"icc_profile": data[at + 7 : at - 4 + length]} if at >= 4 else {}
    return {}


@lru_cache(maxsize=32)
def rgb_profile(primaries: tuple[float, ...], gamma: float | None) -> bytes | None:
    """Make an ICC profile of primaries (xy of red, green, blue, white) and a gamma, or sRGB's curve for None.

    None stands for sRGB itself, and for primaries that are none.
    """
    if gamma is None and np.allclose(primaries, SRGB_PRIMARIES, atol=0.002):
        return None
    if gamma is None:
        x = np.linspace(0, 1, 4096)
        curve = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
        shape = {"transferfunction": np.rint(curve * 65535).astype(np.uint16)}
    else:
        shape = {"gamma": gamma}
    xyY = [value for at in (0, 2, 4) for value in (*primaries[at : at + 2], 1.0)]
    try:
        return imagecodecs.cms_profile("rgb", whitepoint=(*primaries[6:], 1.0), primaries=xyY, **shape)
    except (ValueError, RuntimeError):
        return None


def _profile_of_code_points(primaries: int, transfer: int) -> bytes | None:
    if transfer in HIGH_DYNAMIC_RANGE:
        raise UnreadablePhoto(
            f"a picture of high dynamic range ({HIGH_DYNAMIC_RANGE[transfer]}), which is not supported"
        )
    if primaries not in PRIMARIES or transfer not in GAMMAS:
        return None
    return rgb_profile(PRIMARIES[primaries], GAMMAS[transfer])


def is_adobe_rgb(described: Image.Image | Image.Exif) -> bool:
    """Say whether EXIF marks a picture as Adobe RGB (DCF 2.0: interoperability index R03, colour space not sRGB)."""
    try:
        exif = described.getexif() if isinstance(described, Image.Image) else described
        index = str(exif.get_ifd(ExifTags.IFD.Interop).get(1, ""))
        return index.startswith("R03") and exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace) != 1
    except Exception:  # noqa: BLE001 (broken EXIF raises nearly anything, and must not cost the photograph)
        return False


@lru_cache(maxsize=64)
def _space_that_changes(profile: bytes) -> str | None:
    """Return the space of a profile; None if it is sRGB by what it does, broken, or of no picture's space."""
    space, channels = SPACES.get(profile[16:20], ("", 0))
    if not space:
        return None
    steps = np.arange(0, 256, {1: 1, 3: 15, 4: 255}[channels], dtype=np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * channels), -1).reshape(1, -1, *[channels][: channels > 1])
    try:
        converted = _transform(grid, profile, space, EXACT).astype(int)
    except Exception:  # noqa: BLE001 (a broken profile must not cost the photograph)
        return None
    unchanged = grid[..., None] if channels == 1 else grid[..., :3]
    return space if channels == 4 or np.abs(converted - unchanged).max() > SAME else None


def _gray_to_srgb8(samples: np.ndarray, profile: bytes, space: str, span: Span) -> np.ndarray:
    def converted(gray: np.ndarray) -> np.ndarray:
        deep = to_uint16(gray.reshape(1, -1), span)
        deep = np.repeat(deep[..., None], 3, axis=2) if space == "rgb" else deep
        return _transform(deep, profile, space, EXACT)[0, :, 1]  # of one channel: rounding must not tint a gray

    rgb = np.empty((*samples.shape, 3), np.uint8)
    table = None
    if samples.dtype.kind in "bu" and samples.dtype.itemsize <= 2:
        table = converted(np.arange(256**samples.dtype.itemsize))
    for band in bands(samples):
        part = samples[band]
        gray = converted(part).reshape(part.shape) if table is None else table[part.astype(np.uint16)]
        rgb[band] = gray[..., None]
    return rgb


def _color_to_srgb8(samples: np.ndarray, profile: bytes, space: str, span: Span) -> np.ndarray:
    if samples.dtype == np.uint8 and span == (0, 255):
        with suppress(ImageCms.PyCMSError, OSError, TypeError, ValueError):  # a profile that only the other one reads
            converted = ImageCms.profileToProfile(
                Image.fromarray(np.ascontiguousarray(samples), space.upper()),
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            return np.asarray(converted)
    rgb, light = np.empty((*samples.shape[:2], 3), np.uint8), _light_of_channels(profile) if space == "rgb" else None
    for band in bands(samples):
        deep = to_uint16(samples[band], span)
        rgb[band] = _transform(deep, profile, space, EXACT) if light is None else _sum_of_light(light, deep)
    return rgb


@lru_cache(maxsize=4)
def _light_of_channels(profile: bytes) -> np.ndarray | None:
    """Return what each of 65,536 values of each channel adds to linear sRGB, float32 (3, 65536, 3).

    None if colours are not the sum of their channels, as they are for all profiles of primaries and curves. LittleCMS
    without its optimizations, which keep 8 bits, takes six times as long as these tables.
    """
    channels = np.zeros((3, LEVELS, 3), np.float32)
    for channel in range(3):
        channels[channel, :, channel] = np.linspace(0, 1, LEVELS)
    light = _transform(channels, profile, "rgb", EXACT, rgb_profile(SRGB_PRIMARIES, 1.0))
    some = np.random.default_rng(0).integers(0, LEVELS, (1, 4096, 3), np.uint16)
    change = _sum_of_light(light, some).astype(int) - _transform(some, profile, "rgb", EXACT)
    return light if np.abs(change).max() <= 1 else None


def _sum_of_light(light: np.ndarray, deep: np.ndarray) -> np.ndarray:
    linear = light[0].take(deep[..., 0], axis=0)
    for channel in (1, 2):
        linear += light[channel].take(deep[..., channel], axis=0)
    return ENCODED[(np.clip(linear, 0, 1) * (LEVELS - 1) + 0.5).astype(np.uint16)]


def _transform(samples: np.ndarray, profile: bytes, space: str, flags: int, target: bytes = SRGB) -> np.ndarray:
    return imagecodecs.cms_transform(
        samples,
        profile,
        target,
        colorspace=space,
        outcolorspace="rgb",
        outdtype=np.uint8 if target is SRGB else np.float32,
        intent=RELATIVE,
        flags=BLACK_POINT | flags,
    )
