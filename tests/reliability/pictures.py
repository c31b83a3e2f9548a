"""Whole pictures of unusual kinds, each with the sRGB photograph that must come out."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

from tests.reliability.cases import ENDINGS, JPEG_TOLERANCE, Case, blocks, encoded, png

# What a viewer shows for each EXIF orientation of the stored array (EXIF 2.3, tag 0x0112).
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
    8: lambda a: np.rot90(a, 1),
}


def whole_pictures() -> Iterator[Case]:
    """Every case of this file."""
    kinds = {
        "EXIF with each of the 8 orientations": _orientations,
        "CMYK JPEG (Adobe's inverted CMYK and YCCK, and without Adobe's mark)": _cmyk,
        "Lab TIFF": _lab,
        "16-bit PNG and TIFF": _16_bits,
        "floating-point TIFF, with NaN and infinities too": _floats,
        "transparency, also in a palette": _transparent,
        "animated GIF, WebP and PNG (the first frame)": _animated,
        "1 x 1, 1 x 10,000 and 10,000 x 1": _sizes,
        "TIFF of several pages (the first)": _multi_page,
        "TIFF with zero for white, planes apart, bits that are not used, a preview first": _scanned,
        "linear light by profile (also named sRGB), gamma and code points, gray with transparency": _linear,
        "JPEG and PNG without their end, PNG with a wrong checksum in a chunk that no picture needs": _slightly_damaged,
        "JPEG 2000 and AVIF": _newer,
        "odd ICC profiles: truncated, gray on colour, Lab, of random bytes": _profiles,
        "broken EXIF": _exif,
    }
    for kind, make in kinds.items():
        for case in make():
            yield Case(kind, *case)


# Of each: name, content, what must come out, and the tolerance where it is not exact.
Cases = Iterator[tuple[str, bytes, np.ndarray] | tuple[str, bytes, np.ndarray, int]]


def _orientations() -> Cases:
    for number, (format_, ending) in enumerate(ENDINGS.items()):
        for orientation, turn in UPRIGHT.items():
            stored = blocks(100 + 10 * number + orientation)
            exif = Image.Exif()
            exif[0x0112] = orientation
            data, tolerance = encoded(stored, format_, exif=exif), JPEG_TOLERANCE if format_ == "JPEG" else 0
            yield f"orientation-{orientation}.{ending}", data, turn(stored), tolerance


def _cmyk() -> Cases:
    rng = np.random.default_rng(3)
    ink = rng.integers(0, 200, (3, 2, 3, 4)).astype(np.uint8).repeat(16, 1).repeat(16, 2)
    # Without a profile: each ink takes away its share of what black leaves.
    shown = np.rint((255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255).astype(np.uint8)
    stored = encoded(Image.fromarray(ink[0], "CMYK"), "JPEG")
    assert b"Adobe" in stored
    yield "cmyk-adobe.jpg", stored, shown[0], JPEG_TOLERANCE
    # YCCK: the three inks as YCbCr of (C, M, Y), inverted once more by the file's convention.
    ycc = np.asarray(Image.fromarray(ink[1, ..., :3]).convert("YCbCr"))
    data = bytearray(encoded(Image.fromarray(np.dstack([255 - ycc, ink[1, ..., 3]]), "CMYK"), "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    yield "ycck-adobe.jpg", bytes(data), shown[1], JPEG_TOLERANCE + 2
    # No Adobe segment: every viewer reads it inverted all the same.
    data = encoded(Image.fromarray(ink[2], "CMYK"), "JPEG")
    at = data.index(b"Adobe") - 4
    yield "cmyk-unmarked.jpg", data[:at] + data[at + 2 + data[at + 3] :], shown[2], JPEG_TOLERANCE


def _lab() -> Cases:
    # L 50 (128 of 255 is 50.2) without colour is the gray 119 of sRGB; L 100 is white.
    for name, L, gray in (("middle", 128, 119), ("white", 255, 255), ("black", 0, 0)):
        data = encoded(Image.new("LAB", (48, 32), (L, 128, 128)), "TIFF")
        yield f"lab-{name}.tif", data, np.full((32, 48, 3), gray, np.uint8), 2


def _tiff(samples: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def _rows(rows: Iterable[np.ndarray]) -> bytes:
    """Compress the rows of a PNG file, each without a filter."""
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def _ramps() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A gray ramp and one of colours, 0..1, each with what must be shown of it."""
    ramp = np.linspace(0, 1, 256)
    gray = ramp[None].repeat(20, 0)
    rgb = np.stack([ramp, ramp[::-1], np.full(256, 0.4)], -1)[None].repeat(20, 0)
    shown_gray = np.arange(256, dtype=np.uint8)[None, :, None].repeat(20, 0).repeat(3, 2)
    return gray, shown_gray, rgb, np.rint(rgb * 255).astype(np.uint8)


