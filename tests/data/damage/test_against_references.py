"""Kinds of damage against closed forms and other people's implementations."""

import io
import math

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
from PIL import Image
from skimage import data

from oldrestore.data.damage import jpeg
from oldrestore.data.damage.blur import EDGE_PARTS, Blur, blur_plane, extended_box
from oldrestore.data.damage.emulsion import Emulsion
from oldrestore.data.damage.fading import ContrastLoss, Fading
from oldrestore.data.damage.grain import Grain, Noise
from oldrestore.data.damage.noise import ONE, bell, smooth_field, smooth_line
from oldrestore.data.damage.raster import arc, cover, direction, stroke
from oldrestore.data.damage.toning import SEPIA_BLACK, ColorCast, Sepia
from tests.data.damage.kinds import photograph


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0, 5.0])
def test_blur_is_close_to_scipys_gaussian(sigma):
    plane = data.astronaut()[100:260, 150:350, 0].astype(np.int32)
    expected = scipy.ndimage.gaussian_filter(plane.astype(np.float64), sigma, truncate=8)
    # Three running means are no Gaussian: they differ by a level or two at edges, and hardly on average. The border is
    # left out: each mean continues what it is given outward.
    inner = (slice(math.ceil(4 * sigma), -math.ceil(4 * sigma)),) * 2
    difference = np.abs(blur_plane(plane * 16, sigma) / 16 - expected)[inner]
    assert difference.mean() < 0.3
    assert difference.mean() < 0.06 * np.abs(plane - expected)[inner].mean()
    assert difference.max() < 7


@pytest.mark.parametrize("variance", [0.0, 0.05, 0.66, 0.67, 1.0, 2.9, 10.0, 400.0])
def test_a_running_mean_has_the_variance_asked_for(variance):
    radius, edge = extended_box(variance)
    weights = np.concatenate([[edge / EDGE_PARTS], np.ones(2 * radius + 1), [edge / EDGE_PARTS]])
    places = np.arange(-radius - 1, radius + 2)
    assert 0 <= edge <= EDGE_PARTS
    # The outermost weight is rounded to 1/256.
    assert (weights * places**2).sum() / weights.sum() == pytest.approx(variance, abs=0.004 * (radius + 1))


def test_the_blur_of_a_photograph_is_that_of_its_planes():
    rgb = photograph(100, 80)
    blurred = Blur(severity=0.5, sigma=0.04)(rgb, np.random.default_rng(0)).rgb_hw3
    expected = np.stack([scipy.ndimage.gaussian_filter(rgb[..., c].astype(float), 1.6) for c in range(3)], -1)
    assert np.abs(blurred - expected)[8:-8, 8:-8].max() < 2.0


@pytest.mark.parametrize("quality", [90, 50, 20, 5])
@pytest.mark.parametrize("size", [(160, 200), (137, 151)])
def test_jpeg_is_what_pillow_makes_of_it(quality, size):
    rgb = data.astronaut()[100 : 100 + size[0], 150 : 150 + size[1]]
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    pillow = np.asarray(Image.open(stream)).astype(np.int64)
    difference = np.abs(jpeg.compress(rgb, quality) - pillow)
    # Libraries round the transform differently, so that a coefficient near a half may go either way.
    assert difference.mean() < 0.65
    assert np.abs(rgb - pillow).mean() > 3 * difference.mean()


def test_the_cosine_transform_is_scipys():
    np.testing.assert_allclose(jpeg.COSINES / 8192, scipy.fft.dct(np.eye(8), axis=0, norm="ortho"), atol=7e-5)


def test_quantisation_steps_are_those_of_the_standard():
    np.testing.assert_array_equal(jpeg.scaled_table(jpeg.LUMINANCE, 50), jpeg.LUMINANCE)
    with io.BytesIO() as stream:
        Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=23)
        tables = Image.open(stream).quantization
    np.testing.assert_array_equal(jpeg.scaled_table(jpeg.LUMINANCE, 23).ravel(), tables[0])
    np.testing.assert_array_equal(jpeg.scaled_table(jpeg.CHROMINANCE, 23).ravel(), tables[1])


