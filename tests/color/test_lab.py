"""sRGB and CIE Lab against scikit-image and the standards, in NumPy, on tensors and as on a GPU."""

import numpy as np
import paddle
import pytest
from skimage import color as skimage_color

from oldrestore.batch import Batch
from oldrestore.color.lab import (
    LINEAR_LIGHT,
    RELATIVE_XYZ_FROM_RGB,
    gray_rgb8,
    lab_to_rgb,
    lab_to_rgb8,
    rgb8_to_lab_b3hw,
    rgb_to_lab,
)
from oldrestore.color.lab_paddle import lab_to_rgb_nchw, lightness_to_gray, rgb_to_lab_nchw, rgb_to_lab_on_device


def sampled_cube(step: int) -> np.ndarray:
    """The 8-bit sRGB cube at every ``step``-th value and 255, (1, n, 3), and at all the darkest 16 values."""
    values = np.unique(np.concatenate([np.arange(16), np.arange(0, 256, step), [255]])).astype(np.uint8)
    return np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(1, -1, 3)


def to_nchw(image_1n3: np.ndarray) -> paddle.Tensor:
    return paddle.to_tensor(np.ascontiguousarray(image_1n3.transpose(2, 0, 1)[None]))


def from_nchw(tensor: paddle.Tensor) -> np.ndarray:
    return tensor.numpy()[0].transpose(1, 2, 0)


def exact(rgb):
    """CIE Lab in float64, written out: IEC 61966-2-1, then CIE 15."""
    encoded = rgb / 255.0
    linear = np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    xyz = linear @ RELATIVE_XYZ_FROM_RGB.T
    f = np.where(xyz > 0.008856, xyz ** (1 / 3), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def test_rgb_to_lab_agrees_with_scikit_image_over_the_cube():
    cube = sampled_cube(5)
    expected = skimage_color.rgb2lab(cube)
    for rgb in (cube, cube / 255.0, (cube / 255.0).astype(np.float32)):
        lab = rgb_to_lab(rgb)
        assert lab.dtype == np.float32
        assert np.abs(lab - expected).max() <= 1e-3
    np.testing.assert_array_equal(lab_to_rgb8(rgb_to_lab(cube)), cube)


@pytest.mark.filterwarnings("ignore:.*negative Z values.*")
def test_lab_to_rgb_agrees_with_scikit_image_out_of_gamut_too():
    axis = np.linspace(-110, 110, 23)
    lab = np.stack(np.meshgrid(np.linspace(0, 100, 21), axis, axis, indexing="ij"), axis=-1).reshape(1, -1, 3)
    # The transfer curve is steepest next to black, where float32 costs most; 1e-4 is a fortieth of a level.
    np.testing.assert_allclose(lab_to_rgb(lab), skimage_color.lab2rgb(lab), atol=1e-4)
    np.testing.assert_allclose(from_nchw(lab_to_rgb_nchw(to_nchw(lab))), lab_to_rgb(lab), atol=2e-5)


def test_gray_of_gray_is_itself_and_has_equal_channels():
    gray = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_array_equal(gray_rgb8(rgb_to_lab(gray)[:, 0]), gray)
    rendered = gray_rgb8(np.linspace(0, 100, 1001))
    assert np.ptp(rendered, axis=-1).max() == 0
    assert rendered[0, 0] == 0 and rendered[-1, 0] == 255
    # L = 50 is 18.42 % luminance, which sRGB writes as 119 (118.9).
    assert gray_rgb8(np.float32(50.0)).tolist() == [119, 119, 119]


@pytest.mark.parametrize(
    ("convert", "array", "error", "message"),
    [
        (rgb_to_lab, np.zeros((4, 4), np.uint8), ValueError, "3 channels"),
        (rgb_to_lab, np.zeros((4, 4, 3), np.int64), TypeError, "int64"),
        (rgb_to_lab, np.full((2, 2, 3), 200.0), ValueError, r"0\.\.1"),
        (rgb_to_lab, np.full((2, 2, 3), np.nan), ValueError, r"0\.\.1"),
        (lab_to_rgb, np.zeros((3, 4)), ValueError, "3 channels"),
        (rgb_to_lab_nchw, paddle.zeros([1, 4, 4, 3]), ValueError, "B, 3, h, w"),
        (rgb_to_lab_nchw, paddle.zeros([1, 3, 4, 4], dtype="int64"), TypeError, "uint8"),
        (lab_to_rgb_nchw, paddle.zeros([3, 4, 4]), ValueError, "B, 3, h, w"),
    ],
)
def test_bad_input_is_refused(convert, array, error, message):
    with pytest.raises(error, match=message):
        convert(array)


def test_tensors_agree_with_scikit_image_over_the_cube():
    cube = sampled_cube(7)
    expected = skimage_color.rgb2lab(cube)
    for rgb in (cube, (cube / 255.0).astype(np.float32)):
        lab = rgb_to_lab_nchw(to_nchw(rgb))
        assert lab.dtype == paddle.float32
        assert np.abs(from_nchw(lab) - expected).max() <= 1e-3
        back = np.rint(from_nchw(lab_to_rgb_nchw(lab)) * 255).astype(np.uint8)
        np.testing.assert_array_equal(back, cube)


def test_8_bits_on_a_cpu_give_the_float32_next_to_the_exact_value_and_a_gpu_nearly_so():
    cube = sampled_cube(5)
    lab, truth = from_nchw(rgb_to_lab_nchw(to_nchw(cube))), exact(cube)
    # One unit in the last place of float32 at the value's own size, and 1e-9 for what cancels out near zero.
    assert (np.abs(lab - truth) <= np.spacing(np.abs(truth).astype(np.float32)) + 1e-9).all()
    on_device = from_nchw(rgb_to_lab_on_device(to_nchw(cube)))
    assert np.abs(lab - on_device).max() <= 7e-5
    assert np.abs(lab - truth).max() < np.abs(on_device - truth).max() / 5


def test_8_bits_on_a_cpu_have_the_bits_of_numpys_cube_root():
    gray = np.arange(2, 254).reshape(-1, 1, 1, 1, 1) + np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1)
    for rgb in (sampled_cube(3), gray.astype(np.uint8).reshape(1, -1, 3)):  # near gray, a and b cancel out
        linear = LINEAR_LIGHT[rgb].transpose(2, 0, 1)
        x, y, z = (m[0] * linear[0] + m[1] * linear[1] + m[2] * linear[2] for m in RELATIVE_XYZ_FROM_RGB)
        fx, fy, fz = (np.where(v > 0.008856, np.cbrt(v), 7.787 * v + 16 / 116) for v in (x, y, z))
        expected = np.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)]).astype(np.float32)
        np.testing.assert_array_equal(rgb8_to_lab_b3hw(rgb.transpose(2, 0, 1)[None])[0], expected)