def _16_bits() -> Cases:
    gray, shown_gray, rgb, shown = _ramps()
    deep, deep_rgb = (np.rint(x * 65535).astype(">u2") for x in (gray, rgb))
    alpha = np.dstack([deep_rgb, np.full((20, 256), 65535)]).astype(">u2")
    yield "gray16.png", png(256, 20, 16, 0, _rows(deep)), shown_gray
    yield "rgb16.png", png(256, 20, 16, 2, _rows(deep_rgb)), shown, 1
    yield "rgba16.png", png(256, 20, 16, 6, _rows(alpha[::-1])), shown[::-1], 1
    yield "gray16.tif", _tiff(deep.astype("<u2"), photometric="minisblack"), shown_gray
    yield "rgb16.tif", _tiff(deep_rgb.astype("<u2"), photometric="rgb"), shown, 1


def _floats() -> Cases:
    gray, shown_gray, rgb, shown = _ramps()
    yield "float-gray.tif", _tiff(gray.astype("<f4")), shown_gray
    yield "float-rgb.tif", _tiff(rgb.astype("<f4"), photometric="rgb"), shown
    yield "float64-rgb.tif", _tiff(rgb[::-1, ::-1].astype("<f8"), photometric="rgb"), shown[::-1, ::-1]
    for name, samples, whole, options in (
        ("gray", gray, shown_gray, {}),
        ("rgb", rgb, shown, {"photometric": "rgb"}),
    ):
        holed, expected = samples.astype("<f4"), whole.copy()
        holed[2, [3, 9, 11]] = np.reshape([np.nan, np.inf, -np.inf], (3,) + (1,) * (samples.ndim - 2))
        expected[2, [3, 9, 11]] = 0
        yield f"float-nan-{name}.tif", _tiff(holed, **options), expected
    nothing = np.full((20, 20), np.nan, "<f4")
    yield "float-only-nan.tif", _tiff(nothing), np.zeros((20, 20, 3), np.uint8)


def _transparent() -> Cases:
    colour, white = np.uint8([60, 120, 200]), np.uint8([255, 255, 255])
    half = np.zeros((32, 48), bool)
    half[:, :24] = True
    expected = np.where(half[..., None], white, colour)
    palette = Image.fromarray(np.where(half, 0, 1).astype(np.uint8), "P")
    palette.putpalette([1, 2, 3, *colour])
    yield "palette.png", encoded(palette, "PNG", transparency=0), expected
    yield "palette-gif.jpg", encoded(palette, "GIF", transparency=0), expected
    # 60 % of the colour: 255 - 0.6 (255 - c), whole alpha on the left.
    rgba = np.dstack([np.broadcast_to(colour, (32, 48, 3)), np.where(half, 255, 153)]).astype(np.uint8)
    mixed = np.where(half[..., None], colour, np.rint(255 - 0.6 * (255 - np.float64(colour)))).astype(np.uint8)
    for format_ in ("PNG", "WEBP", "TIFF"):
        yield f"alpha.{ENDINGS[format_]}", encoded(rgba, format_), mixed, 1
    gray = np.where(half, 255, 80)[..., None].repeat(3, 2).astype(np.uint8)
    for name, depth, type_, value in (("gray-key", 8, np.uint8, 80), ("gray16-key", 16, ">u2", 80 * 257)):
        rows = _rows(np.where(half, 0, value).astype(type_))
        yield f"{name}.png", png(48, 32, depth, 0, rows, (b"tRNS", b"\0\0")), gray


