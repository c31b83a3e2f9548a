"""Scaled decoding: how near it comes to a full one, for each size and orientation, and what it leaves alone."""

import io

import numpy as np
import pytest
from PIL import Image

from oldrestore.data.codecs.decode import UnreadablePhoto, decode_bytes
from oldrestore.data.codecs.scaled_decoding import load_plain_jpeg, scale_jpeg
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages.installed import package_folder
from tests.data.codecs.test_decode import linear_rgb_profile

SCALED = Crops(48, 32, decoding="scaled")
FULL = Crops(48, 32)


def photograph():
    return Image.open(package_folder("sklearn", "datasets/images") / "china.jpg").convert("RGB")  # 640 x 427


def jpeg(picture, orientation=1, **options):
    if orientation != 1:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


def psnr(one, other):
    assert one.shape == other.shape
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


@pytest.mark.parametrize(("shorter_side", "scale"), [(48, 8), (53, 8), (54, 4), (106, 4), (107, 2), (213, 2)])
def test_the_scale_is_the_largest_that_leaves_enough(shorter_side, scale):
    found = scale_jpeg(jpeg(photograph()), shorter_side)
    assert (found.height, found.width) == (427, 640)
    assert found.rgb.shape == (-(-427 // scale), -(-640 // scale), 3)
    assert found.box == (0, 0, 640 / scale, 427 / scale)
    assert scale_jpeg(jpeg(photograph()), 214) is None  # less than half is not worth it


@pytest.mark.parametrize(("orientation", "mode"), [*((turn, "RGB") for turn in range(1, 9)), (1, "L"), (1, "CMYK")])
def test_every_orientation_and_mode_and_a_size_that_nothing_divides(orientation, mode):
    data = jpeg(photograph().crop((0, 0, 637, 421)).convert(mode), orientation)
    assert scale_jpeg(data, 96) is not None
    # Stretched by the rest of a block at the edge, or with that at the wrong edge, it is 27 to 31 dB.
    assert psnr(SCALED.prepare_bytes(data), FULL.prepare_bytes(data)) > 45


@pytest.mark.parametrize("fit", ["shorter_side", "squash"])
@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_shipped_photographs_stay_near_to_a_full_decoding(size, fit):
    folder = package_folder("ai_benchmark", "data/enhancement")
    scaled, full = Crops(size, 32, fit=fit, decoding="scaled"), Crops(size, 32, fit=fit)
    for path in sorted(folder.glob("*.jpg"))[::10]:
        data = path.read_bytes()
        # Over all 148 that are JPEG files: 41 dB at least, 48 to 53 in the median.
        assert psnr(scaled.prepare_bytes(data), full.prepare_bytes(data)) > 44


def test_a_profile_is_applied_too():
    data = jpeg(photograph(), icc_profile=linear_rgb_profile())
    # Averaged before the profile, not after: for one that is linear in light that is more than elsewhere.
    assert psnr(SCALED.prepare_bytes(data), FULL.prepare_bytes(data)) > 30
    assert psnr(SCALED.prepare_bytes(data), FULL.prepare_bytes(jpeg(photograph()))) < 20


def test_other_files_small_ones_and_strips_are_decoded_in_full():
    png = io.BytesIO()
    photograph().save(png, "PNG")
    small = jpeg(photograph().resize((150, 100)))
    strip = jpeg(photograph().resize((3000, 300)))
    for data in (png.getvalue(), small, strip):
        assert scale_jpeg(data, 96) is None
        np.testing.assert_array_equal(SCALED.prepare_bytes(data), FULL.prepare_bytes(data))


def test_evaluation_sees_the_full_decoding_and_the_default_is_full():
    rgb = decode_bytes(jpeg(photograph()))
    np.testing.assert_array_equal(SCALED.evaluation(rgb), FULL.evaluation(rgb))
    np.testing.assert_array_equal(FULL.prepare_bytes(jpeg(photograph())), FULL.prepare(rgb))
    assert "scaled_decoding" not in FULL.describe_resizing()
    assert SCALED.describe_resizing() == FULL.describe_resizing() | {"scaled_decoding": 2}
    # As runs of earlier versions have it.
    assert Crops(48, 32, scaled_decoding=True).prepare_bytes(jpeg(photograph())).tobytes() == (
        SCALED.prepare_bytes(jpeg(photograph())).tobytes()
    )


def test_broken_files_are_refused_as_ever():
    data = jpeg(photograph())
    for broken in (data[: len(data) // 2], data[:200], b"\xff\xd8\xff"):
        assert scale_jpeg(broken, 96) is None
        with pytest.raises(UnreadablePhoto) as caught:
            SCALED.prepare_bytes(broken)
        with pytest.raises(UnreadablePhoto) as as_ever:
            decode_bytes(broken)
        assert caught.value.reason == as_ever.value.reason
    with pytest.raises(UnreadablePhoto, match="640 x 427 pixels, above the limit of 1000"):
        scale_jpeg(data, 96, max_pixels=1000)


@pytest.mark.parametrize("fit", ["shorter_side", "squash"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(640, 427), (427, 640), (48, 48), (48, 60), (30, 20), (2000, 100)])
def test_without_the_detour_the_pixels_are_the_same(size, orientation, fit):
    crops = Crops(48, 32, fit=fit)
    for options in ({}, {"icc_profile": linear_rgb_profile()}):
        for mode in ("RGB", "L", "CMYK"):
            if options and mode != "RGB":
                continue
            data = jpeg(photograph().resize(size).convert(mode), orientation, **options)
            assert (load_plain_jpeg(data) is not None) == (mode == "RGB" and orientation == 1 and not options)
            np.testing.assert_array_equal(crops.prepare_bytes(data), crops.prepare(decode_bytes(data)))


def test_what_is_no_plain_jpeg_takes_the_detour():
    png = io.BytesIO()
    photograph().save(png, "PNG")
    data = jpeg(photograph())
    for other in (png.getvalue(), data[: len(data) // 2], b"\xff\xd8\xff"):
        assert load_plain_jpeg(other) is None
    assert load_plain_jpeg(data, max_pixels=1000) is None
