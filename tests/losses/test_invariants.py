"""What holds of every loss that is a mean over pixels or photographs: parts, gray photographs, extremes, precision."""

from functools import partial

import numpy as np
import pytest

from oldrestore.losses.class_weights import EffectiveNumber, Rebalance
from oldrestore.losses.classification import SoftCrossEntropy
from oldrestore.losses.colorfulness import Colorfulness
from oldrestore.losses.dispersion import MseDispersion
from oldrestore.losses.earth_mover import SquaredEarthMover
from oldrestore.losses.expected_distance import ExpectedAbDistance
from oldrestore.losses.grid_classification import GridCrossEntropy
from oldrestore.losses.label_smoothing import NeighbourSmoothing, UniformSmoothing
from oldrestore.losses.perceptual import Perceptual
from oldrestore.losses.regression import L1, L2, SmoothL1
from oldrestore.losses.smoothness import ChromaEdge, TotalVariation
from tests.losses import reference
from tests.losses.test_perceptual import SmallFeatures

pytestmark = reference.on_a_cpu


def soft(**settings):
    loss = SoftCrossEntropy(**settings)
    loss.prepare(prior=reference.PRIOR, prior_pixels=1e6)
    return loss


OF_AB = {
    "l1": L1,
    "l2": L2,
    "smooth_l1": SmoothL1,
    "total_variation": TotalVariation,
    "chroma_edge": ChromaEdge,
    "colorfulness": Colorfulness,
    "perceptual": lambda **settings: Perceptual(SmallFeatures(), **settings),
}
COUNTING_GRAY = {
    **{name: OF_AB[name] for name in ("l1", "l2", "smooth_l1", "colorfulness", "perceptual")},
    "squared_emd": SquaredEarthMover,
    "expected_distance": ExpectedAbDistance,
    "grid": GridCrossEntropy,
}
OF_COLOUR_ONLY = {
    "cross_entropy": soft,
    "rebalanced": partial(soft, neighbours=10, rebalance=Rebalance()),
    "everything": partial(
        soft,
        rebalance=EffectiveNumber(0.999),
        smoothing=NeighbourSmoothing(),
        focal_gamma=2.0,
        logit_adjustment=1.0,
        weighting="gradient",
    ),
    "uniform": partial(soft, smoothing=UniformSmoothing()),
}
LOSSES = OF_AB | COUNTING_GRAY | OF_COLOUR_ONLY


def case(loss, number=2):
    """A prediction of the kind that the loss reads, its truth and lightness; at half the size if that is possible."""
    L, truth = reference.photographs(number)
    rng = np.random.default_rng(1)
    (field,) = loss.reads
    channels = {"logits": 313, "class_logits": 529, "ab": 2}[field]
    given = rng.normal(0, 9 if field == "ab" else 1.5, (number, channels, 4, 4)).astype(np.float32)
    return given, truth, L


@pytest.mark.parametrize(
    ("name", "settings"), [*((n, {}) for n in LOSSES), *((n, {"annealed_mean": 0.4}) for n in OF_AB)]
)
def test_a_batch_is_the_mean_of_its_photographs(name, settings):
    loss = LOSSES[name](**settings)
    reference.check_parts(loss, *case(loss, number=3))


@pytest.mark.parametrize("name", COUNTING_GRAY | OF_COLOUR_ONLY)
def test_gray_photographs_are_left_out_of_sum_and_count(name):
    loss = LOSSES[name](gray_threshold=5.0)
    given, truth, L = case(loss, number=3)
    truth[[0, 2]] = 5.0  # nothing above 5
    truth[2, 1, 1, 1] = -5.0
    value, gradient = reference.evaluate(loss, given, reference.make_batch(truth, L))
    alone, _ = reference.evaluate(loss, given[1:2], reference.make_batch(truth[1:2], L[1:2]))
    assert value == pytest.approx(alone, rel=1e-6)
    assert (gradient[[0, 2]] == 0).all() and (gradient[1] != 0).any()
    # One pixel of one channel is colour enough, at full size, even between those that become targets.
    truth[2, 1, 1, 1] = -5.5
    assert (reference.evaluate(loss, given, reference.make_batch(truth, L))[1][2] != 0).any()
    value, gradient = reference.evaluate(loss, given, reference.make_batch(truth * 0.01, L))
    assert value == 0.0 and (gradient == 0.0).all()
    if name in COUNTING_GRAY:
        every = LOSSES[name](gray_threshold=None)
        assert (reference.evaluate(every, given, reference.make_batch(truth * 0.01, L))[1] != 0).any()


@pytest.mark.parametrize("name", [*LOSSES, "mse_dispersion"])
def test_extremes_stay_finite_and_half_precision_is_computed_in_float32(name):
    loss = {**LOSSES, "mse_dispersion": MseDispersion}[name]()
    given, truth, L = case(loss)
    batch = reference.make_batch(truth, L)
    for size in (130.0, 1e4):
        value, gradient = reference.evaluate(loss, np.sign(given) * size, batch)
        assert np.isfinite(value) and np.isfinite(gradient).all()
    reference.check_half_precision(loss, given, batch)


@pytest.mark.parametrize("name", [*OF_AB, "mse_dispersion"])
def test_with_a_temperature_it_is_the_loss_of_the_annealed_mean(name):
    make = {**OF_AB, "mse_dispersion": MseDispersion}[name]
    loss = make(annealed_mean=0.38)
    assert loss.reads == {"logits"}
    logits, truth, L = case(loss)
    batch = reference.make_batch(truth, L)
    ab = reference.annealed_mean(logits.astype(np.float64), 0.38)
    value, gradient = reference.evaluate(loss, logits, batch)
    expected, of_ab = reference.evaluate(make(), ab, batch)
    assert value == pytest.approx(expected, rel=1e-5)
    # The chain rule, along one direction: the slope of the annealed mean in float64 times the gradient of ab.
    direction = np.random.default_rng(2).normal(size=logits.shape)
    moved = [reference.annealed_mean(logits + offset * direction, 0.38) for offset in (1e-5, -1e-5)]
    slope = (of_ab * (moved[0] - moved[1]) / 2e-5).sum()
    along = gradient * direction
    assert along.sum() == pytest.approx(slope, abs=1e-4 * np.abs(along).sum())


def test_nothing_of_a_loss_belongs_into_a_checkpoint():
    for make in LOSSES.values():
        loss = make()
        assert all(parameter.stop_gradient for parameter in loss.parameters())
        assert not [name for name in loss.state_dict() if not name.startswith("features.")]
