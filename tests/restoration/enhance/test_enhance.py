"""Steps of the restore stage: each undoes what it is for and leaves a sound photograph alone."""

import cv2
import numpy as np
import paddle
import pytest
from paddle import nn
from skimage.restoration import denoise_nl_means

from oldrestore.batch import Prediction
from oldrestore.models.sagan import SaganRestorer
from oldrestore.restoration.enhance.contrast import LocalContrast
from oldrestore.restoration.enhance.denoise import Denoise, estimate_noise, visible_noise
from oldrestore.restoration.enhance.levels import Levels, ends
from oldrestore.restoration.enhance.network import NetworkEnhancer
from oldrestore.restoration.stages import Enhancer, is_gray
from oldrestore.restoration.tiling import tiles
from tests.generated_photographs import make_photograph

ALL = {"denoise": Denoise(), "levels": Levels(), "levels_alike": Levels(channels=False), "contrast": LocalContrast()}


def psnr(a, b):
    return 10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean())


def noisy(rgb, deviation, seed=0):
    noise = np.random.default_rng(seed).normal(0, deviation, rgb.shape)
    return np.clip(np.round(rgb + noise), 0, 255).astype(np.uint8)


def full_range(seed=0, size=96):
    """A photograph that reaches black and white in each channel."""
    rgb = make_photograph(seed, size).astype(float)
    low, high = rgb.min(axis=(0, 1)), rgb.max(axis=(0, 1))
    return np.round((rgb - low) / (high - low) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (40, 17)])
def test_any_size_and_gray_stays_gray(name, shape):
    rgb = np.random.default_rng(1).integers(60, 180, (*shape, 3)).astype(np.uint8)
    before = rgb.copy()
    assert isinstance(ALL[name], Enhancer)
    for picture in (rgb, np.repeat(rgb[..., :1], 3, axis=-1)):
        done = ALL[name](picture)
        assert (done.shape, done.dtype) == (picture.shape, np.uint8)
        assert is_gray(done) or not is_gray(picture)
    np.testing.assert_array_equal(rgb, before)


@pytest.mark.parametrize("deviation", [5.0, 10.0, 20.0])
def test_noise_is_estimated(deviation):
    middle = np.clip(make_photograph(0, 256) * 0.5 + 64, 0, 255)
    assert estimate_noise(noisy(middle, deviation)) == pytest.approx(deviation, rel=0.15)
    assert (estimate_noise(middle.astype(np.uint8)) < 0.5).all()


def test_noise_in_clumps_is_seen():
    rng = np.random.default_rng(0)
    middle = np.full((256, 256, 1), 128.0)
    fine = rng.normal(0, 10, middle.shape)
    clumps = np.repeat(np.repeat(rng.normal(0, 10, (128, 128, 1)), 2, axis=0), 2, axis=1)
    seen = [visible_noise(np.clip(np.round(middle + x), 0, 255).astype(np.uint8)) for x in (0 * fine, fine, clumps)]
    # In clumps of 2 x 2 there is nothing at full size, and at half of it 10, which one pixel for itself gives from 20.
    np.testing.assert_allclose(seen, [0, 10, 0.7 * 20], rtol=0.15)
    assert estimate_noise(np.round(middle + clumps).astype(np.uint8)) == 0


def test_noise_is_removed_and_a_clean_photograph_stays():
    rgb = make_photograph(3, 160)
    assert Denoise()(rgb) is rgb
    damaged = noisy(rgb, 12)
    assert psnr(Denoise()(damaged), rgb) > psnr(damaged, rgb) + 6
    gray = np.repeat(damaged[..., :1], 3, axis=-1)
    assert psnr(Denoise()(gray)[..., 0], rgb[..., 0]) > psnr(damaged[..., 0], rgb[..., 0]) + 5


def test_denoising_is_scikit_images_and_tiles_do_not_show(monkeypatch):
    damaged = noisy(make_photograph(5, 90)[:, :70], 10)
    noise = visible_noise(damaged)
    settings = {"patch_size": 5, "patch_distance": 3, "h": 0.8 * noise / 255, "sigma": noise / 255}
    whole = denoise_nl_means(damaged.astype(np.float32) / 255, fast_mode=True, channel_axis=-1, **settings)
    at_once = Denoise()(damaged)
    assert np.abs(at_once - whole * 255).max() <= 0.51
    monkeypatch.setattr("oldrestore.restoration.enhance.denoise.TILE", 32)
    # The library pads by reflection, so pixels near the photograph's own edge may round otherwise.
    assert np.abs(Denoise()(damaged).astype(int) - at_once).max() <= 1


