"""Inception v3 gives the features that an independent computation gives, with random weights."""

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.models.inception_v3 import InceptionV3
from oldrestore.models.weights import parameter_count
from tests.models import pickle_writer
from tests.models.plain_inception import PlainInception, random_state


@pytest.fixture(scope="module")
def state():
    return random_state(1008)


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "pt_inception.pth"
    pickle_writer.write_zip(path, state)
    return str(path)


@pytest.fixture(scope="module")
def photographs():
    return np.random.default_rng(3).random((1, 3, 64, 75), dtype=np.float32)


def features(photographs, **settings):
    with paddle.no_grad():
        return InceptionV3(**settings)(paddle.to_tensor(photographs)).numpy()


@pytest.mark.parametrize("pooling", ["auto", "torchvision"])
def test_features_are_those_of_an_independent_computation(state, weights, photographs, pooling):
    ours = features(photographs, weights=weights, pooling=pooling)
    theirs = PlainInception(state, tensorflow=pooling == "auto")(photographs)
    assert ours.shape == (1, 2048)
    assert theirs.std() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3 * theirs.max())


def test_the_two_networks_are_told_apart_by_their_classes(state, weights, photographs, tmp_path):
    other = tmp_path / "inception_v3_google.pth"
    pickle_writer.write_legacy(other, {**state, **{k: v for k, v in random_state(1000).items() if "fc." in k}})
    assert (InceptionV3(weights).pooling, InceptionV3(str(other)).pooling) == ("tensorflow", "torchvision")


def test_the_input_range_of_the_released_ddcolor_code(state, weights, photographs):
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    # x -> x / 2 + 1 / 2, then times std / 0.5 plus (mean - 0.5) / 0.5, channel by channel.
    ours = features(photographs, weights=weights, input="ddcolor")
    theirs = PlainInception(state, tensorflow=True)(photographs, std, std + (mean - 0.5) / 0.5)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3 * theirs.max())


def test_it_has_the_published_number_of_parameters(weights):
    # 27,161,264 in torchvision's, less the classifier (2,049,000) and the auxiliary one (3,326,696).
    assert parameter_count(InceptionV3(weights)) == 27_161_264 - 2_049_000 - 3_326_696


def test_it_moves_no_random_number(weights):
    paddle.seed(5)
    before = paddle.rand([4]).numpy()
    paddle.seed(5)
    InceptionV3(weights)
    assert (paddle.rand([4]).numpy() == before).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, "inception_v3 comes without weights: name a file"),
        ("missing", "there is no weights file"),
        ("shape", "Mixed_5b.branch1x1.conv.weight has shape"),
        ("classes", "does not say which Inception v3 it is"),
        ("gone", "Mixed_7c.branch_pool.conv.weight is missing"),
    ],
)
def test_what_is_not_its_weights_is_refused(state, tmp_path, change, sentence):
    path, changed = tmp_path / "w.pth", dict(state)
    if change == "shape":
        changed["Mixed_5b.branch1x1.conv.weight"] = np.zeros((3, 192, 1, 1), np.float32)
    elif change == "classes":
        changed["fc.bias"] = np.zeros(10, np.float32)
    elif change == "gone":
        del changed["Mixed_7c.branch_pool.conv.weight"]
    if change not in (None, "missing"):
        pickle_writer.write_zip(path, changed)
    with pytest.raises(UserError, match=sentence):
        InceptionV3(None if change is None else str(path))
