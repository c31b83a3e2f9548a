"""Photographs as old film saw them: what is read, what stays the truth, and what repeats."""

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch
from oldrestore.color.lab import rgb_to_lab
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.data.damage.chain import DamageChain
from oldrestore.data.damage.emulsion import Emulsion
from oldrestore.data.damage.grain import Grain
from oldrestore.data.inputs.hints import Hints
from oldrestore.data.inputs.old_film import OldFilm
from tests.generated_photographs import make_photograph

NAMES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def rgb_bhw3() -> np.ndarray:
    return np.stack([make_photograph(seed, 48) for seed in range(4)])


def film(**settings) -> OldFilm:
    return OldFilm(DamageChain([Emulsion(1.0), Grain(0.5)]), **settings)


def batch_of(inputs, rgb_bhw3: np.ndarray, seed: int = 0) -> Batch:
    return inputs(paddle.to_tensor(rgb_bhw3), NAMES, np.random.default_rng(seed))


def test_what_is_read_is_the_lightness_of_the_damage_and_the_rest_the_truth(rgb_bhw3):
    inputs = film(share=1.0)
    batch, truth = batch_of(inputs, rgb_bhw3), Batch.from_rgb(paddle.to_tensor(rgb_bhw3), NAMES)
    for name in ("L_b1hw", "ab_b2hw"):
        np.testing.assert_array_equal(getattr(batch, name).numpy(), getattr(truth, name).numpy())
    rng = np.random.default_rng(0)
    for rgb, L_1hw in zip(rgb_bhw3, batch.film_b1hw.numpy(), strict=True):
        own = np.random.default_rng(int(rng.integers(2**63)))
        own.random()  # whether this photograph is one of the share
        severity = 0.25 + 0.75 * int(own.integers(0, 257)) / 256
        expected = rgb_to_lab(inputs.damage.at(severity)(rgb, own).rgb_hw3)[..., 0]
        np.testing.assert_allclose(L_1hw[0], expected, atol=1e-3)


def test_a_share_is_seen_as_it_is(rgb_bhw3):
    untouched = batch_of(film(share=0.0), rgb_bhw3)
    np.testing.assert_array_equal(untouched.film_b1hw.numpy(), untouched.L_b1hw.numpy())
    inputs, rng = film(share=0.3), np.random.default_rng(1)
    seen = [(inputs.seen(rgb_bhw3[0], rng) != rgb_bhw3[0]).any() for _ in range(300)]
    assert abs(np.mean(seen) - 0.3) < 3 * np.sqrt(0.3 * 0.7 / 300)


def test_hints_stay_those_of_the_true_colour(rgb_bhw3):
    alone, seen = batch_of(Hints(), rgb_bhw3), batch_of(film(of=Hints()), rgb_bhw3)
    np.testing.assert_array_equal(seen.hints_b3hw.numpy(), alone.hints_b3hw.numpy())


def test_versions_repeat_with_the_content_of_a_crop(rgb_bhw3):
    inputs = film(versions=2, share=1.0)
    rng = np.random.default_rng(0)
    looks = {inputs.seen(rgb_bhw3[0], rng).tobytes() for _ in range(30)}
    assert len(looks) == 2
    assert inputs.seen(rgb_bhw3[1], rng).tobytes() not in looks
    assert len({film().seen(rgb_bhw3[0], rng).tobytes() for _ in range(10)}) > 5


def test_the_choice_composes_with_hints():
    inputs = build(compose_config(["inputs=old_film", "inputs.of.none=0.5"]).inputs)
    assert isinstance(inputs.of, Hints) and inputs.of.none == 0.5
    kinds = [step.kind for step in inputs.damage.steps]
    assert kinds == ["blur", "emulsion", "grain", "contrast", "fading"]
