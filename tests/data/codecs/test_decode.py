"""Decoding against arrays computed by hand."""

import contextlib
import io
import threading
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageFile

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_photo

# Six flat blocks of 16 x 16 pixels in 2 rows of 3: JPEG keeps their colours, and every turn shows.
COLOURS = np.array(
    [[[250, 10, 10], [10, 250, 10], [10, 10, 250]], [[240, 240, 10], [10, 240, 240], [128, 128, 128]]],
    np.uint8,
)
BLOCKS = COLOURS.repeat(16, 0).repeat(16, 1)


def saved(tmp_path, image, name="x.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def reason_of(path, **options):
    with pytest.raises(UnreadablePhoto) as caught:
        decode_photo(path, **options)
    assert caught.value.reason == str(caught.value)
    return caught.value.reason


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


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(ending, {})
    path = saved(tmp_path, Image.fromarray(BLOCKS), f"x.{ending}", exif=exif, **options)
    expected = UPRIGHT[orientation](BLOCKS)
    decoded = decode_photo(path)
    assert decoded.shape == expected.shape
    assert decoded.flags["C_CONTIGUOUS"]
    assert np.abs(decoded.astype(int) - expected).max() <= (3 if ending == "jpg" else 0)


def test_gray_one_bit_and_palette(tmp_path):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    decoded = decode_photo(saved(tmp_path, Image.fromarray(gray)))
    np.testing.assert_array_equal(decoded, gray[..., None].repeat(3, 2))

    one_bit = Image.fromarray(gray > 100)
    np.testing.assert_array_equal(decode_photo(saved(tmp_path, one_bit))[..., 0], np.where(gray > 100, 255, 0))

    palette = Image.fromarray(BLOCKS).quantize(6)
    np.testing.assert_array_equal(decode_photo(saved(tmp_path, palette)), np.asarray(palette.convert("RGB")))


def test_transparency_is_composited_on_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [[200, 0, 0, 255], [200, 0, 0, 0], [200, 0, 100, 51]]
    decoded = decode_photo(saved(tmp_path, Image.fromarray(rgba)))
    # 51/255 = 0.2: 200 * 0.2 + 255 * 0.8 = 244; 0 -> 204; 100 -> 224
    np.testing.assert_array_equal(decoded, [[[200, 0, 0], [255, 255, 255], [244, 204, 224]]])

    gray_alpha = np.array([[[100, 255], [100, 0]]], np.uint8)
    decoded = decode_photo(saved(tmp_path, Image.fromarray(gray_alpha, "LA")))
    np.testing.assert_array_equal(decoded[0, :, 0], [100, 255])

    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    decoded = decode_photo(saved(tmp_path, palette, transparency=0))
    np.testing.assert_array_equal(decoded, [[[255, 255, 255], [40, 50, 60]]])


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_gradient_stays_a_gradient(tmp_path, ending):
    gradient = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(4, 0)
    decoded = decode_photo(saved(tmp_path, Image.fromarray(gradient), f"x.{ending}"))
    np.testing.assert_array_equal(decoded[0, :, 1], np.arange(256))


def test_wide_samples_are_scaled_and_not_clipped(tmp_path):
    path = tmp_path / "x.tif"
    ramp = np.linspace(0, 1, 256)
    expected = np.arange(256)

    # Integers of 32 bits that hold 16 (Pillow's mode I).
    tifffile.imwrite(path, (ramp * 65535).round().astype(np.int32)[None].repeat(2, 0))
    np.testing.assert_array_equal(decode_photo(path)[0, :, 0], expected)

    for high in (1, 255, 65535):
        tifffile.imwrite(path, (ramp * high).astype(np.float32)[None].repeat(2, 0))
        np.testing.assert_array_equal(decode_photo(path)[0, :, 0], expected)

    rgb = np.stack([ramp, ramp[::-1], np.zeros(256)], -1)[None].repeat(2, 0)
    tifffile.imwrite(path, (rgb * 65535).round().astype(np.uint16), photometric="rgb")
    assert np.abs(decode_photo(path)[0, :, :2].astype(int) - (rgb[0, :, :2] * 255)).max() <= 1

    tifffile.imwrite(path, rgb.astype(np.float32), photometric="rgb")  # Pillow does not know these
    np.testing.assert_array_equal(decode_photo(path)[0, :, 0], expected)
    np.testing.assert_array_equal(decode_photo(path)[0, :, 1], expected[::-1])

    tifffile.imwrite(path, np.moveaxis(rgb, -1, 0).astype(np.float32), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(decode_photo(path)[1, :, 1], expected[::-1])


def test_cmyk_without_a_profile(tmp_path):
    cmyk = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 255, 255, 0]]], np.uint8)
    image = Image.fromarray(cmyk.repeat(16, 0).repeat(16, 1), "CMYK")
    decoded = decode_photo(saved(tmp_path, image, "x.jpg", quality=100))
    expected = [[255, 255, 255], [0, 255, 255], [0, 0, 0], [255, 0, 0]]
    assert np.abs(decoded[8, 8::16].astype(int) - expected).max() <= 3


