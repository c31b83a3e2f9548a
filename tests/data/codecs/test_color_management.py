"""Colour as it is meant: profiles, code points, gamma and EXIF against the curves of their standards, in float64."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage import data

from oldrestore.data.codecs.color_management import rgb_profile
from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes, decode_contents
from oldrestore.data.codecs.scaled_decoding import load_plain_jpeg
from tests.data.codecs.test_tiff import directory

RGB = np.ascontiguousarray(data.astronaut()[:96, 150:230])
GRAY = np.asarray(Image.fromarray(RGB).convert("L"))
D65 = (0.3127, 0.3290, 1.0)
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
DISPLAY_P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def gray_profile(gamma):
    return imagecodecs.cms_profile("gray", whitepoint=D65, gamma=gamma)


def light(samples):
    """Linear light of sRGB samples, both 0..1 (IEC 61966-2-1)."""
    return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)


def srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def xyz_of(xy):
    """Matrix from linear RGB of primaries to XYZ, white D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(xy[::2], xy[1::2], strict=True)]).T
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    return columns * np.linalg.solve(columns, white)


def from_srgb(rgb, primaries):
    """Linear light of other primaries for sRGB colours, 0..1."""
    return light(rgb / 255) @ (np.linalg.inv(xyz_of(primaries)) @ xyz_of(SRGB)).T


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(samples, *chunks, color_type=None):
    """Return a PNG of 8 or 16 bits with chunks before its pixels, written here."""
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    depth = samples.dtype.itemsize * 8
    rows = samples.astype(samples.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    filtered = zlib.compress(np.hstack([np.zeros((height, 1), np.uint8), rows.reshape(height, -1)]).tobytes(), 1)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(*one) for one in chunks), chunk(b"IDAT", filtered), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def iccp(profile):
    return b"iCCP", b"x\0\0" + zlib.compress(profile)


def gama(value):
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def chrm(primaries):
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in (*D65[:2], *primaries)))


def quantized(values, dtype):
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def error(contents, expected):
    decoded = decode_bytes(contents).astype(int)
    expected = np.repeat(expected[..., None], 3, 2) if expected.ndim == 2 else expected
    assert decoded.shape == expected.shape
    return np.abs(decoded - expected).mean()


LINEAR_RGB = imagecodecs.cms_profile(
    "rgb", whitepoint=D65, primaries=[0.64, 0.33, 1, 0.3, 0.6, 1, 0.15, 0.06, 1], gamma=1.0
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("colors", [GRAY, RGB], ids=["gray", "rgb"])
@pytest.mark.parametrize("how", ["profile", "gamma", "code points"])
def test_linear_png(how, colors, alpha, dtype):
    chunks = {
        "profile": iccp(gray_profile(1.0) if colors.ndim == 2 else LINEAR_RGB),
        "gamma": gama(1.0),
        "code points": (b"cICP", bytes([1, 8, 0, 1])),
    }
    samples = quantized(light(colors / 255), dtype)
    samples = samples[..., None] if colors.ndim == 2 else samples
    if alpha:
        samples = np.dstack([samples, np.full(GRAY.shape, np.iinfo(dtype).max, dtype)])
    contents = png(samples, chunks[how])
    assert error(contents, colors) <= (0.05 if dtype == np.uint16 else 1.0)
    if dtype == np.uint16:  # every level of the shadows is left
        expected = np.unique(colors[colors < 60]).size
        assert np.unique(decode_bytes(contents)[colors < 60]).size >= expected - 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_linear_tiff(dtype):
    for colors, profile in ((GRAY, gray_profile(1.0)), (RGB, LINEAR_RGB), (GRAY, LINEAR_RGB)):
        linear = light(colors / 255)
        samples = linear.astype(dtype) if dtype == np.float32 else quantized(linear, dtype)
        for compression in (None, "zlib"):
            buffer = io.BytesIO()
            kind = "rgb" if colors.ndim == 3 else "minisblack"
            tifffile.imwrite(buffer, samples, photometric=kind, iccprofile=profile, compression=compression)
            assert error(buffer.getvalue(), colors) <= (1.0 if dtype == np.uint8 else 0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_other_primaries(dtype):
    p3 = srgb(from_srgb(RGB, DISPLAY_P3))
    adobe = np.clip(from_srgb(RGB, ADOBE), 0, 1) ** (256 / 563)
    gamma_18 = np.clip(from_srgb(RGB, DISPLAY_P3), 0, 1) ** (1 / 1.8)
    cases = [
        (p3, (b"cICP", bytes([12, 13, 0, 1]))),
        (p3, iccp(rgb_profile((*DISPLAY_P3, *D65[:2]), None))),
        (adobe, iccp(imagecodecs.cms_profile("adobergb"))),
        (gamma_18, gama(1 / 1.8), chrm(DISPLAY_P3)),
        (p3, gama(1 / 2.2), chrm(DISPLAY_P3)),
    ]
    for values, *chunks in cases:
        assert error(png(quantized(values, dtype), *chunks), RGB) <= 1.0, chunks[0][0]


def test_what_counts_first():
    """Code points before a profile, a profile before sRGB, sRGB before gamma and primaries."""
    linear, as_it_is = png(RGB, (b"cICP", bytes([1, 8, 0, 1]))), decode_bytes(png(RGB))
    expected = decode_bytes(linear)
    code, profile, marked, gamma = (b"cICP", bytes([1, 8, 0, 1])), iccp(LINEAR_RGB), (b"sRGB", b"\0"), gama(1.0)
    srgb_code, srgb_profile = (b"cICP", bytes([1, 13, 0, 1])), iccp(imagecodecs.cms_profile("srgb"))
    np.testing.assert_array_equal(decode_bytes(png(RGB, srgb_code, profile, gamma)), as_it_is)
    np.testing.assert_array_equal(decode_bytes(png(RGB, code, srgb_profile, marked)), expected)
    assert np.abs(decode_bytes(png(RGB, profile, marked)).astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(decode_bytes(png(RGB, marked, gamma)), as_it_is)
    np.testing.assert_array_equal(decode_bytes(png(RGB, gama(0.45455), chrm(SRGB))), as_it_is)
    np.testing.assert_array_equal(decode_bytes(png(RGB, gama(0.45))), as_it_is)
    np.testing.assert_array_equal(decode_bytes(png(RGB, srgb_profile, gamma)), as_it_is)


def test_a_gray_profile_of_a_palette():
    palette = Image.fromarray(quantized(light(GRAY / 255), np.uint8)).convert("P")
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", icc_profile=gray_profile(1.0))
    assert error(buffer.getvalue(), GRAY) <= 1.0


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2, 2.6])
def test_profiles_as_littlecms_has_them(gamma):
    """Each depth within 1 of LittleCMS at 8 bits."""
    wide = imagecodecs.cms_profile(
        "rgb", whitepoint=D65, primaries=[0.708, 0.292, 1, 0.17, 0.797, 1, 0.131, 0.046, 1], gamma=gamma
    )
    samples = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    expected = imagecodecs.cms_transform(
        samples, wide, target, colorspace="rgb", outcolorspace="rgb", intent=1, flags=0x2100, outdtype=np.uint8
    )
    for deep in (samples, samples.astype(np.uint16) * 257):
        assert np.abs(decode_bytes(png(deep, iccp(wide))).astype(int) - expected).max() <= 1


def test_exif_says_adobe_rgb():
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 65535
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    adobe = quantized(np.clip(from_srgb(RGB, ADOBE), 0, 1) ** (256 / 563), np.uint8)
    for format_, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {})):
        buffer = io.BytesIO()
        Image.fromarray(adobe).save(buffer, format_, exif=exif.tobytes(), **options)
        assert error(buffer.getvalue(), RGB) <= 1.0, format_
        assert load_plain_jpeg(buffer.getvalue()) is None
    exif.get_ifd(0x8769)[0xA005] = {1: "R98"}
    buffer = io.BytesIO()
    Image.fromarray(adobe).save(buffer, "PNG", exif=exif.tobytes())
    assert error(buffer.getvalue(), adobe) == 0


