"""A network fills holes: what it sees, and where its answer goes."""

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore.batch import Prediction
from oldrestore.models.sagan import SaganColorizer, SaganRestorer
from oldrestore.restoration.fill.biharmonic import Biharmonic
from oldrestore.restoration.fill.network import NetworkFiller
from oldrestore.restoration.with_network import split_with_network
from tests.generated_photographs import make_photograph


class Painter(nn.Layer):
    """Paints holes in one colour and remembers what it saw."""

    reads = ("damaged_b3hw", "hole_b1hw")
    predicts = frozenset({"rgb"})
    stride = 8

    def forward(self, damaged_b3hw, hole_b1hw):
        self.seen = damaged_b3hw.numpy(), hole_b1hw.numpy()
        color = paddle.to_tensor(np.array([255, 0, 51], np.float32)).reshape([1, 3, 1, 1]) / 255
        return Prediction(rgb=damaged_b3hw * (1 - hole_b1hw) + color * hole_b1hw)


def holes():
    mask = np.zeros((90, 110), bool)
    mask[40:50, 50:57] = mask[3:6, 100:110] = True
    return mask


def test_holes_are_painted_and_nothing_else():
    rgb, mask = make_photograph(0, 110)[:90], holes()
    filled = NetworkFiller(Painter())(rgb, mask)
    np.testing.assert_array_equal(filled[~mask], rgb[~mask])
    assert (filled[mask] == (255, 0, 51)).all()


def test_the_network_sees_a_hole_with_its_surroundings_and_nothing_of_what_stands_in_it():
    rgb, mask = make_photograph(0, 110)[:90], holes()
    mask[:10] = False
    painter = Painter()
    NetworkFiller(painter)(rgb, mask)
    damaged, hole = painter.seen
    assert damaged.shape == (1, 3, 80, 72)  # 10 + 2 x 32 by 7 + 2 x 32, up to multiples of 8
    expected = np.where(mask[..., None], 0, rgb)[8:82, 18:89] / 255
    np.testing.assert_allclose(damaged[0, :, :74, :71].transpose(1, 2, 0), expected, atol=1e-6)
    np.testing.assert_array_equal(hole[0, 0, :74, :71] > 0.5, mask[8:82, 18:89])


def test_a_large_hole_is_seen_smaller():
    mask = np.zeros((400, 500), bool)
    mask[100:300, 100:400] = True
    rgb = np.full((400, 500, 3), (10, 200, 90), np.uint8)
    painter = Painter()
    filled = NetworkFiller(painter, size=128, context=0.25)(np.where(mask[..., None], 0, rgb).astype(np.uint8), mask)
    damaged, hole = painter.seen
    assert damaged.shape == (1, 3, 104, 128)  # 350 x 450: 100 x 128, up to multiples of 8
    # The darkness in the hole does not leak into what is known.
    known = damaged[0].transpose(1, 2, 0)[hole[0, 0] < 0.5]
    np.testing.assert_allclose(known, np.broadcast_to(np.array([10, 200, 90]) / 255, known.shape), atol=1e-6)
    np.testing.assert_array_equal(filled[~mask], rgb[~mask])
    inside = np.zeros_like(mask)
    inside[110:290, 110:390] = True
    assert (filled[inside] == (255, 0, 51)).all()


def test_gray_stays_gray_and_an_untrained_sagan_gives_about_its_start():
    paddle.seed(0)
    network = SaganRestorer(width=0.125)
    network.eval()
    rgb, mask = np.repeat(make_photograph(1, 110)[:90, :, :1], 3, axis=-1), holes()
    filled = NetworkFiller(network)(rgb, mask)
    assert (filled == filled[..., :1]).all()
    around, painted = rgb[38:52, 48:59].astype(int), filled[40:50, 50:57]
    assert around.min() - 12 <= painted.min() <= painted.max() <= around.max() + 12


def test_of_split_with_network_the_size_of_a_hole_decides_who_fills_it():
    rgb = np.full((80, 80, 3), (180, 160, 140), np.uint8)
    mask = np.zeros((80, 80), bool)
    mask[5, 10:60] = mask[30:60, 20:50] = True
    damaged = np.where(mask[..., None], 0, rgb).astype(np.uint8)
    filled = split_with_network(Painter(), Biharmonic(), largest_small=4.0)(damaged, mask)
    assert (filled[5] == rgb[5]).all()
    assert (filled[30:60, 20:50] == (255, 0, 51)).all()
    np.testing.assert_array_equal(filled[~mask], rgb[~mask])
    all_small = split_with_network(Painter(), Biharmonic(), largest_small=40.0)(damaged, mask)
    assert np.abs(all_small.astype(int) - rgb).max() <= 1


@pytest.mark.parametrize("fill", [NetworkFiller, lambda network: split_with_network(network, Biharmonic())])
def test_a_network_of_another_kind_is_refused(fill, refusal):
    assert "SaganColorizer reads L_b1hw and predicts ab" in refusal(fill, SaganColorizer(width=0.125))
