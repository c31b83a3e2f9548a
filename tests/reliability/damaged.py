"""Files that are broken: cut off, with flipped bits, no pictures at all, and those that unfold into gigabytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.reliability.cases import Case, encoded
from tests.reliability.pictures import png_chunk

DAMAGED = r"truncated|corrupt|unfold|not an image|empty|without pixels|above the limit|not supported|too (large|many)"
ENDINGS = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp"}
CUTS = (0.05, 0.3, 0.6, 0.9, 0.97)
FLIPS_EACH = 8


def damaged_files() -> Iterator[Case]:
    """Every case of this file."""
    for make in (_cut, _flipped, _no_pictures, _bombs, _structures):
        yield from make()


def _noise(seed: int) -> np.ndarray:
    # Noise does not compress: a cut anywhere takes pixels away.
    return np.random.default_rng([seed, 1]).integers(0, 256, (40, 56, 3), np.uint8)


def _cut() -> Iterator[Case]:
    for number, (format_, ending) in enumerate(ENDINGS.items()):
        for step, share in enumerate(CUTS):
            data = encoded(_noise(10 * number + step), format_)
            kept = data[: int(len(data) * share)]
            yield Case(
                f"truncated {format_}", f"cut-{step}.{ending}".encode(), kept, reason=r"truncated|corrupt|not an image"
            )


def _flipped() -> Iterator[Case]:
    for number, (format_, ending) in enumerate(ENDINGS.items()):
        for seed in range(FLIPS_EACH):
            rng = np.random.default_rng([number, seed, 2])
            rgb = _noise(1000 + 10 * number + seed)
            data = bytearray(encoded(rgb, format_))
            # Half of them in the first bytes, where what a file says of itself stands.
            within = min(len(data), 200) if seed % 2 else len(data)
            for at in rng.integers(0, within, 1 + seed // 2):
                data[at] ^= 1 << rng.integers(0, 8)
            # PNG has checksums: what comes out of it must be what went in. The others cannot notice.
            expected = rgb if format_ == "PNG" else None
            yield Case(
                f"bit-flipped {format_}",
                f"flipped-{seed}.{ending}".encode(),
                bytes(data),
                expected,
                reason=DAMAGED,
                either=True,
            )


def _no_pictures() -> Iterator[Case]:
    for ending in ENDINGS.values():
        yield Case("files of zero bytes", f"zero.{ending}".encode(), b"", reason="empty file")
    nothing = "not an image that can be read"
    kind = "text, archives and other files with a photograph's ending"
    text = b"Dear Aunt, the photographs are in the other box.\n"
    others = {
        "text": text,
        "html": b"<html><body>404 Not Found</body></html>",
        "zip": b"PK\x03\x04" + bytes(200),
        "pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + bytes(100),
        "zeros": bytes(5000),
        "random": np.random.default_rng(5).bytes(3000),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
    }
    for name, content in others.items():
        yield Case(kind, f"{name}.jpg".encode(), content, reason=nothing)
    kind = "a wrong ending"
    for number, (format_, ending) in enumerate(
        (("PNG", "jpg"), ("JPEG", "png"), ("WEBP", "tif"), ("TIFF", "webp"), ("BMP", "jpeg"), ("PPM", "bmp"))
    ):
        rgb = np.random.default_rng([number, 3]).integers(20, 230, (4, 5, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        data = encoded(rgb, format_)
        yield Case(kind, f"is-{format_.lower()}.{ending}".encode(), data, rgb, 4 if format_ == "JPEG" else 0)


def declared_png(width: int, height: int, content: bytes = b"") -> bytes:
    """Return a gray PNG whose header declares this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(content)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def declared_jpeg(width: int, height: int, seed: int) -> bytes:
    """Return a small JPEG whose frame header declares this size."""
    data = bytearray(encoded(_noise(seed), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _declared_tiff(width: int, height: int, seed: int, **tags: int) -> bytes:
    entries = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 64} | {
        int(name[1:]): value for name, value in tags.items()
    }
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items())
    )
    pixels = np.random.default_rng(seed).bytes(64)
    return b"II*\0" + struct.pack("<I", 8 + 64) + pixels + directory + bytes(4)


