"""Small holes go to the method given, others to the network."""

from __future__ import annotations

import numpy as np
import pytest
from paddle import nn

from oldrestore.batch import Prediction
from oldrestore.errors import UserError
from oldrestore.restoration.fill.biharmonic import Biharmonic
from oldrestore.restoration.with_network import split_with_network


class Gray(nn.Layer):
    """Fills every hole with 0.2."""

    predicts = frozenset({"rgb"})
    reads = ("damaged_b3hw", "hole_b1hw")
    stride = 8

    def forward(self, damaged_b3hw, hole_b1hw):
        return Prediction(rgb=damaged_b3hw * (1 - hole_b1hw) + 0.2 * hole_b1hw)


def test_the_size_of_a_hole_decides_who_fills_it():
    rgb = np.full((80, 80, 3), 180, np.uint8)
    mask = np.zeros((80, 80), bool)
    mask[5, 10:60] = True
    mask[30:60, 20:50] = True
    damaged = np.where(mask[..., None], 0, rgb).astype(np.uint8)
    filled = split_with_network(Gray(), Biharmonic(), largest_small=4.0)(damaged, mask)
    assert (filled[5] == 180).all()
    assert (filled[30:60, 20:50] == 51).all()
    np.testing.assert_array_equal(filled[~mask], rgb[~mask])
    all_small = split_with_network(Gray(), Biharmonic(), largest_small=40.0)(damaged, mask)
    assert np.abs(all_small.astype(int) - 180).max() <= 1


def test_a_network_that_restores_nothing_is_refused():
    network = Gray()
    network.predicts = frozenset({"ab"})
    with pytest.raises(UserError, match="needs a network that restores damaged photographs"):
        split_with_network(network, Biharmonic())
