"""TIFF as scanners, microscopes and archives write it, against the arrays that were written.

Writers: tifffile, Pillow, and `directory` below, which shares nothing with them.
"""

import io
import struct
from itertools import product

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import color, data

from oldrestore.data.codecs.decode import UnreadablePhoto, count_pages, decode_bytes, decode_contents

RGB = np.ascontiguousarray(data.astronaut()[:96, 150:230])
GRAY = np.asarray(Image.fromarray(RGB).convert("L"))
HEIGHT, WIDTH = GRAY.shape
ALPHA = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
DEPTHS = {
    "uint8": lambda samples: samples,
    "uint16": lambda samples: samples.astype(np.uint16) * 257,
    "uint32": lambda samples: samples.astype(np.uint32) * 16_843_009,
    "int16": lambda samples: (samples * (32767 / 255)).round().astype(np.int16),
    "int32": lambda samples: samples.astype(np.int32) * 257,
    "float16": lambda samples: (samples / 255).astype(np.float16),
    "float32": lambda samples: (samples / 255).astype(np.float32),
    "float64": lambda samples: samples / 255,
}
TYPES = {3: "H", 4: "I"}


def three(gray):
    return np.repeat(np.asarray(gray)[..., None], 3, axis=2)


def written(samples, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def directory(pixels, order="<", bits=8, photometric=1, samples=1, shape=GRAY.shape, **more):
    """Return a TIFF of one strip from its tags, by number: ``t281=(3, [4095])``; None leaves one out."""
    height, width = shape
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [photometric])}
    tags |= {273: (4, [0]), 277: (3, [samples]), 278: (4, [height]), 279: (4, [len(pixels)])}
    tags |= {int(name[1:]): value for name, value in more.items()}
    tags = {number: value for number, value in sorted(tags.items()) if value is not None}
    packed = {number: struct.pack(f"{order}{len(v)}{TYPES[kind]}", *v) for number, (kind, v) in tags.items()}
    behind = 8 + 2 + 12 * len(tags) + 4
    packed[273] = struct.pack(f"{order}I", behind + sum(len(value) for value in packed.values() if len(value) > 4))
    entries, values = b"", b""
    for number, (kind, value) in tags.items():
        entries += struct.pack(f"{order}HHI", number, kind, len(value))
        if len(packed[number]) > 4:
            entries += struct.pack(f"{order}I", behind + len(values))
            values += packed[number]
        else:
            entries += packed[number].ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + values + pixels


