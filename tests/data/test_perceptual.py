"""The perceptual hash: against its definition, and on photographs that were resized, recompressed or mirrored."""

import io

import numpy as np
from PIL import Image
from skimage import data

from oldrestore.data.perceptual import NEAR, hash_distances, perceptual_hash


def test_bits_are_the_signs_of_cosine_sums():
    gray = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    found = np.unpackbits(np.frombuffer(bytes.fromhex(perceptual_hash(np.dstack([gray] * 3))), np.uint8))
    waves = np.cos(np.pi * np.arange(16)[:, None] * (2 * np.arange(64) + 1) / 128)
    expected = waves @ gray @ waves.T > 0
    expected[0, 0] = False
    np.testing.assert_array_equal(found.reshape(16, 16), expected)


def test_copies_are_near_and_other_photographs_are_not():
    cat, cup = data.chelsea(), data.coffee()
    picture = Image.fromarray(cat)
    file = io.BytesIO()
    picture.resize((180, 120)).save(file, "JPEG", quality=40)
    copies = [np.asarray(Image.open(file)), cat[:, ::-1], (cat * 0.8).astype(np.uint8)]
    distances = hash_distances([perceptual_hash(cat)], [perceptual_hash(rgb) for rgb in (cat, *copies, cup)])[0]
    assert distances[0] == 0
    assert (distances[:4] <= NEAR // 2).all()
    assert distances[4] > NEAR
