"""Whole pictures of unusual kinds, each with the sRGB photograph that must come out."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import tifffile
from PIL import Image, ImageCms

from tests.reliability.cases import Case, blocks, encoded

JPEG_TOLERANCE = 4
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
    for make in (_orientations, _cmyk, _lab, _deep, _transparent, _animated, _sizes, _multi_page, _profiles, _exif):
        yield from make()


def _orientations() -> Iterator[Case]:
    endings = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp"}
    for number, (format_, ending) in enumerate(endings.items()):
        for orientation, turn in UPRIGHT.items():
            stored = blocks(100 + 10 * number + orientation)
            exif = Image.Exif()
            exif[0x0112] = orientation
            yield Case(
                "EXIF with each of the 8 orientations",
                f"orientation-{orientation}.{ending}".encode(),
                encoded(stored, format_, exif=exif),
                turn(stored),
                JPEG_TOLERANCE if format_ == "JPEG" else 0,
            )


def _cmyk() -> Iterator[Case]:
    kind = "CMYK JPEG (Adobe's inverted CMYK and YCCK, and without Adobe's mark)"
    rng = np.random.default_rng(3)
    ink = rng.integers(0, 200, (3, 2, 3, 4)).astype(np.uint8).repeat(16, 1).repeat(16, 2)
    # Without a profile: each ink takes away its share of what black leaves.
    shown = np.rint((255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255).astype(np.uint8)
    stored = encoded(Image.fromarray(ink[0], "CMYK"), "JPEG")
    assert b"Adobe" in stored
    yield Case(kind, b"cmyk-adobe.jpg", stored, shown[0], JPEG_TOLERANCE)
    # YCCK: the three inks as YCbCr of (C, M, Y), inverted once more by the file's convention.
    ycc = np.asarray(Image.fromarray(ink[1, ..., :3]).convert("YCbCr"))
    ycck = Image.fromarray(np.dstack([255 - ycc, ink[1, ..., 3]]), "CMYK")
    data = bytearray(encoded(ycck, "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    yield Case(kind, b"ycck-adobe.jpg", bytes(data), shown[1], JPEG_TOLERANCE + 2)
    # No Adobe segment: every viewer reads it inverted all the same.
    data = encoded(Image.fromarray(ink[2], "CMYK"), "JPEG")
    at = data.index(b"Adobe") - 4
    yield Case(kind, b"cmyk-unmarked.jpg", data[:at] + data[at + 2 + data[at + 3] :], shown[2], JPEG_TOLERANCE)


def _lab() -> Iterator[Case]:
    # L 50 (128 of 255 is 50.2) without colour is the gray 119 of sRGB; L 100 is white.
    for name, L, gray in (("middle", 128, 119), ("white", 255, 255), ("black", 0, 0)):
        image = Image.new("LAB", (48, 32), (L, 128, 128))
        yield Case(
            "Lab TIFF", f"lab-{name}.tif".encode(), encoded(image, "TIFF"), np.full((32, 48, 3), gray, np.uint8), 2
        )


def _tiff(samples: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def _png(width: int, height: int, depth: int, color_type: int, rows: bytes, *before: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _deep() -> Iterator[Case]:
    ramp = np.linspace(0, 1, 256)
    gray = np.arange(256, dtype=np.uint8)[None, :, None].repeat(20, 0).repeat(3, 2)
    rgb = np.stack([ramp, ramp[::-1], np.full(256, 0.4)], -1)[None].repeat(20, 0)
    shown = np.rint(rgb * 255).astype(np.uint8)
    deep, deep_rgb = (np.rint(x * 65535).astype(">u2") for x in (ramp[None].repeat(20, 0), rgb))
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    kind = "16-bit PNG and TIFF"
    yield Case(kind, b"gray16.png", _png(256, 20, 16, 0, rows), gray)
    rows = b"".join(b"\0" + row.tobytes() for row in deep_rgb)
    yield Case(kind, b"rgb16.png", _png(256, 20, 16, 2, rows), shown, 1)
    alpha = np.dstack([deep_rgb, np.full((20, 256), 65535, ">u2")])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in alpha[::-1])
    yield Case(kind, b"rgba16.png", _png(256, 20, 16, 6, rows), shown[::-1], 1)
    yield Case(kind, b"gray16.tif", _tiff(deep.astype("<u2"), photometric="minisblack"), gray)
    yield Case(kind, b"rgb16.tif", _tiff(deep_rgb.astype("<u2"), photometric="rgb"), shown, 1)
    kind = "floating-point TIFF, with NaN and infinities too"
    yield Case(kind, b"float-gray.tif", _tiff(ramp[None].repeat(20, 0).astype("<f4")), gray)
    yield Case(kind, b"float-rgb.tif", _tiff(rgb.astype("<f4"), photometric="rgb"), shown)
    yield Case(kind, b"float64-rgb.tif", _tiff(rgb[::-1, ::-1].astype("<f8"), photometric="rgb"), shown[::-1, ::-1])
    for name, samples, whole in (("gray", ramp[None].repeat(20, 0), gray), ("rgb", rgb, shown)):
        holed, expected = samples.astype("<f4"), whole.copy()
        for column, value in ((3, np.nan), (9, np.inf), (11, -np.inf)):
            holed[2, column] = value
            expected[2, column] = 0
        options = {"photometric": "rgb"} if name == "rgb" else {}
        yield Case(kind, f"float-nan-{name}.tif".encode(), _tiff(holed, **options), expected)
    nothing = np.full((20, 20), np.nan, "<f4")
    yield Case(kind, b"float-only-nan.tif", _tiff(nothing), np.zeros((20, 20, 3), np.uint8))


def _transparent() -> Iterator[Case]:
    kind = "transparency, also in a palette"
    colour, white = [60, 120, 200], [255, 255, 255]
    half = np.zeros((32, 48), bool)
    half[:, :24] = True
    expected = np.where(half[..., None], np.uint8(white), np.uint8(colour))
    palette = Image.fromarray(np.where(half, 0, 1).astype(np.uint8), "P")
    palette.putpalette([1, 2, 3, *colour])
    yield Case(kind, b"palette.png", encoded(palette, "PNG", transparency=0), expected)
    yield Case(kind, b"palette-gif.jpg", encoded(palette, "GIF", transparency=0), expected)
    # 60 % of the colour: 255 - 0.6 (255 - c), whole alpha on the left.
    rgba = np.dstack([np.broadcast_to(np.uint8(colour), (32, 48, 3)), np.where(half, 255, 153)]).astype(np.uint8)
    mixed = np.where(half[..., None], np.uint8(colour), np.rint(255 - 0.6 * (255 - np.float64(colour))))
    for format_, ending in (("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")):
        yield Case(kind, f"alpha.{ending}".encode(), encoded(rgba, format_), mixed.astype(np.uint8), 1)
    gray = np.where(half, 255, 80)[..., None].repeat(3, 2).astype(np.uint8)
    rows = b"".join(b"\0" + np.where(row, 0, 80).astype(np.uint8).tobytes() for row in half)
    yield Case(kind, b"gray-key.png", _png(48, 32, 8, 0, rows, (b"tRNS", b"\0\0")), gray)
    rows = b"".join(b"\0" + np.where(row, 0, 80 * 257).astype(">u2").tobytes() for row in half)
    yield Case(kind, b"gray16-key.png", _png(48, 32, 16, 0, rows, (b"tRNS", b"\0\0")), gray)


def _animated() -> Iterator[Case]:
    kind = "animated GIF, WebP and PNG (the first frame)"
    for number, (format_, ending) in enumerate((("GIF", "png"), ("WEBP", "webp"), ("PNG", "png"))):
        colour = [200, 40 + 50 * number, 10]
        frames = [Image.new("RGB", (40, 30), tuple(c)) for c in (colour, [0, 0, 255], [0, 255, 0])]
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=50)
        expected = np.broadcast_to(np.uint8(colour), (30, 40, 3))
        yield Case(kind, f"animated-{format_.lower()}.{ending}".encode(), data, expected)


def _sizes() -> Iterator[Case]:
    kind = "1 x 1, 1 x 10,000 and 10,000 x 1"
    for height, width in ((1, 1), (1, 10_000), (10_000, 1)):
        ramp = np.linspace(30, 220, max(height, width)).astype(np.uint8)
        rgb = np.stack([ramp, ramp[::-1], ramp // 2], -1).reshape(height, width, 3)
        yield Case(kind, f"{height}x{width}.png".encode(), encoded(rgb, "PNG"), rgb)
        flat = np.full((height, width, 3), 90, np.uint8)
        yield Case(kind, f"{height}x{width}.jpg".encode(), encoded(flat, "JPEG"), flat, JPEG_TOLERANCE)


def _multi_page() -> Iterator[Case]:
    first, second = blocks(301), blocks(302, 4, 4)
    data = encoded(Image.fromarray(first), "TIFF", save_all=True, append_images=[Image.fromarray(second)] * 3)
    yield Case("TIFF of several pages (the first)", b"pages.tif", data, first)
    yield Case("TIFF of several pages (the first)", b"pages-deflate.tif", _tiff(first, compression="zlib"), first)


def _profiles() -> Iterator[Case]:
    kind = "odd ICC profiles: truncated, gray on colour, Lab, of random bytes"
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    gray = bytearray(srgb)
    gray[16:20] = b"GRAY"
    lying = bytearray(srgb)
    lying[0:4] = (2**32 - 1).to_bytes(4, "big")
    rng = np.random.default_rng(8)
    odd = {
        "truncated": bytes(srgb[:300]),
        "gray": bytes(gray),
        "lab": lab,
        "random": rng.bytes(700),
        "size": bytes(lying),
        "empty": b"\0",
    }
    for number, (name, profile) in enumerate(odd.items()):
        rgb = blocks(320 + number)
        yield Case(kind, f"profile-{name}.png".encode(), encoded(rgb, "PNG", icc_profile=profile), rgb)
        rgb = blocks(340 + number)
        data = encoded(rgb, "JPEG", icc_profile=profile)
        yield Case(kind, f"profile-{name}.jpg".encode(), data, rgb, JPEG_TOLERANCE)


def _exif() -> Iterator[Case]:
    kind = "broken EXIF"
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
        yield Case(kind, f"exif-{name}.jpg".encode(), encoded(rgb, "JPEG", exif=exif), rgb, JPEG_TOLERANCE)
        if number < 5:
            rgb = blocks(380 + number)
            yield Case(kind, f"exif-{name}.webp".encode(), encoded(rgb, "WEBP", exif=exif), rgb)