def assert_is(contents, expected, tolerance=0, page=0, pages=1):
    decoded = decode_bytes(contents, page=page)
    expected = three(expected) if np.ndim(expected) == 2 else np.asarray(expected)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected.astype(int)).max() <= tolerance
    assert count_pages(contents) == pages


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["minisblack", "miniswhite", "rgb", "planar"])
def test_samples_of_every_kind(kind, order, depth):
    shown = {"minisblack": GRAY, "miniswhite": 255 - GRAY}.get(kind, RGB)
    samples = DEPTHS[depth](shown)
    options = {"photometric": kind}
    if kind == "planar":
        samples, options = np.moveaxis(samples, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}
    for tile, compression in product((None, (32, 48)), (None, "lzw", "zlib", "packbits", "zstd")):
        places = {"tile": tile} if tile else {"rowsperstrip": 10}
        predictors = (
            (False, True) if compression in ("lzw", "zlib") and depth not in ("float16", "float64") else (False,)
        )
        for predictor in predictors:
            how = {"compression": compression, "predictor": predictor, **places, **options}
            assert_is(written(samples, byteorder=order, **how), GRAY if "minis" in kind else RGB)


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("colors", [GRAY, RGB], ids=["gray", "rgb"])
def test_extra_samples(colors, depth):
    deep, opaque = DEPTHS[depth], ALPHA / 255.0
    opaque = opaque[..., None] if colors.ndim == 3 else opaque
    on_white = np.rint(colors * opaque + 255 * (1 - opaque))
    times_alpha = np.rint(colors * opaque * 257) / 257
    premultiplied = {
        "uint8": np.rint(times_alpha).astype(np.uint8),
        "uint16": np.rint(times_alpha * 257).astype(np.uint16),
    }
    premultiplied = premultiplied.get(depth, (times_alpha / 255).astype(np.float32))
    kinds = {
        "unassalpha": (deep(colors), on_white, 1),
        "assocalpha": (premultiplied, on_white, 2),
        "unspecified": (deep(colors), colors, 0),
    }
    photometric = "rgb" if colors.ndim == 3 else "minisblack"
    for kind, (samples, expected, tolerance) in kinds.items():
        stacked = np.dstack([samples, deep(ALPHA)])
        options = {"photometric": photometric, "extrasamples": [kind]}
        assert_is(written(stacked, planarconfig="contig", **options), expected, tolerance)
        assert_is(written(np.moveaxis(stacked, -1, 0), planarconfig="separate", **options), expected, tolerance)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_the_bits_that_are_used(bits, order):
    most = 2**bits - 1
    samples = np.rint(GRAY / 255 * most).astype(f"{order}u2")
    used = {"t281": (3, [most])}
    assert_is(directory(samples.tobytes(), order, 16, **used), GRAY)
    assert_is(directory((most - samples).astype(f"{order}u2").tobytes(), order, 16, 0, **used), GRAY)
    opaque = np.dstack([samples, np.full_like(samples, most)]).astype(f"{order}u2").tobytes()
    assert_is(directory(opaque, order, 16, 1, 2, t281=(3, [most] * 2), t338=(3, [2])), GRAY)
    # What is a statistic of the picture is not a range.
    darker = DEPTHS["uint16"](GRAY // 2)
    assert_is(directory(darker.astype(f"{order}u2").tobytes(), order, 16, t281=(3, [int(darker.max())])), GRAY // 2)
    packed = np.packbits(
        (samples[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(HEIGHT, -1), 1
    )
    assert_is(directory(packed.tobytes(), order, bits), GRAY)


@pytest.mark.parametrize("order", "<>")
def test_few_bits_and_palettes(order):
    one = GRAY > 100
    bits = np.packbits(one, axis=1).tobytes()
    backwards = bytes(int(f"{byte:08b}"[::-1], 2) for byte in bits)
    assert_is(directory(bits, order, 1), one * 255)
    assert_is(directory(bits, order, 1, 0), ~one * 255)
    assert_is(directory(backwards, order, 1, t266=(3, [2])), one * 255)
    four = GRAY // 16
    nibbles = (four[:, ::2] << 4 | four[:, 1::2]).tobytes()
    assert_is(directory(nibbles, order, 4), four * 17)
    colors = np.random.default_rng(0).integers(0, 256, (3, 16))
    for scale in (257, 256, 1):  # as the standard has it, and as writers do
        palette = (3, (colors * scale).ravel().tolist())
        assert_is(directory(nibbles, order, 4, 3, t320=palette), colors.T[four])


@pytest.mark.parametrize("order", "<>")
def test_cmyk_lab_and_ycbcr(order):
    cmyk = np.asarray(Image.fromarray(RGB).convert("CMYK"))
    assert_is(directory(cmyk.tobytes(), order, 8, 5, 4), RGB, 1)
    assert_is(directory((cmyk.astype(f"{order}u2") * 257).astype(f"{order}u2").tobytes(), order, 16, 5, 4), RGB, 1)
    # Bradford's adaptation from D65 to D50, as in ICC profiles.
    adaptation = [
        [1.0478112, 0.0228866, -0.0501270],
        [0.0295424, 0.9904844, -0.0170491],
        [-0.0092345, 0.0150436, 0.7521316],
    ]
    lab = color.xyz2lab(color.rgb2xyz(RGB / 255) @ np.transpose(adaptation), illuminant="D50")
    L, ab = lab[..., :1], lab[..., 1:]
    kinds = {
        (8, 8): (np.dstack([L * 2.55, np.rint(ab) % 256]), 10),
        (8, 16): (np.dstack([L * 655.35, np.rint(ab * 256) % 65536]), 2),
        (9, 8): (np.dstack([L * 2.55, ab + 128]), 10),
        (9, 16): (np.dstack([L * 652.80, (ab + 128) * 256]), 2),
    }
    for (photometric, bits), (samples, tolerance) in kinds.items():
        pixels = np.rint(samples).astype(f"{order}u{bits // 8}").tobytes()
        assert_is(directory(pixels, order, bits, photometric, 3), RGB, tolerance)
    ycbcr = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    assert_is(directory(ycbcr.tobytes(), order, 8, 6, 3, t530=(3, [1, 1])), RGB, 3)
    flat = np.repeat(np.repeat(RGB[::8, ::8], 8, 0), 8, 1)  # chroma of blocks survives sharing by 2 x 2
    ycbcr = np.asarray(Image.fromarray(flat).convert("YCbCr"))
    y = ycbcr[..., 0].reshape(HEIGHT // 2, 2, WIDTH // 2, 2).swapaxes(1, 2).reshape(HEIGHT // 2, WIDTH // 2, 4)
    shared = np.dstack([y, ycbcr[::2, ::2, 1:]]).tobytes()
    assert_is(directory(shared, order, 8, 6, 3, t530=(3, [2, 2])), flat, 3)


def pillow_kinds():
    for compression in ("group3", "group4", "tiff_ccitt", "tiff_lzw", None):
        yield "1", compression
    for mode in ("L", "RGB", "CMYK", "YCbCr"):
        yield from ((mode, compression) for compression in ("jpeg", "tiff_lzw", "packbits", "tiff_adobe_deflate", None))
    yield from (("P", "tiff_lzw"), ("P", None))


@pytest.mark.parametrize(("mode", "compression"), [*pillow_kinds()])
def test_what_pillow_writes(mode, compression):
    flat = Image.fromarray(np.repeat(np.repeat(RGB[::16, ::16], 16, 0), 16, 1))
    picture = flat.convert(mode) if mode != "P" else flat.quantize(20)
    options = {"compression": compression} if compression else {}
    options |= {"quality": 100} if compression == "jpeg" else {}
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", **options)
    tolerance = 6 if compression == "jpeg" else 3 * (mode == "YCbCr")
    assert_is(buffer.getvalue(), np.asarray(picture.convert("RGB")), tolerance)


@pytest.mark.parametrize("order", "<>")
def test_what_writers_leave_out_or_get_wrong(order):
    pixels = GRAY.tobytes()
    wrong = [{"t279": None}, {"t278": None}, {"t278": (4, [2**32 - 1])}]
    wrong += [{"t279": (4, [count])} for count in (0, 100, len(pixels) + 1000)]
    for tags in wrong:
        assert_is(directory(pixels, order, **tags), GRAY)
    assert_is(directory(pixels, order) + b"more", GRAY)
    holes = (GRAY / 255).astype(f"{order}f4")
    holes[0, :2] = np.nan, np.inf
    expected = GRAY.copy()
    expected[0, :2] = 0
    assert_is(directory(holes.tobytes(), order, 32, t339=(3, [3])), expected)
    turns = {2: GRAY[:, ::-1], 3: GRAY[::-1, ::-1], 4: GRAY[::-1], 5: GRAY.T, 6: np.rot90(GRAY), 8: np.rot90(GRAY, -1)}
    for orientation, stored in turns.items():
        turned = directory(stored.tobytes(), order, shape=stored.shape, t274=(3, [orientation]))
        assert_is(turned, GRAY)


def test_previews_masks_and_pages():
    small = RGB[::4, ::4]

    def file_of(*pages, **options):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer, **options) as tiff:
            for samples, kind, inner in pages:
                photometric = "mask" if kind == 4 else "rgb"
                tiff.write(samples, photometric=photometric, subfiletype=kind, subifds=inner, metadata=None)
        return buffer.getvalue()

    for options in ({}, {"bigtiff": True}, {"byteorder": ">"}):
        assert_is(file_of((small, 1, None), (RGB, 0, None), **options), RGB)
        assert_is(file_of((small, 1, 1), (RGB, 0, None), **options), RGB)  # the picture within the preview
        assert_is(file_of((RGB, 1, None), **options), RGB)  # what else is there
        scan = file_of(
            (RGB, 2, 1),
            (small, 1, None),
            (RGB[::-1], 2, None),
            (GRAY > 9, 4, None),
            (RGB.T.swapaxes(0, 2).swapaxes(0, 1), 0, None),
            **options,
        )
        assert_is(scan, RGB, pages=3)
        assert_is(scan, RGB[::-1], page=1, pages=3)
    # An orientation is that of its page, and of the pictures within it.
    for subifds, pages in ((None, [RGB, RGB[::-1]]), (1, [RGB])):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as tiff:
            first, kind = (small, 1) if subifds else (RGB[::-1], 0)
            turned = [(274, 3, 1, 4, True)]
            tiff.write(first, photometric="rgb", subfiletype=kind, subifds=subifds, extratags=turned, metadata=None)
            tiff.write(RGB[::-1], photometric="rgb", metadata=None)
        for page, expected in enumerate(pages):
            assert_is(buffer.getvalue(), expected, page=page, pages=len(pages))
    with pytest.raises(UnreadablePhoto, match="without a page 4"):
        decode_bytes(scan, page=3)


def test_the_preview_of_a_raw_file():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        tiff.write(RGB[::8, ::8], photometric="rgb", subfiletype=1, subifds=2, metadata=None)
        tiff.write(DEPTHS["uint16"](GRAY), photometric="cfa", subfiletype=0, metadata=None)
        tiff.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert_is(buffer.getvalue(), RGB[::2, ::2])
    assert decode_contents(buffer.getvalue()).remark == "a raw file: its preview of 40 x 48 pixels is read"


@pytest.mark.parametrize("change", [{"t332": (3, [2])}, {"t262": (3, [32844])}, {"t259": (3, [34676])}])
def test_kinds_that_are_refused(change):
    with pytest.raises(UnreadablePhoto, match=r"not supported|no picture"):
        decode_bytes(directory(bytes(HEIGHT * WIDTH * 4), "<", 8, 5, 4, **change))


def test_strips_that_are_larger_than_they_say():
    """A JPEG of 9,000 x 9,000 pixels within a strip of 96 x 80."""
    buffer = io.BytesIO()
    Image.new("L", (9000, 9000)).save(buffer, "JPEG")
    with pytest.raises(UnreadablePhoto, match="larger than the picture"):
        decode_bytes(directory(buffer.getvalue(), t259=(3, [7])))