def _animated() -> Cases:
    for number, (format_, ending) in enumerate((("GIF", "png"), ("WEBP", "webp"), ("PNG", "png"))):
        colour = [200, 40 + 50 * number, 10]
        frames = [Image.new("RGB", (40, 30), tuple(c)) for c in (colour, [0, 0, 255], [0, 255, 0])]
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=50)
        yield f"animated-{format_.lower()}.{ending}", data, np.broadcast_to(np.uint8(colour), (30, 40, 3))


def _sizes() -> Cases:
    for height, width in ((1, 1), (1, 10_000), (10_000, 1)):
        ramp = np.linspace(30, 220, max(height, width)).astype(np.uint8)
        rgb = np.stack([ramp, ramp[::-1], ramp // 2], -1).reshape(height, width, 3)
        yield f"{height}x{width}.png", encoded(rgb, "PNG"), rgb
        flat = np.full((height, width, 3), 90, np.uint8)
        yield f"{height}x{width}.jpg", encoded(flat, "JPEG"), flat, JPEG_TOLERANCE


def _multi_page() -> Cases:
    first, second = blocks(301), blocks(302, 4, 4)
    data = encoded(Image.fromarray(first), "TIFF", save_all=True, append_images=[Image.fromarray(second)] * 3)
    yield "pages.tif", data, first
    yield "pages-deflate.tif", _tiff(first, compression="zlib"), first


def _scanned() -> Cases:
    gray, shown_gray, rgb, shown = _ramps()
    white = {"photometric": "miniswhite"}
    for order in "<>":
        deep, deep_rgb = (np.rint(x * 65535).astype(f"{order}u2") for x in (gray, rgb))
        name = {"<": "little", ">": "big"}[order]
        yield f"white-zero-{name}.tif", _tiff(65535 - deep, byteorder=order, **white), shown_gray
        yield (
            f"white-zero-float-{name}.tif",
            _tiff((1 - gray).astype(f"{order}f4"), byteorder=order, **white),
            shown_gray,
        )
        apart = _tiff(np.moveaxis(deep_rgb, -1, 0), photometric="rgb", planarconfig="separate", byteorder=order)
        yield f"planes-{name}.tif", apart, shown
        twelve = np.rint(gray * 4095).astype(f"{order}u2")
        yield f"bits-{name}.tif", _tiff(twelve, byteorder=order, extratags=[(281, 3, 1, 4095, True)]), shown_gray
    yield "wide.tif", _tiff(np.rint(gray * (2**32 - 1)).astype("<u4")), shown_gray
    for name, inner in (("first", None), ("around", 1)):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as tiff:
            tiff.write(shown[::4, ::4], photometric="rgb", subfiletype=1, subifds=inner)
            tiff.write(shown, photometric="rgb", subfiletype=0)
        yield f"preview-{name}.tif", buffer.getvalue(), shown


def _linear() -> Cases:
    """Linear light of 16 bits, which shows every gray of 8."""
    shown = blocks(310)
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(20, 0)
    light, light_gray = (np.where(x <= 10, x / 12.92, (((x + 14.025) / 269.025) ** 2.4) * 255) for x in (shown, ramp))
    rgb, gray = (np.rint(x * 257).astype(">u2") for x in (light, light_gray))
    white = {"whitepoint": (0.3127, 0.3290, 1.0), "gamma": 1.0}
    primaries = [0.64, 0.33, 1, 0.30, 0.60, 1, 0.15, 0.06, 1]
    profile = imagecodecs.cms_profile("rgb", primaries=primaries, **white)
    profile = profile.replace("RGB built-in".encode("utf-16-be"), "sRGB builtin".encode("utf-16-be"))
    for name, kind, content in (
        ("profile", b"iCCP", b"x\0\0" + zlib.compress(profile)),
        ("gamma", b"gAMA", struct.pack(">I", 100_000)),
        ("code", b"cICP", bytes([1, 8, 0, 1])),
    ):
        yield f"linear-{name}.png", png(48, 32, 16, 2, _rows(rgb), (kind, content)), shown, 1
    both = np.dstack([gray, np.full(gray.shape, 65535)]).astype(">u2")
    profile = imagecodecs.cms_profile("gray", **white)
    chunk = (b"iCCP", b"x\0\0" + zlib.compress(profile))
    gray_rgb = ramp[..., None].repeat(3, 2)
    yield "linear-gray-alpha.png", png(256, 20, 16, 4, _rows(both), chunk), gray_rgb, 1
    yield "linear-gray.png", png(256, 20, 16, 0, _rows(gray), chunk), gray_rgb, 1
    yield "linear-gray.tif", _tiff(gray.astype("<u2"), iccprofile=profile, photometric="minisblack"), gray_rgb, 1


def _slightly_damaged() -> Cases:
    rgb = blocks(311)
    yield "no-end.jpg", encoded(rgb, "JPEG")[:-2], rgb, JPEG_TOLERANCE
    yield "half-end.jpg", encoded(rgb, "JPEG", progressive=True)[:-1], rgb, JPEG_TOLERANCE
    yield "no-end.png", encoded(rgb, "PNG")[:-12], rgb
    broken = bytearray(encoded(rgb, "PNG", dpi=(300, 300)))
    broken[broken.index(b"pHYs") + 6] ^= 1
    yield "checksum.png", bytes(broken), rgb


def _newer() -> Cases:
    rgb = blocks(312)
    yield "jpeg-2000.png", encoded(rgb, "JPEG2000"), rgb
    yield "avif.jpg", encoded(rgb, "AVIF", quality=100, subsampling="4:4:4"), rgb, JPEG_TOLERANCE


def _profiles() -> Cases:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    odd = {
        "truncated": srgb[:300],
        "gray": srgb[:16] + b"GRAY" + srgb[20:],
        "lab": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        "random": np.random.default_rng(8).bytes(700),
        "size": b"\xff" * 4 + srgb[4:],
        "empty": b"\0",
    }
    for number, (name, profile) in enumerate(odd.items()):
        rgb = blocks(320 + number)
        yield f"profile-{name}.png", encoded(rgb, "PNG", icc_profile=profile), rgb
        rgb = blocks(340 + number)
        yield f"profile-{name}.jpg", encoded(rgb, "JPEG", icc_profile=profile), rgb, JPEG_TOLERANCE


def _exif() -> Cases:
    little = b"Exif\0\0II*\0\x08\0\0\0"
    broken = {
        "random": b"Exif\0\0" + np.random.default_rng(4).bytes(200),
        "cut": little + b"\x05\0\x12\x01",
        "far": b"Exif\0\0II*\0" + struct.pack("<I", 2**31),
        "count": little + b"\x01\0" + struct.pack("<HHII", 0x010E, 2, 2**32 - 1, 2**31) + bytes(4),
        "loop": little + b"\x01\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8),
        "orientation-9": little + b"\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, 9) + bytes(4),
        "orientation-text": little + b"\x01\0" + struct.pack("<HHI", 0x0112, 2, 4) + b"six\0" + bytes(4),
    }
    for number, (name, exif) in enumerate(broken.items()):
        rgb = blocks(360 + number)
        yield f"exif-{name}.jpg", encoded(rgb, "JPEG", exif=exif), rgb, JPEG_TOLERANCE
        if number < 5:
            rgb = blocks(380 + number)
            yield f"exif-{name}.webp", encoded(rgb, "WEBP", exif=exif), rgb
