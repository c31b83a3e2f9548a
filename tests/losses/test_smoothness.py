"""Total variation and chroma edges of ab against NumPy, and what each is blind to."""

import numpy as np
import pytest

from oldrestore.losses.smoothness import ChromaEdge, TotalVariation
from tests.losses import reference


def case(number=2, factor=1, seed=0):
    rng = np.random.default_rng(seed)
    L = rng.uniform(0, 40, (number, 1, 6 * factor, 4 * factor)).astype(np.float32)
    truth = rng.uniform(-60, 60, (number, 2, 6 * factor, 4 * factor)).astype(np.float32)
    return L, truth, rng.uniform(-60, 60, (number, 2, 6, 4)).astype(np.float32)


def variation(ab, L=None, edge_range=None, scale=110.0):
    total = 0.0
    for axis in (-1, -2):
        steps = np.abs(np.diff(ab, axis=axis)).sum(axis=1) / scale
        if L is not None:
            steps = steps * np.exp(-np.abs(np.diff(L, axis=axis))[:, 0] / edge_range)
        total += steps.mean()
    return total


@pytest.mark.parametrize("scale", [110.0, 1.0])
def test_total_variation_against_float64(scale):
    L, truth, ab = case()
    batch = reference.make_batch(truth, L)
    reference.check(TotalVariation(scale), ab, batch, lambda given: variation(given, scale=scale))


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("edge_range", [6.0, 25.0])
def test_chroma_edge_against_float64(factor, edge_range):
    L, truth, ab = case(factor=factor)
    blocks = L.astype(np.float64).reshape(2, 1, 6, factor, 4, factor).mean(axis=(3, 5))
    batch = reference.make_batch(truth, L)
    reference.check(ChromaEdge(edge_range=edge_range), ab, batch, lambda given: variation(given, blocks, edge_range))


@pytest.mark.parametrize("make", [TotalVariation, ChromaEdge])
def test_limits(make):
    L, truth, ab = case()
    batch = reference.make_batch(truth, L)
    value, gradient = reference.evaluate(make(), np.full_like(ab, -42.0), batch)
    assert value == 0.0 and (gradient == 0.0).all()
    # A constant more is no difference more.
    plain, shifted = (reference.evaluate(make(), given, batch)[0] for given in (ab, ab + 16.0))
    assert shifted == pytest.approx(plain, rel=1e-5)
    for shape in ((1, 2, 1, 1), (1, 2, 1, 4), (1, 2, 4, 1)):
        one = reference.make_batch(np.zeros(shape))
        value, gradient = reference.evaluate(make(), np.arange(np.prod(shape), dtype=float).reshape(shape), one)
        assert np.isfinite(value) and np.isfinite(gradient).all()
        assert (value == 0.0) == (shape[2:] == (1, 1))


def test_lightness_that_cannot_be_averaged_is_refused():
    L, truth, ab = case()
    with pytest.raises(ValueError, match="6 x 4 cannot be averaged to 4 x 4"):
        reference.evaluate(ChromaEdge(), ab[:, :, :4], reference.make_batch(truth, L))
