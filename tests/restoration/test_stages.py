"""The stages: what each receives and returns, and which photographs count as gray."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from oldrestore.restoration.fill.harmonic import Harmonic
from oldrestore.restoration.stages import Detection, Pipeline, has_colors
from tests.generated_photographs import make_photograph


def white(rgb):
    mask = (rgb == 255).all(axis=-1)
    return Detection(mask, mask.astype(np.float32))


def darker(rgb):
    return (rgb // 2).astype(np.uint8)


def brighter(rgb):
    return (rgb + 10).astype(np.uint8)


@pytest.fixture
def damaged():
    rgb = np.clip(make_photograph(0), 0, 250)
    rgb[30, 5:60] = 255
    return rgb


def test_the_stages_follow_one_another(damaged):
    before = damaged.copy()
    made = Pipeline(white, Harmonic(), [darker, brighter])(damaged)
    mask = white(damaged).mask_hw
    np.testing.assert_array_equal(made.mask_hw, mask)
    np.testing.assert_array_equal(made.filled, Harmonic()(damaged, mask))
    np.testing.assert_array_equal(made.restored, brighter(darker(made.filled)))
    np.testing.assert_array_equal(made.picture, made.restored)
    np.testing.assert_array_equal(made.structure, made.filled)
    np.testing.assert_array_equal(damaged, before)


def test_each_stage_can_be_left_out(damaged):
    nothing, found = Pipeline()(damaged), Pipeline(white)(damaged)
    assert nothing.picture is found.picture is damaged
    assert nothing.mask_hw is None and found.mask_hw.sum() == 55
    tones = Pipeline(restore=[darker])(damaged)
    assert tones.filled is None
    np.testing.assert_array_equal(tones.picture, darker(damaged))
    np.testing.assert_array_equal(Pipeline(white, Harmonic())(damaged).picture, Harmonic()(damaged, found.mask_hw))


def test_a_mask_takes_the_place_of_the_detector(damaged):
    mask = np.zeros(damaged.shape[:2], bool)
    mask[10:12] = True
    made = Pipeline(white, Harmonic())(damaged, mask)
    np.testing.assert_array_equal(made.mask_hw, mask)
    np.testing.assert_array_equal(made.filled[30], damaged[30])
    with pytest.raises(ValueError, match="does not fit"):
        Pipeline(white, Harmonic())(damaged, mask[:-1])


def toned(gray, dark, light):
    return np.round(np.array(dark) + gray / 255 * (np.array(light) - dark)).astype(np.uint8)


sepia = partial(toned, dark=[46, 30, 18], light=[250, 236, 208])
cyanotype = partial(toned, dark=[10, 40, 95], light=[235, 240, 240])


def as_jpeg(rgb):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("seed", [1, 2, 3, 5])
def test_gray_and_toned_photographs_have_no_colours(seed):
    rgb = make_photograph(seed, 200)
    gray = np.repeat(rgb[..., 1:2], 3, axis=-1)
    assert has_colors(rgb)
    noise = np.random.default_rng(seed).normal(0, 6, rgb.shape)
    stained = gray.copy()  # 2% of the pixels
    stained[10:40, 10:40] = stained[10:40, 10:40] * np.array([1.0, 0.8, 0.5])
    for picture in (gray, sepia(gray), sepia(gray) + noise, stained, np.zeros((1, 1, 3))):
        assert not has_colors(np.clip(picture, 0, 255).astype(np.uint8))


def example(name):
    """A photograph that scikit-image ships."""
    return np.asarray(Image.open(Path(skimage.data.__file__).parent / name).convert("RGB"))


COLORED = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg")


@pytest.mark.parametrize("name", COLORED)
def test_photographs_in_colour_have_colours_and_their_toned_prints_none(name):
    rgb = example(name)
    assert has_colors(rgb)
    gray = np.repeat(np.asarray(Image.fromarray(rgb).convert("L"))[..., None], 3, axis=-1)
    for exposure in (1.0, 0.3):
        exposed = (gray * exposure).astype(np.uint8)
        for picture in (exposed, sepia(exposed), cyanotype(exposed)):
            assert not has_colors(picture)
            assert not has_colors(as_jpeg(picture))


@pytest.mark.parametrize("name", ["camera.png", "coins.png", "moon.png", "page.png"])
def test_photographs_in_gray_have_no_colours(name):
    assert not has_colors(example(name))
    assert not has_colors(sepia(example(name)))


def test_what_is_lit_is_judged():
    y, x = np.mgrid[:300, :400]
    distance = np.hypot(y - 150, x - 200)
    shade = np.where(distance < 40, np.cos(distance / 40 * 1.3), 0)[..., None]  # 4% of the pixels, the others black
    flower = np.round(shade * [210, 25, 35]).astype(np.uint8)
    assert has_colors(flower)  # of one hue, as a toned print is
    assert has_colors(as_jpeg(flower))
    assert not has_colors(np.round(shade * [210, 180, 140]).astype(np.uint8))
    lights = np.zeros((300, 400, 3), np.uint8)
    for number, color in enumerate([(250, 240, 200), (90, 200, 250), (250, 150, 60), (240, 240, 250)]):
        lights[100:120, 60 * number : 60 * number + 20] = color  # 1% of the pixels together
    assert has_colors(lights)
    assert not has_colors(np.repeat(lights[..., 1:2], 3, axis=-1))