def test_fading_moves_every_tone_by_the_same_share_to_the_papers():
    rgb = np.repeat(np.arange(0, 256, dtype=np.uint8).reshape(16, 16)[..., None], 3, axis=2)
    faded = Fading(severity=0.5, strength=0.8, unevenness=0.0)(rgb, np.random.default_rng(7)).rgb_hw3
    slope, offset = np.polyfit(rgb.ravel().astype(float), faded.ravel().astype(float), 1)
    assert slope == pytest.approx(0.6, abs=0.002)
    assert 225 <= offset / 0.4 <= 246


def test_fading_is_uneven():
    rgb = np.zeros((120, 160, 3), np.uint8)
    faded = Fading(severity=1.0, strength=1.0, unevenness=1.0)(rgb, np.random.default_rng(1)).rgb_hw3
    assert faded.max() - faded.min() > 60


def test_contrast_shrinks_by_the_share_given():
    rgb = photograph(64, 64)
    flat = ContrastLoss(severity=0.5, strength=0.5)(rgb, np.random.default_rng(0)).rgb_hw3
    assert flat.std() == pytest.approx(0.75 * rgb.std(), rel=0.01)


def test_sepia_at_its_worst_is_one_line_of_browns():
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[0] = 255
    toned = Sepia(severity=1.0)(rgb, np.random.default_rng(0)).rgb_hw3
    assert (toned[1:] == SEPIA_BLACK).all()
    red, green, blue = toned[0, 0].astype(int)
    assert red > green > blue > 170


def test_old_film_sees_blue_brighter_and_red_darker_than_the_eye():
    red, green, blue, white, gray = (np.array(c) for c in ([255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [90] * 3))
    rgb = np.stack([red, green, blue, white, gray]).astype(np.uint8)[None]
    eye = 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]
    seen = {}
    for blue_only in (0.0, 1.0):
        films = [Emulsion(1.0, blue_only=blue_only)(rgb, np.random.default_rng(seed)).rgb_hw3 for seed in range(40)]
        assert all((film == film[..., :1]).all() for film in films)
        tones = np.stack([film[0, :, 0].astype(int) for film in films])
        assert (tones[:, 0] <= eye[0, 0] + 1).all() and (tones[:, 2] >= eye[0, 2] - 1).all()
        assert (tones[:, 3:] == [255, 90]).all()
        # The three add up to white, and the most extreme of 40 comes near to the film's own weights.
        np.testing.assert_allclose(tones[:, :3].sum(axis=1), 255, atol=2)
        seen[blue_only] = tones[tones[:, 2].argmax(), :3] / 255
    np.testing.assert_allclose(seen[0.0], [0.03, 0.47, 0.50], atol=0.03)
    np.testing.assert_allclose(seen[1.0], [0.0, 0.10, 0.90], atol=0.04)


def test_less_of_an_old_film_is_a_mixture_with_the_photograph():
    rgb = photograph(30, 40)
    film, half = (Emulsion(severity)(rgb, np.random.default_rng(4)).rgb_hw3.astype(int) for severity in (1.0, 0.5))
    np.testing.assert_allclose(half, (film + rgb) / 2, atol=1)


def test_a_cast_leaves_one_channel_and_moves_another_most():
    rgb = np.full((8, 8, 3), 20, np.uint8)
    for seed in range(10):
        moved = ColorCast(severity=1.0, strength=0.5)(rgb, np.random.default_rng(seed)).rgb_hw3[0, 0].astype(int) - 20
        none, some, most = sorted(moved)
        assert none == 0 < some < most
        assert 19 <= most <= 101  # half the way from 20 to an end tone of 60..220


def test_noise_has_the_deviation_asked_for():
    rgb = np.full((256, 256, 3), 128, np.uint8)
    noise = Noise(severity=0.5, deviation=20.0)(rgb, np.random.default_rng(0)).rgb_hw3.astype(float) - 128
    # Rounding to whole levels adds 1/12 to the variance.
    assert noise.std() == pytest.approx(math.sqrt(100 + 1 / 12), rel=0.01)
    assert abs(noise.mean()) < 0.1
    correlation = np.corrcoef(noise.reshape(-1, 3).T)
    assert np.abs(correlation - np.eye(3)).max() < 0.02
    one = Noise(severity=0.5, deviation=20.0, monochrome=True)(rgb, np.random.default_rng(0)).rgb_hw3
    assert (one == one[..., :1]).all()


