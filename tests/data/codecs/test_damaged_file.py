"""Small damage: the photograph comes out with a remark; what costs pixels is refused as before."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage import data

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes, decode_contents, is_photograph

RGB = np.ascontiguousarray(data.astronaut()[:200, 100:292])
END = "a damaged file: its end marker is missing"


def encoded(format_, **options):
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, format_, **options)
    return buffer.getvalue()


JPEGS = [{}, {"progressive": True}, {"subsampling": 0, "quality": 97}, {"restart_marker_rows": 2}]


@pytest.mark.parametrize("options", JPEGS)
def test_a_jpeg_without_its_end_marker(options):
    whole = encoded("JPEG", **options)
    expected = decode_bytes(whole)
    for behind in (b"", b"\0" * 100, b"a film \xff\xda of a telephone"):
        assert decode_contents(whole + behind).remark == ""
    preview = b"\xff\xe1" + struct.pack(">H", len(whole) + 2) + whole  # as in EXIF
    for cut in (whole[:-2], whole[:-1], whole[:2] + preview + whole[2:-2]):
        decoded = decode_contents(cut)
        np.testing.assert_array_equal(decoded.rgb, expected)
        assert decoded.remark == END
    for missing in (5, 30, 700, len(whole) // 2):
        with pytest.raises(UnreadablePhoto, match="truncated"):
            decode_bytes(whole[:-missing])


def test_a_png_with_a_wrong_checksum():
    whole = encoded("PNG", dpi=(300, 300))
    broken = bytearray(whole)
    broken[whole.index(b"pHYs") + 6] ^= 1
    decoded = decode_contents(bytes(broken))
    np.testing.assert_array_equal(decoded.rgb, RGB)
    assert decoded.remark == "a damaged file: the checksum of its chunk pHYs is wrong"
    text = struct.pack(">I", 3) + b"tEXt" + b"a\0b" + struct.pack(">I", zlib.crc32(b"tEXta\0c"))
    decoded = decode_contents(whole[:-12] + text + whole[-12:])
    np.testing.assert_array_equal(decoded.rgb, RGB)
    assert decoded.remark == "a damaged file: the checksum of its chunk tEXt is wrong"
    decoded = decode_contents(whole[:-12])
    np.testing.assert_array_equal(decoded.rgb, RGB)
    assert decoded.remark == END
    for needed in (b"IHDR", b"IDAT"):
        broken = bytearray(whole)
        broken[whole.index(needed) + 11] ^= 1
        with pytest.raises(UnreadablePhoto):
            decode_bytes(bytes(broken))


FORMATS = {
    "JPEG": {"quality": 97},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "BMP": {},
    "GIF": {},
    "PPM": {},
    "JPEG2000": {},
    "AVIF": {"quality": 97},
    "HEIF": {"quality": 97},
}


@pytest.mark.parametrize("format_", FORMATS)
def test_formats_by_content(format_):
    if format_ == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    contents = encoded(format_, **FORMATS[format_])
    assert is_photograph(contents[:64])
    assert np.abs(decode_bytes(contents).astype(int) - RGB).mean() <= (8 if format_ == "GIF" else 2)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"BM is not a bitmap by this name at all",
        b"P5",
        b"<x/>",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        b"RIFF1234AVI ",
    ],
)
def test_what_is_no_photograph(head):
    assert not is_photograph(head)