def linear_rgb_profile():
    """Make an ICC profile with the primaries of sRGB and no gamma: that of sRGB with straight curves."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    straight = len(profile)
    profile += b"curv" + bytes(8)  # a curve of no points is the identity
    for tag in range(count):
        at = 132 + 12 * tag
        if profile[at : at + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            profile[at + 4 : at + 12] = straight.to_bytes(4, "big") + (12).to_bytes(4, "big")
        if profile[at : at + 4] == b"desc":
            start = int.from_bytes(profile[at + 4 : at + 8], "big")
            length = int.from_bytes(profile[at + 8 : at + 12], "big")
            text = bytes(profile[start : start + length])
            plain = text.replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be")).replace(b"sRGB", b"line")
            profile[start : start + length] = plain
    profile[0:4] = len(profile).to_bytes(4, "big")
    return bytes(profile)


def test_an_embedded_profile_is_converted_and_a_broken_one_ignored(tmp_path):
    values = np.array([0, 10, 55, 128, 200, 255], np.uint8)
    image = Image.fromarray(values[None, :, None].repeat(3, 2))
    linear = values / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    decoded = decode_photo(saved(tmp_path, image, icc_profile=linear_rgb_profile()))
    assert np.abs(decoded[0, :, 1] - srgb).max() <= 1.5

    srgb_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for ignored in (srgb_profile, b"broken", srgb_profile[:200]):
        decoded = decode_photo(saved(tmp_path, image, icc_profile=ignored))
        np.testing.assert_array_equal(decoded[0, :, 0], values)


def test_lab_tiff(tmp_path):
    lab = Image.new("LAB", (4, 4), (255, 128, 128))
    assert decode_photo(saved(tmp_path, lab, "x.tif")).min() >= 254
    # L 50, a = b = 0 is the middle gray 119 of sRGB.
    gray = decode_photo(saved(tmp_path, Image.new("LAB", (4, 4), (128, 128, 128)), "x.tif"))
    assert np.abs(gray.astype(int) - 119).max() <= 1
    red = decode_photo(saved(tmp_path, Image.new("LAB", (4, 4), (128, 188, 168)), "x.tif"))
    assert red[0, 0, 0] > 180 > 90 > red[0, 0, 1]


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("red", "blue")]
    for ending, options in (("gif", {}), ("webp", {"lossless": True})):
        path = saved(tmp_path, frames[0], f"x.{ending}", save_all=True, append_images=frames[1:], **options)
        np.testing.assert_array_equal(decode_photo(path)[0, 0], [255, 0, 0])


def test_the_file_name_does_not_matter(tmp_path):
    path = tmp_path / "x.jpg"
    Image.fromarray(BLOCKS).save(path, format="PNG")
    np.testing.assert_array_equal(decode_photo(path), BLOCKS)


def test_what_cannot_be_read(tmp_path):
    assert reason_of(tmp_path / "missing.jpg") == "no such file"
    (tmp_path / "folder.jpg").mkdir()
    assert reason_of(tmp_path / "folder.jpg") == "a folder, not a file"
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert reason_of(tmp_path / "empty.jpg") == "empty file"
    (tmp_path / "text.jpg").write_text("not an image")
    assert reason_of(tmp_path / "text.jpg") == "not an image that can be read"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for ending in ("jpg", "png", "webp", "tif", "bmp", "gif"):
        path = saved(tmp_path, noise, f"cut.{ending}")
        path.write_bytes(path.read_bytes()[:-2000])
        assert "truncated" in reason_of(path) or "corrupt" in reason_of(path)


def test_arbitrary_damage_never_raises_anything_else(tmp_path):
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8))
    for ending in ("jpg", "png", "webp", "tif", "gif"):
        whole = saved(tmp_path, noise, f"x.{ending}").read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(damaged), 4):
                damaged[at] = rng.integers(0, 256)
            (tmp_path / "damaged").write_bytes(damaged)
            with contextlib.suppress(UnreadablePhoto):
                assert decode_photo(tmp_path / "damaged").dtype == np.uint8


def test_pixel_limit_without_a_warning(tmp_path):
    path = saved(tmp_path, Image.new("1", (10_500, 10_500)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason_of(path) == "10500 x 10500 pixels, above the limit of 100000000"
        assert "above the limit of 10" in reason_of(saved(tmp_path, Image.new("L", (4, 4))), max_pixels=10)


def test_settings_of_pillow_and_warnings_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1234)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = saved(tmp_path, Image.fromarray(BLOCKS))
    cut = tmp_path / "cut.jpg"
    buffer = io.BytesIO()
    Image.fromarray(BLOCKS.repeat(8, 0).repeat(8, 1)).save(buffer, "JPEG")
    cut.write_bytes(buffer.getvalue()[:-400])
    filters = list(warnings.filters)

    def decode_often():
        for _ in range(20):
            np.testing.assert_array_equal(decode_photo(path), BLOCKS)
            assert reason_of(cut) == "truncated file"

    threads = [threading.Thread(target=decode_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 1234
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert warnings.filters == filters
