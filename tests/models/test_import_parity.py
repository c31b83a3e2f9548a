"""Published weights give here what they give in their own code: random state dicts, imported, against NumPy."""

import hashlib

import numpy as np
import paddle
import pytest

from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.published import import_published
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.weights import parameter_count, save_weights
from tests.models import published_networks as published
from tests.models.pickle_writer import WRITERS

TOLERANCE = 1e-4  # Lab units
NETWORKS = {"eccv16": Eccv16, "siggraph17": Siggraph17}


@pytest.mark.parametrize(("model", "parameters"), [("eccv16", 32_236_011), ("siggraph17", 34_187_027)])
def test_the_networks_have_every_published_key_in_its_shape(model, parameters):
    built = NETWORKS[model]()
    torch_names = {"._mean": ".running_mean", "._variance": ".running_var"}
    ours = {}
    for name, value in built.state_dict().items():
        for paddle_end, torch_end in torch_names.items():
            name = name.replace(paddle_end, torch_end) if name.endswith(paddle_end) else name
        ours[name] = tuple(value.shape)
    theirs = {n: s for n, s in published.shapes(model).items() if not n.endswith("num_batches_tracked")}
    assert ours == theirs
    assert parameter_count(built) == parameters
    assert sum(int(np.prod(s)) for name, s in theirs.items() if name.endswith(("weight", "bias"))) == parameters


def imported(tmp_path, file_format, model, width, **options):
    """The forward of a random state dict in NumPy, and the network of its import, saved and read."""
    state = published.random_state(model, width)
    WRITERS[file_format](tmp_path / "random.pth", state)
    digits = hashlib.sha256((tmp_path / "random.pth").read_bytes()).hexdigest()[:8]
    found = import_published((tmp_path / "random.pth").rename(tmp_path / f"random-{digits}.pth"), **options)
    assert (found.header.model, found.header.settings["width"], found.checksum) == (model, width, digits)
    assert len(found.tensors) + len(found.dropped) == len(state)
    save_weights(tmp_path / "random.safetensors", found.tensors, found.header)
    network = NETWORKS[model](weights=str(tmp_path / "random.safetensors"), **found.header.settings)
    network.eval()
    return published.Forward(state), network


def lightness(height, width):
    return np.random.default_rng(7).uniform(0, 100, (1, 1, height, width)).astype(np.float32)


@paddle.no_grad()
@pytest.mark.parametrize(
    ("file_format", "width", "size"),
    [("zip", 1.0, (24, 32)), ("legacy", 0.25, (24, 32)), pytest.param("legacy", 1.0, (16, 16), marks=pytest.mark.slow)],
)
def test_eccv16_imported_gives_the_released_forward(tmp_path, file_format, width, size):
    reference, network = imported(tmp_path, file_format, "eccv16", width)
    expected = reference.eccv16(lightness(*size))
    ab = network.decode(network(paddle.to_tensor(lightness(*size))))
    # The released network ends with this; here, `Colorizer` brings colour to the photograph's size.
    ab = paddle.nn.functional.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False).numpy()
    assert ab.shape == expected.shape == (1, 2, *size)
    assert expected.std() > 1.0  # Lab units: there is something to compare
    assert np.abs(ab - expected).max() <= TOLERANCE


@paddle.no_grad()
@pytest.mark.parametrize(
    ("file_format", "width", "mask_center"),
    [("zip", 0.25, None), ("legacy", 0.25, 0.5), pytest.param("zip", 1.0, 0.5, marks=pytest.mark.slow)],
)
def test_siggraph17_imported_gives_the_released_forward(tmp_path, file_format, width, mask_center):
    reference, network = imported(tmp_path, file_format, "siggraph17", width, mask_center=mask_center)
    assert network.mask_center == (mask_center or 0.0)
    L, rng = lightness(16, 24), np.random.default_rng(8)
    mask = (rng.random(L.shape) < 0.1).astype(np.float32)  # a tenth of the pixels are revealed, in random colours
    hints = np.concatenate([rng.uniform(-100, 100, (1, 2, 16, 24)) * mask, mask], axis=1).astype(np.float32)
    expected, classes = reference.siggraph17(L, hints, network.mask_center)
    prediction = network(paddle.to_tensor(L), paddle.to_tensor(hints))
    assert network.decode(prediction) is prediction.ab
    assert expected.std() > 1.0
    assert np.abs(prediction.ab.numpy() - expected).max() <= TOLERANCE
    assert np.abs(prediction.class_logits.numpy() - classes).max() <= TOLERANCE
    # The field matters: with the mask centred elsewhere, the same weights give other colours.
    elsewhere, _ = reference.siggraph17(L, hints, 0.5 - network.mask_center)
    assert np.abs(elsewhere - expected).max() > 1.0
    # Without hints the mask is empty.
    expected, _ = reference.siggraph17(L, 0 * hints, network.mask_center)
    assert np.abs(network(paddle.to_tensor(L)).ab.numpy() - expected).max() <= TOLERANCE
