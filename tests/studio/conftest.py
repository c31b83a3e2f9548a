"""A network that reads hints, photographs, and a studio of them."""

import numpy as np
import paddle
import pytest
from PIL import Image

from oldrestore.engines.chosen_network import network_of_file
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.photographs.photo_list import find_photographs
from oldrestore.studio.engine import Studio
from tests.commands.restoring import WIDTH, gray, save_network


@pytest.fixture(scope="session")
def hint_network(tmp_path_factory):
    """Weights of a random network that colours strongly and reads hints."""
    paddle.seed(6)
    network = Siggraph17(width=WIDTH, mask_center=0.5)
    network.model_out[0].weight.set_value(paddle.randn(network.model_out[0].weight.shape) * 0.1)
    path = tmp_path_factory.mktemp("weights") / "siggraph17.safetensors"
    return save_network(network, path, "siggraph17", width=WIDTH, mask_center=0.5)


@pytest.fixture
def photos(tmp_path):
    """A folder of two gray photographs, a.png and b.jpg, with a scratch."""
    folder = tmp_path / "album"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg")):
        rgb = np.clip(gray(seed), 20, 200)
        rgb[30:32, 10:90] = 255
        Image.fromarray(rgb).save(folder / name)
    return folder


@pytest.fixture
def engine(photos, hint_network, tmp_path):
    """A studio of `photos` that writes to the folder `out`."""
    opened = Studio(find_photographs([photos]), tmp_path / "out", lambda: [network_of_file(hint_network)])
    yield opened
    opened.close()
