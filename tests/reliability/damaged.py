"""Broken files (cut off, with flipped bits, no pictures, unfolding into gigabytes), and odd entries of folders."""

import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.reliability.cases import ENDINGS, JPEG_TOLERANCE, Case, blocks, encoded, jpeg, png, png_chunk

DAMAGED = r"truncated|corrupt|unfold|not an image|empty|without pixels|above the limit|not supported|too (large|many)"
LIMIT = "above the limit of 100000000"
CUTS = (0.05, 0.3, 0.6, 0.9, 0.97)
FLIPS_EACH = 8
NO_PICTURES = {
    "text": b"Dear Aunt, the photographs are in the other box.\n",
    "html": b"<html><body>404 Not Found</body></html>",
    "zip": b"PK\x03\x04" + bytes(200),
    "pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + bytes(100),
    "zeros": bytes(5000),
    "random": np.random.default_rng(5).bytes(3000),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
}
WRONG_ENDINGS = {"PNG": "jpg", "JPEG": "png", "WEBP": "tif", "TIFF": "webp", "BMP": "jpeg", "PPM": "bmp"}


def damaged_files() -> Iterator[Case]:
    for number, format_ in enumerate(ENDINGS):
        yield from _cut(number, format_)
    for number, format_ in enumerate(ENDINGS):
        yield from _flipped(number, format_)
    for make in (_no_pictures, _declared, _bombs, _structures):
        yield from make()


def _noise(seed: int) -> np.ndarray:
    # Noise does not compress: a cut anywhere takes pixels away.
    return np.random.default_rng([seed, 1]).integers(0, 256, (40, 56, 3), np.uint8)


def _cut(number: int, format_: str) -> Iterator[Case]:
    for step, share in enumerate(CUTS):
        data = encoded(_noise(10 * number + step), format_)
        name, kept = f"cut-{step}.{ENDINGS[format_]}", data[: int(len(data) * share)]
        yield Case(f"truncated {format_}", name, kept, reason=r"truncated|corrupt|not an image")


def _flipped(number: int, format_: str) -> Iterator[Case]:
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
        name = f"flipped-{seed}.{ENDINGS[format_]}"
        yield Case(f"bit-flipped {format_}", name, bytes(data), expected, reason=DAMAGED, either=True)