def _bombs() -> Iterator[Case]:
    kind = "20,000 x 20,000 and more, declared in the header"
    limit = "above the limit of 100000000"
    yield Case(kind, b"declared.png", declared_png(20_000, 20_000), reason=limit)
    yield Case(kind, b"declared.jpg", declared_jpeg(20_000, 20_000, 1), reason=limit)
    yield Case(kind, b"declared.tif", _declared_tiff(20_000, 20_000, 2), reason=limit)
    yield Case(kind, b"declared-most.png", declared_png(2**31 - 1, 2**31 - 1), reason=DAMAGED)
    yield Case(kind, b"declared-most.tif", _declared_tiff(2**32 - 1, 2**32 - 1, 3), reason=DAMAGED)
    bmp = b"BM" + struct.pack("<IHHI", 60, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 20_000, 20_000, 1, 24, *[0] * 6)
    yield Case(kind, b"declared.bmp", bmp + bytes(99), reason=limit)
    webp = b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8L" + struct.pack("<I", 13)
    webp += b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(8)
    yield Case(kind, b"declared.webp", webp, reason=DAMAGED)
    kind = "decompression bombs"
    yield Case(kind, b"bomb.png", declared_png(20_000, 20_000, bytes(50_000_000)), reason=limit)
    yield Case(kind, b"bomb-1-bit.png", encoded(Image.new("1", (11_000, 11_000)), "PNG"), reason=limit)
    yield Case(kind, b"tile.tif", _declared_tiff(16, 16, 6, t322=60_000, t323=60_000, t324=8, t325=64), reason=DAMAGED)
    bomb = zlib.compress(bytes(80_000_000))
    whole = encoded(_noise(77), "PNG")
    for name, chunk in (
        ("text", png_chunk(b"zTXt", b"Comment\0\0" + bomb)),
        ("profile", png_chunk(b"iCCP", b"x\0\0" + bomb)),
    ):
        yield Case(
            kind, f"bomb-{name}.png".encode(), whole[:33] + chunk + whole[33:], _noise(77), reason=DAMAGED, either=True
        )
    yield Case(kind, b"scans.jpg", many_scans(600), reason="a JPEG of 600 scans, too many for its 9000000 pixels")


def many_scans(count: int) -> bytes:
    """Return a progressive JPEG of 3000 x 3000 whose last scan comes again and again: small, and decoded for long."""
    data = encoded(Image.new("RGB", (3000, 3000), (90, 90, 90)), "JPEG", progressive=True, quality=60)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    return data[:last] + scan * (count - data[:last].count(b"\xff\xda")) + data[-2:]


def _structures() -> Iterator[Case]:
    kind = "TIFF with impossible directories, PNG with giant text"
    counts = struct.pack("<H", 65_535) + struct.pack("<HHII", 256, 4, 1, 16) * 4
    yield Case(kind, b"entries.tif", b"II*\0" + struct.pack("<I", 8) + counts, reason=DAMAGED)
    loop = _declared_tiff(8, 8, 4)
    yield Case(kind, b"loop.tif", loop[:-4] + struct.pack("<I", 72), reason=DAMAGED, either=True)
    yield Case(kind, b"values.tif", _declared_tiff(8, 8, 5, t33432=2**31), reason=DAMAGED, either=True)
    huge = bytearray(_declared_tiff(8, 8, 7))
    at = huge.index(struct.pack("<HHII", 273, 4, 1, 8))
    huge[at : at + 12] = struct.pack("<HHII", 273, 4, 2**30, 8)
    yield Case(kind, b"strips.tif", bytes(huge), reason=DAMAGED)
    rgb = _noise(88)
    whole = encoded(rgb, "PNG")
    text = png_chunk(b"tEXt", b"Comment\0" + b"x" * 20_000_000)
    yield Case(kind, b"text-20-mb.png", whole[:33] + text + whole[33:], rgb, reason=DAMAGED, either=True)
    rgb = _noise(89)
    whole = encoded(rgb, "PNG")
    text = png_chunk(b"tEXt", b"Comment\0" + b"x" * 500_000)
    yield Case(kind, b"text-half-mb.png", whole[:33] + text + whole[33:], rgb)