@pytest.mark.parametrize("size", [0.0, 0.004, 0.01])
def test_grain_has_the_deviation_asked_for_and_clumps(size):
    rgb = np.full((256, 256, 3), 128, np.uint8)
    grain = Grain(severity=0.5, deviation=20.0, size=size)(rgb, np.random.default_rng(0)).rgb_hw3[..., 0] - 128.0
    assert grain.std() == pytest.approx(math.sqrt(100 + 1 / 12), rel=0.02)
    neighbours = np.corrcoef(grain[:, 1:].ravel(), grain[:, :-1].ravel())[0, 1]
    sigma = size * 256
    # White noise blurred by a Gaussian of sigma correlates over one pixel by exp(-1 / (4 sigma^2)).
    expected = math.exp(-1 / (4 * sigma * sigma)) if sigma else 0.0
    assert neighbours == pytest.approx(expected, abs=0.06)


def test_grain_is_weaker_in_black_and_white():
    deviations = [
        (Grain(severity=1.0, size=0.0)(np.full((128, 128, 3), level, np.uint8), np.random.default_rng(0)).rgb_hw3).std()
        for level in (40, 128, 215)
    ]
    assert deviations[0] < 0.8 * deviations[1]
    assert deviations[2] < 0.8 * deviations[1]


def test_rough_fields_have_the_moments_of_four_bytes():
    field = bell(np.random.default_rng(0), (400, 500)).astype(float)
    assert abs(field.mean()) < 1.5
    assert field.std() == pytest.approx(147.80, rel=0.01)
    assert np.abs(field).max() <= 510


def test_smooth_fields_stay_within_their_range_and_are_smooth():
    field = smooth_field(np.random.default_rng(0), 120, 200, 3.0)
    assert field.min() >= 0
    assert field.max() <= ONE
    assert field.std() > 0.08 * ONE
    assert np.abs(np.diff(field, axis=0)).max() < 0.1 * ONE
    line = smooth_line(np.random.default_rng(0), 300, 20.0)
    assert 0 <= line.min() < line.max() <= 1
    assert np.abs(np.diff(line)).max() < 0.1  # an eased step of 1 over 20 places is at most 1.5 / 20 steep


def test_a_stroke_covers_length_times_width():
    points = arc(np.array([50.3, 20.1]), np.array([61.7, 120.9]), 0.0)
    length = math.dist((50.3, 20.1), (61.7, 120.9))
    for radius in (0.5, 1.0, 3.3):
        stamp = stroke(points, np.full(len(points), radius), 1.0, (120, 150))
        area = stamp.alpha_hw.sum() / 255
        # A soft edge covers as much outside the radius as it lacks inside; half a pixel's ends aside.
        assert area == pytest.approx(2 * radius * length + math.pi * radius**2, rel=0.06)


def test_arcs_begin_end_and_bend_as_asked():
    points = arc(np.array([0.0, 0.0]), np.array([0.0, 10.0]), 0.4)
    np.testing.assert_allclose(points[[0, -1]], [[0, 0], [0, 10]])
    # A quadratic curve's middle lies half as far beside the chord as its control point.
    assert np.abs(points[:, 0]).max() == pytest.approx(0.4 * 10 / 2, rel=0.01)


def test_directions_are_units_of_every_quarter():
    rng = np.random.default_rng(0)
    drawn = np.array([direction(rng) for _ in range(2000)])
    np.testing.assert_allclose((drawn**2).sum(axis=1), 1.0, atol=1e-12)
    assert np.abs(drawn.mean(axis=0)).max() < 0.05
    angles = np.sort(np.arctan2(drawn[:, 0], drawn[:, 1]))
    uniform = np.linspace(-math.pi, math.pi, len(angles))
    assert np.abs(angles - uniform).max() < 0.15


def test_covering_is_a_weighted_mean():
    rgb, mask = np.full((6, 6, 3), 100, np.uint8), np.zeros((6, 6), bool)
    stamp = stroke(np.array([[2.0, 2.0], [2.0, 3.0]]), np.array([0.6, 0.6]), 1.0, (6, 6))
    cover(rgb, mask, stamp, np.array([200, 0, 100]), 0.5)
    np.testing.assert_array_equal(rgb[2, 2], [150, 50, 100])
    assert mask[2, 2]
    assert not mask[0].any()