def _no_pictures() -> Iterator[Case]:
    for ending in ENDINGS.values():
        yield Case("files of zero bytes", f"zero.{ending}", b"", reason="empty file")
    kind = "text, archives and other files with a photograph's ending"
    for name, content in NO_PICTURES.items():
        yield Case(kind, f"{name}.jpg", content, reason="not an image that can be read")
    for number, (format_, ending) in enumerate(WRONG_ENDINGS.items()):
        rgb = np.random.default_rng([number, 3]).integers(20, 230, (4, 5, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        name, data = f"is-{format_.lower()}.{ending}", encoded(rgb, format_)
        yield Case("a wrong ending", name, data, rgb, 4 if format_ == "JPEG" else 0)


def _declared_png(width: int, height: int, content: bytes = b"") -> bytes:
    return png(width, height, 8, 0, zlib.compress(content))


def _declared_jpeg(width: int, height: int, seed: int) -> bytes:
    data = bytearray(encoded(_noise(seed), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _declared_tiff(width: int, height: int, seed: int, tags: dict[int, int] | None = None) -> bytes:
    entries = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 64} | (tags or {})
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    pixels = np.random.default_rng(seed).bytes(64)
    return b"II*\0" + struct.pack("<I", 8 + 64) + pixels + directory + bytes(4)


def _declared() -> Iterator[Case]:
    kind = "20,000 x 20,000 and more, declared in the header"
    yield Case(kind, "declared.png", _declared_png(20_000, 20_000), reason=LIMIT)
    yield Case(kind, "declared.jpg", _declared_jpeg(20_000, 20_000, 1), reason=LIMIT)
    yield Case(kind, "declared.tif", _declared_tiff(20_000, 20_000, 2), reason=LIMIT)
    yield Case(kind, "declared-most.png", _declared_png(2**31 - 1, 2**31 - 1), reason=DAMAGED)
    yield Case(kind, "declared-most.tif", _declared_tiff(2**32 - 1, 2**32 - 1, 3), reason=DAMAGED)
    bmp = b"BM" + struct.pack("<IHHI", 60, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 20_000, 20_000, 1, 24, *[0] * 6)
    yield Case(kind, "declared.bmp", bmp + bytes(99), reason=LIMIT)
    webp = b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8L" + struct.pack("<I", 13)
    webp += b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(8)
    yield Case(kind, "declared.webp", webp, reason=DAMAGED)


def _with_chunk(rgb: np.ndarray, name: bytes, content: bytes) -> bytes:
    """Encode as PNG, with one more chunk after the header."""
    whole = encoded(rgb, "PNG")
    return whole[:33] + png_chunk(name, content) + whole[33:]


def _bombs() -> Iterator[Case]:
    kind = "decompression bombs"
    yield Case(kind, "bomb.png", _declared_png(20_000, 20_000, bytes(50_000_000)), reason=LIMIT)
    yield Case(kind, "bomb-1-bit.png", encoded(Image.new("1", (11_000, 11_000)), "PNG"), reason=LIMIT)
    tile = _declared_tiff(16, 16, 6, {322: 60_000, 323: 60_000, 324: 8, 325: 64})
    yield Case(kind, "tile.tif", tile, reason=DAMAGED)
    bomb, rgb = zlib.compress(bytes(80_000_000)), _noise(77)
    for name, chunk in (("text", (b"zTXt", b"Comment\0\0" + bomb)), ("profile", (b"iCCP", b"x\0\0" + bomb))):
        yield Case(kind, f"bomb-{name}.png", _with_chunk(rgb, *chunk), rgb, reason=DAMAGED, either=True)
    yield Case(kind, "scans.jpg", _many_scans(600), reason="a JPEG of 600 scans, too many for its 9000000 pixels")


def _many_scans(count: int) -> bytes:
    """Return a progressive JPEG of 3000 x 3000 whose last scan comes again and again: small, and decoded for long."""
    data = encoded(Image.new("RGB", (3000, 3000), (90, 90, 90)), "JPEG", progressive=True, quality=60)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (count - data[:last].count(b"\xff\xda")) + data[-2:]


def _structures() -> Iterator[Case]:
    kind = "TIFF with impossible directories, PNG with giant text"
    counts = struct.pack("<H", 65_535) + struct.pack("<HHII", 256, 4, 1, 16) * 4
    yield Case(kind, "entries.tif", b"II*\0" + struct.pack("<I", 8) + counts, reason=DAMAGED)
    loop = _declared_tiff(8, 8, 4)[:-4] + struct.pack("<I", 72)
    yield Case(kind, "loop.tif", loop, reason=DAMAGED, either=True)
    yield Case(kind, "values.tif", _declared_tiff(8, 8, 5, {33432: 2**31}), reason=DAMAGED, either=True)
    one, endless = (struct.pack("<HHII", 273, 4, count, 8) for count in (1, 2**30))
    yield Case(kind, "strips.tif", _declared_tiff(8, 8, 7).replace(one, endless), reason=DAMAGED)
    rgb = _noise(88)
    giant = _with_chunk(rgb, b"tEXt", b"Comment\0" + b"x" * 20_000_000)
    yield Case(kind, "text-20-mb.png", giant, rgb, reason=DAMAGED, either=True)
    rgb = _noise(89)
    yield Case(kind, "text-half-mb.png", _with_chunk(rgb, b"tEXt", b"Comment\0" + b"x" * 500_000), rgb)


NAMES = {
    "names with spaces, line breaks, quotes and a leading dash": [
        "two words.jpg",
        " leading and trailing .jpg",
        "line\nbreak.jpg",
        "carriage\rreturn\ttab.jpg",
        "-rf.jpg",
        "--overwrite.jpg",
        "quote'\"`$(x).jpg",
        "[red]rich[bold].jpg",
        "\x1b[31mescape.jpg",
        "a=b.jpg",
    ],
    "names that are not UTF-8": [b"caf\xe9.jpg", b"\xff\xfe.jpg", b"\xed\xa0\x80.jpg"],
    "names of 255 bytes": ["x" * 251 + ".jpg", "ä" * 125 + "y.jpg", "x" * 250 + "1.jpg"],
    "names in Unicode": ["Oma ☺ 日本.jpg", "e\u0301.jpg", "UPPER.JPG", "two.dots.jpg"],
}


def odd_entries() -> Iterator[Case]:
    named = [(kind, name) for kind, names in NAMES.items() for name in names]
    for seed, (kind, name) in enumerate(named, 501):
        yield Case(kind, name, jpeg(seed), blocks(seed), JPEG_TOLERANCE)
    kind = "links: dangling, in loops, to themselves"
    yield Case(kind, "dangling.jpg", _link("nowhere/there.jpg"), reason="a link that leads nowhere")
    for name, target in (("itself", "itself"), ("loop-a", "loop-b"), ("loop-b", "loop-a")):
        yield Case(kind, f"{name}.jpg", _link(f"{target}.jpg"), reason="loop")
    kind = "pipes, sockets and devices named as photographs"
    devices = {f"device-{device}": _link(f"/dev/{device}") for device in ("zero", "null", "full", "random")}
    for name, make in {"pipe": os.mkfifo, "socket": _socket, **devices}.items():
        yield Case(kind, f"{name}.jpg", make, reason="not a file")
    for name in ("folder.jpg", "folder.png"):
        yield Case("folders named as photographs", name, Path.mkdir, reason="a folder, not a")
    for name, size in (("sparse.jpg", 2**40), ("sparse-3-gb.tif", 3 * 2**30)):
        yield Case("files that would fill the memory", name, _sparse(size), reason="bytes, above the limit")


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _socket(path: Path) -> None:
    # A socket's address is short; from its own folder the name suffices.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(size: int) -> Callable[[Path], None]:
    """A file of holes: it takes no room on the disk, and that many bytes in memory."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(b"\xff\xd8\xff\xe0")
            file.truncate(size)

    return write