def test_fading_and_cast_are_undone():
    rgb = full_range()
    low, high = np.array([60, 40, 20]), np.array([200, 230, 180])
    damaged = np.round(low + rgb / 255 * (high - low)).astype(np.uint8)
    mended = Levels(clip=0, tolerance=0)(damaged)
    assert np.abs(mended.astype(int) - rgb).max() <= 1
    assert psnr(Levels()(damaged), rgb) > psnr(damaged, rgb) + 10


def test_levels_by_hand():
    counts = np.zeros(256)
    counts[[50, 100, 150]] = [1, 998, 1]
    assert ends(counts, 0.0) == (50, 150)
    assert ends(counts, 0.1) == (100, 100)
    curve = Levels(clip=0.0, tolerance=0)
    assert curve.curve(counts)[[50, 100, 150]].tolist() == [0, 128, 255]
    assert Levels(clip=0.0, tolerance=10).curve(counts)[[50, 100, 150]].tolist() == [10, 128, 245]
    assert Levels(clip=0.0, tolerance=0, strength=0.5).curve(counts)[[50, 150]].tolist() == [25, 202]
    narrow = Levels(clip=0.0, tolerance=0, largest_gain=2.0).curve(counts)
    assert narrow[[50, 150]].tolist() == [28, 228]  # 27.5 and 227.5: 127.5 -+ 2 x 50
    np.testing.assert_array_equal(Levels(clip=0.1).curve(counts), np.arange(256))  # one tone is left


def test_a_photograph_of_full_range_stays():
    rgb = full_range()
    assert Levels(clip=0)(rgb) is rgb
    nearly = (15 + rgb / 255 * 225).astype(np.uint8)  # 15..240
    assert Levels(clip=0)(nearly) is nearly
    further = Levels(clip=0, least_loss=14)(nearly)
    assert (further.min(), further.max()) == (8, 247)
    keeps = Levels(channels=False, clip=0, tolerance=0)
    tinted = (rgb * np.array([0.7, 0.6, 0.5])).astype(np.uint8)
    red, green, blue = keeps(tinted).reshape(-1, 3).max(axis=0).astype(int)
    assert red == 255 and min(red - green, green - blue) > 20  # the tint is still there


def test_local_contrast_is_opencvs():
    gray = np.repeat(make_photograph(2, 96)[..., :1], 3, axis=-1)
    expected = cv2.createCLAHE(2.0, (8, 8)).apply(np.ascontiguousarray(gray[..., 0]))
    np.testing.assert_array_equal(LocalContrast(strength=1.0)(gray)[..., 1], expected)
    assert LocalContrast(strength=0.0)(gray) is gray


class Inverter(nn.Layer):
    reads, predicts, stride = ("damaged_b3hw", "hole_b1hw"), frozenset({"rgb"}), 8

    def forward(self, damaged_b3hw, hole_b1hw):
        assert float(hole_b1hw.max()) == 0
        return Prediction(rgb=1.0 - damaged_b3hw)


def test_a_network_repaints_tile_by_tile():
    rgb = make_photograph(6, 150)[:, :131]
    np.testing.assert_array_equal(NetworkEnhancer(Inverter(), tile=64, overlap=8)(rgb), 255 - rgb)


def test_tiles_do_not_show_where_a_network_sees_less_far_than_they_overlap():
    paddle.seed(0)
    network = nn.Sequential(nn.Conv2D(3, 3, 5, padding=2))
    network.reads, network.predicts, network.stride = Inverter.reads, Inverter.predicts, 8
    network.forward = lambda rgb, hole: Prediction(rgb=nn.functional.sigmoid(nn.Sequential.forward(network, rgb)))
    rgb = make_photograph(6, 96)
    whole = NetworkEnhancer(network, tile=96, overlap=0)(rgb)
    cut = NetworkEnhancer(network, tile=64, overlap=8)(rgb)
    # At a tile's own edge the network sees zeros, or what the piece is continued with: 8 pixels keep that out.
    assert np.abs(whole.astype(int) - cut).max() <= 1


def test_a_network_that_keeps_known_pixels_is_refused(refusal):
    assert "output 'composed' and would change nothing" in refusal(NetworkEnhancer, SaganRestorer(width=0.125))
    NetworkEnhancer(SaganRestorer(width=0.125, output="full"))


@pytest.mark.parametrize("shape", [(1, 1), (64, 65), (130, 200), (7, 300)])
def test_tiles_cover_everything_once(shape):
    seen = np.zeros(shape, int)
    picture = np.arange(shape[0] * shape[1]).reshape(shape)
    for tile in tiles(*shape, 64, 5):
        seen[tile.kept] += 1
        np.testing.assert_array_equal(picture[tile.seen][tile.within], picture[tile.kept])
        assert max(picture[tile.kept].shape) <= 64
    assert (seen == 1).all()
