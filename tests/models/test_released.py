"""The shipped weights: whole, small, complete, and refused when they are not what was released."""

import inspect

import numpy as np
import pytest
from safetensors.numpy import load_file

from oldrestore.errors import UserError
from oldrestore.models import released
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.models.released import released_weights
from tests.models.overfitting import photographs


def test_the_file_holds_the_decoder_alone_in_little_room():
    found = released_weights("lite_unet")
    assert found.path.stat().st_size <= 3_000_000
    assert not [name for name in load_file(found.path) if name.startswith("encoder.")]


def test_its_settings_are_constructor_arguments_and_the_defaults_of_the_configuration():
    settings = released_weights("lite_unet").settings
    assert set(settings) == {"width", "temperature", "confidence", "chroma", "edge_range", "mirror", "second_scale"}
    defaults = inspect.signature(LiteUnet).parameters
    assert settings == {name: defaults[name].default for name in settings}


def test_it_colors_straight_away():
    network = LiteUnet(weights="released")
    network.eval()
    ab = network.decode(network(photographs(1).L_b1hw)).numpy()
    assert ab.shape == (1, 2, 16, 16) and np.isfinite(ab).all()
    chroma = np.hypot(ab[:, 0], ab[:, 1])
    assert 1.0 < chroma.mean() < 80.0


def test_damaged_missing_and_unknown_weights_are_refused(tmp_path, monkeypatch):
    content = released_weights("lite_unet").path.read_bytes()
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="missing"):
        released_weights("lite_unet")
    (tmp_path / "lite_unet.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match="damaged"):
        LiteUnet(weights="released")
    with pytest.raises(UserError, match="there are those of lite_unet"):
        released_weights("eccv16")
