"""Kept features: equal to computed ones, whatever stands on disk, and only for a frozen encoder."""

from dataclasses import replace
from functools import partial

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.training import cached_encoder
from oldrestore.training.cached_encoder import CachedEncoderLearner, FeatureStore, jittered
from tests.generated_photographs import make_photograph


@pytest.fixture(scope="module")
def network() -> LiteUnet:
    paddle.seed(0)
    return LiteUnet(width=0.125, dropout=0.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLDRESTORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def store(network, cache) -> FeatureStore:
    """One for all tests: the export of the encoder takes seconds."""
    return FeatureStore(network, 2**30)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return Batch.from_rgb(paddle.to_tensor(np.stack([make_photograph(seed, 64) for seed in range(3)])))


@pytest.fixture
def no_export(monkeypatch) -> None:
    """Let the encoder run in Paddle itself."""
    monkeypatch.setattr(cached_encoder, "exported", lambda encoder, spec: None)


def make_learner(network, **settings) -> CachedEncoderLearner:
    adam = partial(paddle.optimizer.Adam, learning_rate=1e-3)
    return CachedEncoderLearner(network, SoftCrossEntropy(), adam, **settings)


def test_kept_features_are_the_encoders(network, store, batch):
    computed = store(batch.L_b1hw)
    for kept, own in zip(computed, network.encode(batch.L_b1hw), strict=True):
        # float16, and oneDNN's order of sums.
        np.testing.assert_allclose(kept.numpy(), own.numpy(), atol=2e-3 * float(own.abs().max()))
    assert len(list(store.folder.glob("*/*.npz"))) == 3


def test_features_read_again_are_bit_identical_and_batches_do_not_matter(store, network, batch, monkeypatch):
    first = store(batch.L_b1hw)
    monkeypatch.setattr(cached_encoder, "exported", lambda *_: pytest.fail("nothing must be computed again"))
    other = FeatureStore(network, 2**30)
    for again, alone, kept in zip(other(batch.L_b1hw), other(batch.L_b1hw[1:2]), first, strict=True):
        np.testing.assert_array_equal(again.numpy(), kept.numpy())
        np.testing.assert_array_equal(alone.numpy(), kept.numpy()[1:2])


def test_a_damaged_file_is_computed_again(store, batch):
    L_b1hw = batch.L_b1hw[:1] * 0.5
    before = set(store.folder.glob("*/*.npz"))
    first = store(L_b1hw)
    (file,) = set(store.folder.glob("*/*.npz")) - before
    whole = file.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"no archive at all"):
        file.write_bytes(damage)
        for again, kept in zip(store(L_b1hw), first, strict=True):
            np.testing.assert_array_equal(again.numpy(), kept.numpy())


def test_without_room_nothing_is_kept(network, batch, tmp_path, monkeypatch, no_export):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path))
    store = FeatureStore(network, 0)
    store(batch.L_b1hw[:1])
    assert not list(tmp_path.rglob("*.npz"))


def test_the_learner_learns_and_repeats(batch, no_export):
    def train() -> list[float]:
        paddle.seed(0)
        learner = make_learner(LiteUnet(width=0.125, dropout=0.2), lightness_jitter=0.3, ema_decay=0.9)
        return [float(learner.step([batch], i)["loss"]) for i in range(6)]

    losses = train()
    assert losses[-1] < losses[0]
    assert train() == losses


def test_jitter_is_a_change_of_contrast_and_brightness_that_follows_from_the_crop(batch):
    changed = jittered(batch.L_b1hw, 0.2).numpy()
    np.testing.assert_array_equal(changed, jittered(batch.L_b1hw, 0.2).numpy())
    np.testing.assert_array_equal(changed[1:2], jittered(batch.L_b1hw[1:2], 0.2).numpy())
    for before, after in zip(batch.L_b1hw.numpy(), changed, strict=True):
        inside = (after > 0) & (after < 100)
        slope, offset = np.polyfit(before[inside] - 50, after[inside] - 50, 1)
        assert 0.8 <= slope <= 1.2 and abs(offset) <= 4.0
        np.testing.assert_allclose(after[inside], 50 + slope * (before[inside] - 50) + offset, atol=1e-3)


def test_an_encoder_that_is_trained_is_refused(refusal):
    assert "trainer=supervised" in refusal(make_learner, LiteUnet(width=0.125, train_encoder=True))
    assert "Eccv16" in refusal(make_learner, Eccv16(width=0.0625))


def test_film_is_what_the_encoder_and_the_jitter_see_and_the_loss_sees_the_truth(network, cache, no_export, batch):
    """The prediction is that for film's lightness; the batch that the loss compares with is as it was."""
    seen = replace(batch, film_b1hw=batch.L_b1hw * 0.7 + 10.0)
    learner = make_learner(network)
    ours = learner.predict(seen).logits.numpy()
    np.testing.assert_array_equal(ours, learner.predict(replace(batch, L_b1hw=seen.film_b1hw)).logits.numpy())
    assert np.abs(ours - learner.predict(batch).logits.numpy()).max() > 0
    jitter, losses = make_learner(network, lightness_jitter=0.3), []
    jitter.loss.terms = lambda prediction, compared: losses.append(compared) or {"loss": prediction.logits.mean()}
    jitter.step([seen], 0)
    np.testing.assert_array_equal(losses[0].L_b1hw.numpy(), batch.L_b1hw.numpy())
    assert np.abs(losses[0].film_b1hw.numpy() - seen.film_b1hw.numpy()).max() > 1.0
    np.testing.assert_array_equal(losses[0].film_b1hw.numpy(), jittered(seen.film_b1hw, 0.3).numpy())


def test_hints_are_read_beside_kept_features(cache, no_export, batch):
    paddle.seed(0)
    network = LiteUnet(width=0.125, dropout=0.0, hints=True)
    hints = np.zeros((3, 3, 64, 64), np.float32)
    hints[:, :, 30, 30] = 50.0, 30.0, 1.0
    learner = make_learner(network)
    told = learner.predict(replace(batch, hints_b3hw=paddle.to_tensor(hints))).logits.numpy()
    features = [paddle.to_tensor(f.numpy().astype(np.float16).astype(np.float32)) for f in network.encode(batch.L_b1hw)]
    expected = network.predict(batch.L_b1hw, features, paddle.to_tensor(hints)).logits.numpy()
    np.testing.assert_allclose(told, expected, rtol=1e-3, atol=1e-2)
    assert np.abs(told - learner.predict(batch).logits.numpy()).max() > 1.0
