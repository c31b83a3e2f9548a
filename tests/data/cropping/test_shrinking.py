"""Fast decoding and shrinking: pixels beside Pillow's, filters by hand, and what goes the other way."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes
from oldrestore.data.codecs.scaled_decoding import reduce_jpeg
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.cropping.grid_crops import GridCrops
from oldrestore.data.cropping.shrinking import antialiasing_filter, shrink
from oldrestore.data.packages.installed import package_folder
from tests.data.codecs.test_decode import linear_rgb_profile
from tests.data.codecs.test_scaled_decoding import jpeg, photograph, psnr

FAST, FULL = Crops(48, 32, decoding="fast"), Crops(48, 32)


@pytest.mark.parametrize("sixteenths", [16, 17, 24, 39, 48, 160])
def test_a_filter_is_symmetric_sums_to_one_and_is_exact_in_float32(sixteenths):
    weights = antialiasing_filter(sixteenths)
    assert weights.sum() == 1
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_array_equal(weights * 256, np.rint(weights * 256))
    # Keys' kernel has no second moment, however stretched, and linear interpolation has 1/6.
    places = np.arange(len(weights)) - len(weights) // 2
    assert abs(np.sum(weights * places**2) + 1 / 6) < 0.15


@pytest.mark.parametrize(("columns", "extent", "size"), [(90, 90, 60), (63, 62.5, 40), (250, 250, 20), (60, 60, 60)])
def test_a_ramp_stays_where_it_is(columns, extent, size):
    ramp = np.broadcast_to(np.arange(columns, dtype=np.uint8)[None, :, None], (40, columns, 3)).copy()
    expected = (np.arange(size) + 0.5) * extent / size - 0.5
    inner = slice(3, size - 3)  # at the edges, pixels beyond count as the last one
    across, down = shrink(ramp, (extent, 40), (size, 40)), shrink(ramp.swapaxes(0, 1).copy(), (40, extent), (40, size))
    assert across.shape == (40, size, 3)
    for small in (across, down.swapaxes(0, 1)):
        assert np.abs(small[:, inner] - expected[None, inner, None]).max() < 0.7


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_decoded_pixels_are_pillows(scale):
    data = jpeg(photograph().crop((0, 0, 637, 421)))
    photo = reduce_jpeg(data, 421 // scale, 1)
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (637 // scale, 421 // scale))
        np.testing.assert_array_equal(photo.rgb, np.asarray(image))
    assert photo.extent == (637 / scale, 421 / scale)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["shorter_side", "squash"])
@pytest.mark.parametrize("size", [48, 200])
def test_every_orientation_and_a_size_that_nothing_divides(orientation, fit, size):
    data = jpeg(photograph().crop((0, 0, 637, 421)), orientation)
    fast, full = (Crops(size, 32, fit=fit, decoding=decoding).prepare_bytes(data) for decoding in ("fast", "full"))
    assert fast.flags.c_contiguous
    assert psnr(fast, full) > 42  # without the extent, or turned before, 25 to 38 dB


@pytest.mark.parametrize("fit", ["shorter_side", "squash"])
@pytest.mark.parametrize("size", [32, 64, 96, 256])
def test_shipped_photographs_are_near_to_pillows(size, fit):
    folder = package_folder("ai_benchmark", "data/enhancement")
    fast, full = Crops(size, 32, fit=fit, decoding="fast"), Crops(size, 32, fit=fit)
    for path in sorted(folder.glob("*.jpg"))[::10]:
        data = path.read_bytes()
        # Over all 152 of `photos`: 37 dB at least, 42 to 53 in the median (docs/data_prepare.md).
        assert psnr(fast.prepare_bytes(data), full.prepare_bytes(data)) > 38


def png(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [32, 200, 400])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "profile", "png"])
def test_other_files_are_decoded_by_pillow_and_shrunk(mode, size):
    picture = photograph()
    if mode in ("profile", "png"):
        data = png(picture) if mode == "png" else jpeg(picture, icc_profile=linear_rgb_profile())
    else:
        data = jpeg(picture.convert(mode))
    assert (reduce_jpeg(data, size, 1.5) is None) == (mode != "RGB")
    fast, full = (Crops(size, 32, decoding=decoding).prepare_bytes(data) for decoding in ("fast", "full"))
    assert 40 < psnr(fast, full) < 60


def test_small_photographs_strips_and_broken_files_go_the_full_way():
    data = jpeg(photograph())
    for plain in (jpeg(photograph().resize((150, 100))), jpeg(photograph().resize((3000, 300)))):
        crops = [Crops(101, 32, decoding=decoding) for decoding in ("fast", "full")]
        assert reduce_jpeg(plain, 101, 1.5) is None
        np.testing.assert_array_equal(*(one.prepare_bytes(plain) for one in crops))
    assert reduce_jpeg(data, 48, 1.5, max_pixels=1000) is None
    # Without its end marker a file is read, and said to be damaged.
    whole = decode_bytes(data)
    np.testing.assert_array_equal(FAST.prepare_bytes(data[:-2]), shrink(whole, whole.shape[1::-1], (72, 48)))
    scans = data[:-2] + b"\xff\xda\0\0" * 100_000 + data[-2:]
    for broken in (data[: len(data) // 2], data[:200], b"\xff\xd8\xff", b"", scans):
        assert reduce_jpeg(broken, 48, 1.5) is None
        with pytest.raises(UnreadablePhoto) as caught:
            FAST.prepare_bytes(broken)
        with pytest.raises(UnreadablePhoto) as as_ever:
            decode_bytes(broken)
        assert caught.value.reason == as_ever.value.reason


def test_metadata_and_progressive_files_change_nothing():
    bare = jpeg(photograph())
    for other in (
        jpeg(photograph(), comment=b"a comment"),
        jpeg(photograph(), xmp=b"<x/>"),
        jpeg(photograph(), progressive=True),
    ):
        np.testing.assert_array_equal(FAST.prepare_bytes(other), FAST.prepare_bytes(bare))


def test_evaluation_and_protocols_see_the_full_decoding_and_keys_name_the_decoder():
    rgb = decode_bytes(jpeg(photograph()))
    np.testing.assert_array_equal(FAST.evaluation(rgb), FULL.evaluation(rgb))
    assert FAST.of_protocols() == FULL
    assert GridCrops(48, 32, variants=3, decoding="fast").of_protocols() == GridCrops(48, 32, variants=3)
    assert Crops(48, 32, decoding="scaled").of_protocols() == Crops(48, 32, decoding="scaled")
    beside = {"decoding": "fast", "version": 1, "opencv": cv2.__version__}
    assert FAST.describe_resizing() == FULL.describe_resizing() | beside
    assert FULL.describe_resizing() == {"size": 48, "fit": "shorter_side", "filter": "bicubic"}
    assert FAST.describe().items() >= beside.items()
