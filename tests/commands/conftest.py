"""Networks that colour strongly, and the verb that restores."""

import paddle
import pytest

from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.siggraph17 import Siggraph17
from tests.commands.restoring import WIDTH, save_network


@pytest.fixture
def restore(cli, tmp_path):
    """Restore into the folder `out`; returns what is printed as JSON."""
    return lambda *arguments, code=0: cli("restore", *arguments, "-o", tmp_path / "out", "--json", code=code).content


@pytest.fixture(scope="module")
def eccv16s(tmp_path_factory):
    """Two random networks that colour strongly, and their weights files."""
    folder, networks = tmp_path_factory.mktemp("weights"), []
    for seed in (5, 6):
        paddle.seed(seed)
        network = Eccv16(width=WIDTH, decoding="released")
        network.model8[6].weight.set_value(paddle.randn(network.model8[6].weight.shape))
        path = folder / f"net{seed}.safetensors"
        networks.append((network, save_network(network, path, "eccv16", width=WIDTH, decoding="released")))
    return networks


@pytest.fixture(scope="module")
def colorizers(eccv16s):
    return [weights for _, weights in eccv16s]


@pytest.fixture(scope="module")
def siggraph17(tmp_path_factory):
    """A random network that reads hints, and its weights file."""
    paddle.seed(6)
    network = Siggraph17(width=WIDTH, mask_center=0.5)
    network.model_out[0].weight.set_value(paddle.randn(network.model_out[0].weight.shape) * 0.1)
    path = tmp_path_factory.mktemp("weights") / "siggraph17.safetensors"
    return network, save_network(network, path, "siggraph17", width=WIDTH, mask_center=0.5)
