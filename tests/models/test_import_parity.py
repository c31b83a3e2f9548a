"""Published weights give here what they give in their own code: random state dicts, imported, against NumPy."""

from __future__ import annotations

import hashlib

import numpy as np
import paddle
import pytest

from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.published import import_published
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.weights import load_weights, parameter_count, save_weights

from . import pickle_writer as writer
from . import published_networks as published

WRITERS = {"legacy": writer.write_legacy, "zip": writer.write_zip}
TOLERANCE = 1e-4  # Lab units


def test_the_layer_tables_have_the_published_sizes():
    counted = ("weight", "bias")
    for model, parameters in (("eccv16", 32_236_011), ("siggraph17", 34_187_027)):
        shapes = published.shapes(model)
        assert sum(int(np.prod(s)) for name, s in shapes.items() if name.endswith(counted)) == parameters


@pytest.mark.parametrize(("model", "network"), [("eccv16", Eccv16), ("siggraph17", Siggraph17)])
def test_the_networks_have_every_published_key_in_its_shape(model, network):
    built = network()
    torch_names = {"._mean": ".running_mean", "._variance": ".running_var"}
    ours = {}
    for name, value in built.state_dict().items():
        for paddle_end, torch_end in torch_names.items():
            name = name.replace(paddle_end, torch_end) if name.endswith(paddle_end) else name
        ours[name] = tuple(value.shape)
    theirs = {n: s for n, s in published.shapes(model).items() if not n.endswith("num_batches_tracked")}
    assert ours == theirs
    assert parameter_count(built) == {"eccv16": 32_236_011, "siggraph17": 34_187_027}[model]


def imported(tmp_path, write, model, width, **options):
    """Write a random state dict as PyTorch does, import it, and save and read what was imported."""
    state = published.random_state(model, width)
    write(tmp_path / "random.pth", state)
    digits = hashlib.sha256((tmp_path / "random.pth").read_bytes()).hexdigest()[:8]
    named = (tmp_path / "random.pth").rename(tmp_path / f"random-{digits}.pth")
    found = import_published(named, **options)
    assert (found.header.model, found.header.settings["width"], found.checksum) == (model, width, digits)
    assert len(found.tensors) + len(found.dropped) == len(state)
    save_weights(tmp_path / "random.safetensors", found.tensors, found.header)
    return state, tmp_path / "random.safetensors", found.header.settings


def lightness(height=24, width=32, batch=1):
    return np.random.default_rng(7).uniform(0, 100, (batch, 1, height, width)).astype(np.float32)


def our_eccv16(path, settings, L_b1hw):
    network = Eccv16(weights=str(path), **settings)
    network.eval()
    with paddle.no_grad():
        ab = network.decode(network(paddle.to_tensor(L_b1hw)))
    # The released network ends with this; here, `Colorizer` brings colour to the photograph's size.
    return paddle.nn.functional.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False).numpy()


@pytest.mark.parametrize(("file_format", "width"), [("zip", 1.0), ("legacy", 0.25)])
def test_eccv16_imported_gives_the_released_forward(tmp_path, file_format, width):
    state, path, settings = imported(tmp_path, WRITERS[file_format], "eccv16", width)
    L = lightness()
    expected = published.eccv16(published.NumpyOperations(), state, L)
    found = our_eccv16(path, settings, L)
    assert found.shape == expected.shape == (1, 2, 24, 32)
    assert expected.std() > 1.0  # Lab units: there is something to compare
    assert np.abs(found - expected).max() <= TOLERANCE


@pytest.mark.slow
def test_eccv16_at_full_width_from_a_legacy_file(tmp_path):
    state, path, settings = imported(tmp_path, writer.write_legacy, "eccv16", 1.0)
    L = lightness(16, 16)
    expected = published.eccv16(published.NumpyOperations(), state, L)
    assert np.abs(our_eccv16(path, settings, L) - expected).max() <= TOLERANCE


def hints(L_b1hw):
    """A tenth of the pixels revealed in random colours."""
    rng = np.random.default_rng(8)
    mask = (rng.random(L_b1hw.shape) < 0.1).astype(np.float32)
    ab = rng.uniform(-100, 100, (L_b1hw.shape[0], 2, *L_b1hw.shape[2:])).astype(np.float32) * mask
    return ab, mask


def our_siggraph17(path, settings, L, ab, mask):
    network = Siggraph17(weights=str(path), **settings)
    network.eval()
    with paddle.no_grad():
        prediction = network(paddle.to_tensor(L), paddle.to_tensor(np.concatenate([ab, mask], axis=1)))
        return network.decode(prediction).numpy(), prediction.class_logits.numpy()


@pytest.mark.parametrize(
    ("file_format", "width", "mask_center"),
    [("zip", 0.25, None), ("legacy", 0.25, 0.5), pytest.param("zip", 1.0, 0.5, marks=pytest.mark.slow)],
)
def test_siggraph17_imported_gives_the_released_forward(tmp_path, file_format, width, mask_center):
    state, path, settings = imported(tmp_path, WRITERS[file_format], "siggraph17", width, mask_center=mask_center)
    assert settings["mask_center"] == (mask_center or 0.0)
    L = lightness(16, 24)
    ab, mask = hints(L)
    operations = published.NumpyOperations()
    expected, classes = published.siggraph17(operations, state, L, ab, mask, settings["mask_center"])
    found, found_classes = our_siggraph17(path, settings, L, ab, mask)
    assert expected.std() > 1.0
    assert np.abs(found - expected).max() <= TOLERANCE
    assert np.abs(found_classes - classes).max() <= TOLERANCE
    # The field matters: with the mask centred elsewhere, the same weights give other colours.
    elsewhere, _ = published.siggraph17(operations, state, L, ab, mask, 0.5 - settings["mask_center"])
    assert np.abs(elsewhere - expected).max() > 1.0


def test_without_hints_the_mask_is_empty(tmp_path):
    state, path, settings = imported(tmp_path, writer.write_zip, "siggraph17", 0.125, mask_center=0.5)
    L = lightness(16, 16)
    zeros = np.zeros((1, 2, 16, 16), np.float32)
    expected, _ = published.siggraph17(published.NumpyOperations(), state, L, zeros, zeros[:, :1], 0.5)
    network = Siggraph17(**settings)
    load_weights(network, path)
    network.eval()
    assert np.abs(network.decode(network(paddle.to_tensor(L))).numpy() - expected).max() <= TOLERANCE


@pytest.mark.parametrize("model", ["eccv16", "siggraph17"])
def test_against_torch(tmp_path, model):
    torch = pytest.importorskip("torch")
    state = published.random_state(model, 0.25)
    torch.save({name: torch.from_numpy(np.array(value)) for name, value in state.items()}, tmp_path / "random.pth")
    found = import_published(tmp_path / "random.pth")
    save_weights(tmp_path / "random.safetensors", found.tensors, found.header)
    operations, L = published.TorchOperations(torch), lightness()
    if model == "eccv16":
        expected = published.eccv16(operations, state, L)
        ours = our_eccv16(tmp_path / "random.safetensors", found.header.settings, L)
    else:
        ab, mask = hints(L)
        expected, _ = published.siggraph17(operations, state, L, ab, mask, 0.0)
        ours, _ = our_siggraph17(tmp_path / "random.safetensors", found.header.settings, L, ab, mask)
    assert np.abs(ours - expected.numpy()).max() <= TOLERANCE
