"""A gray print on a coloured ground is told from photographs in colour, on scikit-image's and on grounds made here."""

import cv2
import numpy as np
import pytest

from oldrestore.restoration.print_area import is_print_on_colored_ground
from oldrestore.restoration.stages import has_colors
from tests.restoration.test_stages import COLORED, as_jpeg, example, sepia

GROUNDS = {
    "wood": ((140, 90, 50), (165, 112, 66)),
    "cloth": ((190, 40, 50), (230, 190, 90)),
    "felt": ((40, 110, 60),) * 2,
}


def stripes(ground: str, height: int) -> np.ndarray:
    return np.where(np.arange(height)[:, None, None] // 9 % 2, *GROUNDS[ground]).astype(np.uint8)


def on_ground(rgb: np.ndarray, ground: str, size: float, angle: float) -> np.ndarray:
    """A photograph with a white margin, turned, on 320 x 240 pixels of a striped ground, as JPEG."""
    rgb = cv2.copyMakeBorder(rgb, *[rgb.shape[0] // 25] * 4, cv2.BORDER_CONSTANT, value=(240, 240, 240))
    height, width = rgb.shape[:2]
    place = cv2.getRotationMatrix2D((width / 2, height / 2), angle, size * min(320 / width, 240 / height))
    place[:, 2] += (160 - width / 2, 120 - height / 2)
    covered = cv2.warpAffine(np.ones((height, width), np.float32), place, (320, 240))[..., None]
    first, second = GROUNDS[ground]
    stripes = np.where(np.arange(240)[:, None, None] // 9 % 2, first, second) + np.zeros((240, 320, 3))
    return as_jpeg(
        np.round(cv2.warpAffine(rgb, place, (320, 240)) * covered + stripes * (1 - covered)).astype(np.uint8)
    )


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize(("size", "angle"), [(0.9, 0), (0.75, 4), (0.6, -12)])
@pytest.mark.parametrize("name", ["camera.png", "astronaut.png", "chelsea.png"])
def test_gray_prints_and_prints_in_colour(ground, size, angle, name):
    rgb = example(name)
    gray = np.repeat(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[..., None], 3, axis=-1)
    for shown in (gray, sepia(gray)):
        assert is_print_on_colored_ground(on_ground(shown, ground, size, angle))
    if name != "camera.png":
        assert has_colors(rgb) and not is_print_on_colored_ground(on_ground(rgb, ground, size, angle))


@pytest.mark.parametrize("name", COLORED)
def test_photographs_in_colour_are_no_prints(name):
    assert not is_print_on_colored_ground(example(name))


def test_several_prints_on_the_page_of_an_album():
    gray = np.repeat(example("camera.png")[::4, ::4, :1], 3, axis=-1)
    page = np.repeat(stripes("cloth", 300), 420, axis=1)
    for top, left in ((12, 20), (12, 220), (160, 110)):
        page[top : top + 128, left : left + 128] = gray
    assert has_colors(page) and is_print_on_colored_ground(page)
    page[60:100, 60:100] = (30, 160, 60)  # one of them is in colour
    assert not is_print_on_colored_ground(page)