@pytest.mark.parametrize("order", "<>")
def test_exif_of_a_tiff_says_adobe_rgb(order):
    adobe = quantized(np.clip(from_srgb(RGB, ADOBE), 0, 1) ** (256 / 563), np.uint16).astype(f"{order}u2")
    shape = {"bits": 16, "photometric": 2, "samples": 3, "shape": GRAY.shape}
    behind = len(directory(adobe.tobytes(), order, **shape, t34665=(4, [0])))
    contents = directory(adobe.tobytes(), order, **shape, t34665=(4, [behind]))
    contents += struct.pack(f"{order}HHHIHHHHIII", 2, 0xA001, 3, 1, 65535, 0, 0xA005, 4, 1, behind + 30, 0)
    contents += struct.pack(f"{order}HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    assert error(contents, RGB) <= 0.05


def test_code_points_of_avif_and_heif():
    pillow_heif = pytest.importorskip("pillow_heif")
    p3 = quantized(srgb(from_srgb(RGB, DISPLAY_P3)), np.uint8)
    pillow_heif.register_heif_opener()
    picture = pillow_heif.from_pillow(Image.fromarray(p3))
    buffer = io.BytesIO()
    picture.save(buffer, quality=100, chroma=444, color_primaries=12, transfer_characteristics=13)
    assert error(buffer.getvalue(), RGB) <= 2.5
    # A profile is what counts where there are both.
    for format_ in ("HEIF", "AVIF"):
        buffer = io.BytesIO()
        profile = rgb_profile((*DISPLAY_P3, *D65[:2]), None)
        Image.fromarray(p3).save(buffer, format_, quality=100, icc_profile=profile)
        assert error(buffer.getvalue(), RGB) <= 2.5


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused(transfer, name):
    with pytest.raises(UnreadablePhoto, match=rf"high dynamic range \({name}\)"):
        decode_bytes(png(RGB, (b"cICP", bytes([9, transfer, 0, 1]))))


def test_32_bit_bmp_without_alpha():
    rows = np.dstack([RGB[..., ::-1], np.zeros(GRAY.shape, np.uint8)])[::-1].tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, *GRAY.shape[::-1], 1, 32, 3, len(rows), 2835, 2835, 0, 0) + masks
    header = header.ljust(108, b"\0")
    bmp = b"BM" + struct.pack("<IHHI", 14 + len(header) + len(rows), 0, 0, 14 + len(header)) + header + rows
    np.testing.assert_array_equal(decode_bytes(bmp), RGB)
    half = bytearray(bmp)
    half[14 + 108 + 3 :: 4] = bytes([128]) * (len(rows) // 4)
    assert np.abs(decode_bytes(bytes(half)) - (RGB * (128 / 255) + 127)).max() <= 1


def test_the_remark_of_a_whole_file_is_empty():
    assert decode_contents(png(RGB)).remark == ""