def test_a_batch_and_its_photographs_one_by_one_are_the_same():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), np.uint8)
    batch = Batch.from_rgb(paddle.to_tensor(rgb))
    for number, photo in enumerate(rgb):
        alone = rgb8_to_lab_b3hw(photo.transpose(2, 0, 1)[None])
        assert alone.flags.c_contiguous
        np.testing.assert_array_equal(batch.L_b1hw[number].numpy(), alone[0, :1])
        np.testing.assert_array_equal(batch.ab_b2hw[number].numpy(), alone[0, 1:])
    assert batch.L_b1hw.stop_gradient


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 0, 4)])
def test_nothing_gives_nothing(shape):
    assert tuple(rgb_to_lab_nchw(paddle.zeros(shape, dtype="uint8")).shape) == shape


def test_gradient_of_rgb_to_lab_is_finite_and_right():
    # Black, both junctions (encoded 0.04045; relative Y = 0.008856 is encoded 0.0962), what is near, white.
    grays = np.array([0.0, 1e-6, 0.0404, 0.04045, 0.0405, 0.0961, 0.0962, 0.0963, 0.5, 1.0], np.float32)
    rgb = to_nchw(np.repeat(grays[None, :, None], 3, axis=2))
    rgb.stop_gradient = False
    rgb_to_lab_nchw(rgb)[:, :1].sum().backward()
    gradient = from_nchw(rgb.grad)
    assert np.isfinite(gradient).all()
    # dL/dgray where L = 116 * 7.787 * gray / 12.92 next to black, in all three channels together.
    np.testing.assert_allclose(gradient[0, :4].sum(axis=-1)[:3], 116 * 7.787 / 12.92, rtol=1e-4)
    # In mid gray, against a central difference of scikit-image's float64 conversion.
    step = 1e-5
    above, below = (skimage_color.rgb2lab(np.full((1, 1, 3), 0.5 + s))[0, 0, 0] for s in (step, -step))
    np.testing.assert_allclose(gradient[0, 8].sum(), (above - below) / (2 * step), rtol=1e-4)


def test_gradient_of_lab_to_rgb_is_finite_everywhere():
    colours = [[0, 0, 0], [8, 0, 0], [7.9996, 0, 0], [50, 0, 0], [100, 0, 0], [50, 110, -110], [10, -110, 110]]
    lab = to_nchw(np.array([colours], np.float32))
    lab.stop_gradient = False
    lab_to_rgb_nchw(lab).sum().backward()
    assert np.isfinite(lab.grad.numpy()).all()
    # In gamut the gradient is alive: gray at L = 50 rises in all channels together.
    step = 1e-3
    rise = lab_to_rgb(np.array([50 + step, 0, 0])) - lab_to_rgb(np.array([50 - step, 0, 0]))
    np.testing.assert_allclose(from_nchw(lab.grad)[0, 3, 0], rise.sum() / (2 * step), rtol=2e-3)


def test_the_gray_of_a_lightness_is_the_standards():
    L = np.linspace(0, 100, 1001).reshape(7, 11, 13)
    y = np.where(L > 8, ((L + 16) / 116) ** 3, L * 27 / 24389)  # CIE 15, with its exact fractions
    expected = np.where(y > 0.0031308, 1.055 * y ** (1 / 2.4) - 0.055, 12.92 * y)
    gray = lightness_to_gray(paddle.to_tensor(L.astype(np.float32))).numpy()
    np.testing.assert_allclose(gray, expected, atol=1e-6)
