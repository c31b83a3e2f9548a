"""Networks that colour strongly, for the tests of several verbs."""

from __future__ import annotations

import paddle
import pytest

from oldrestore.models.eccv16 import Eccv16
from tests.commands.restoring import WIDTH, save_network


@pytest.fixture(scope="module")
def colorizers(tmp_path_factory):
    """Weights of two random networks that colour strongly."""
    folder, paths = tmp_path_factory.mktemp("weights"), []
    for seed in (5, 6):
        paddle.seed(seed)
        network = Eccv16(width=WIDTH, decoding="released")
        network.model8[6].weight.set_value(paddle.randn(network.model8[6].weight.shape))
        paths.append(
            save_network(network, folder / f"net{seed}.safetensors", "eccv16", width=WIDTH, decoding="released")
        )
    return paths
