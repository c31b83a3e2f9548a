"""The conversion that training begins with: nearest to the exact value, and how far from the former arithmetic."""

import numpy as np
import paddle
import pytest
from skimage import color as skimage_color

from oldrestore.batch import Batch
from oldrestore.color.lab import RELATIVE_XYZ_FROM_RGB, rgb_to_lab
from oldrestore.color.lab_paddle import _from_linear, _linear_light, rgb_to_lab_nchw
from oldrestore.color.lab_rgb8 import rgb8_to_lab_b3hw


def every_fifth_colour():
    values = np.append(np.arange(0, 255, 5), 255).astype(np.uint8)
    cube = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=0)
    return cube.reshape(1, 3, len(values), -1)


def exact(rgb_b3hw):
    """CIE Lab in float64, written out: IEC 61966-2-1, then CIE 15."""
    encoded = rgb_b3hw.transpose(0, 2, 3, 1) / 255.0
    linear = np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    xyz = linear @ RELATIVE_XYZ_FROM_RGB.T
    f = np.where(xyz > 0.008856, xyz ** (1 / 3), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=1)


def test_it_is_the_float32_next_to_the_exact_value():
    rgb = every_fifth_colour()
    lab, truth = rgb8_to_lab_b3hw(rgb), exact(rgb)
    assert lab.dtype == np.float32
    assert lab.flags.c_contiguous
    # One unit in the last place of float32 at the value's own size, and 1e-9 for what cancels out near zero.
    assert (np.abs(lab - truth) <= np.spacing(np.abs(truth).astype(np.float32)) + 1e-9).all()
    expected = skimage_color.rgb2lab(rgb[0].transpose(1, 2, 0))
    np.testing.assert_allclose(lab[0].transpose(1, 2, 0), expected, atol=1e-3)


def test_within_the_tolerance_of_the_former_arithmetic_and_nearer_to_the_truth():
    """Photographs on a GPU are converted as all once were: in float32, with pow."""
    rgb = every_fifth_colour()
    former = _from_linear(_linear_light(paddle.to_tensor(rgb))).numpy()
    lab, truth = rgb8_to_lab_b3hw(rgb), exact(rgb)
    assert np.abs(lab - former).max() <= 7e-5
    assert np.abs(lab - truth).max() < np.abs(former - truth).max() / 5
    np.testing.assert_allclose(lab.transpose(0, 2, 3, 1), rgb_to_lab(rgb.transpose(0, 2, 3, 1)), atol=2e-4)


def test_a_batch_and_its_photographs_one_by_one_are_the_same():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), np.uint8)
    batch = Batch.from_rgb(paddle.to_tensor(rgb))
    for number, photo in enumerate(rgb):
        alone = rgb8_to_lab_b3hw(photo.transpose(2, 0, 1)[None])[0]
        np.testing.assert_array_equal(batch.L_b1hw[number].numpy(), alone[:1])
        np.testing.assert_array_equal(batch.ab_b2hw[number].numpy(), alone[1:])
    assert batch.L_b1hw.stop_gradient


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 0, 4)])
def test_nothing_gives_nothing(shape):
    assert rgb8_to_lab_b3hw(np.zeros(shape, np.uint8)).shape == shape
    assert tuple(rgb_to_lab_nchw(paddle.zeros(shape, dtype="uint8")).shape) == shape
