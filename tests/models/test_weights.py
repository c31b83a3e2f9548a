"""State dicts of PyTorch, Paddle and safetensors are read alike, and without what data-parallel training adds."""

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.models.damage_unet import DamageUnet
from oldrestore.models.ddcolor import DDColor
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.features import AlexNetFeatures
from oldrestore.models.larsson import Larsson
from oldrestore.models.lite_unet import LiteUnet
from oldrestore.models.resnet import ResNet
from oldrestore.models.sagan import SaganColorizer, SaganRestorer
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.weights import load_weights, network_weights, read_tensors, without_wrapper
from tests.models.pickle_writer import write

WIDTH = 0.0625


@pytest.fixture(scope="module")
def state():
    paddle.seed(3)
    return {name: value.numpy() for name, value in DamageUnet(width=WIDTH).state_dict().items()}


@pytest.mark.parametrize("ending", [".safetensors", ".pdparams", ".pth", ".pt"])
@pytest.mark.parametrize("wrapper", ["", "module.", "_layers.", "module.module."])
def test_a_wrapper_before_every_key_is_taken_off(tmp_path, state, ending, wrapper):
    path = write(tmp_path / f"w{ending}", {f"{wrapper}{name}": value for name, value in state.items()})
    assert read_tensors(path).keys() == state.keys()
    network = DamageUnet(width=WIDTH)
    load_weights(network, path)
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name])


def test_a_wrapper_inside_a_checkpoint_is_taken_off():
    tensors = {"ema.module.a": np.ones(1), "ema.module.b": np.ones(2), "model.module.a": np.zeros(1)}
    picked = network_weights(tensors)
    assert picked.keys() == {"a", "b"} and picked["a"][0] == 1


def test_keys_that_only_partly_have_a_wrapper_stay():
    tensors = {"module.a": np.ones(1), "b": np.ones(1)}
    assert without_wrapper(tensors) == tensors and without_wrapper({}) == {}


def test_a_wrapper_without_end_is_no_trap():
    (name,) = without_wrapper({"module." * 100_000: np.ones(1)})
    assert len(name) == len("module.") * 99_998


def test_features_of_a_recognizer_are_read_through_the_wrapper(tmp_path):
    shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    tensors = {}
    for place, (outputs, inputs, kernel) in shapes.items():
        tensors[f"module.features.{place}.weight"] = np.full((outputs, inputs, kernel, kernel), 0.01, np.float32)
        tensors[f"module.features.{place}.bias"] = np.full(outputs, place, np.float32)
    features = AlexNetFeatures(str(write(tmp_path / "w.safetensors", tensors)))
    assert features.features["10"].bias.numpy().tolist() == [10.0] * 256


def test_a_pickle_that_does_not_fit_says_how_published_files_come_in(tmp_path):
    path = write(tmp_path / "w.pth", {"model1.0.weight": np.ones((2, 2), np.float32)})
    with pytest.raises(UserError, match=r"do not fit DamageUnet: .*; oldrestore weights import brings in published"):
        load_weights(DamageUnet(width=WIDTH), path)


NETWORKS = [DamageUnet, DDColor, Eccv16, Larsson, LiteUnet, ResNet, SaganColorizer, SaganRestorer, Siggraph17]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_starts_from_a_file_that_has_all_of_its_weights(tmp_path, network):
    tensors = {name: value.numpy() for name, value in network(width=WIDTH).state_dict().items()}
    path = write(tmp_path / "w.safetensors", tensors)
    paddle.seed(1)
    for name, value in network(width=WIDTH, weights=str(path)).state_dict().items():
        np.testing.assert_array_equal(value.numpy(), tensors[name])
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    for wrong, sentence in (
        ({n: tensor for n, tensor in tensors.items() if n != name}, f"{name} is missing"),
        (tensors | {"model99.bias": tensors[name]}, "model99.bias is not of this network"),
        (tensors | {name: np.zeros(3, np.float32)}, f"{name} has shape"),
    ):
        with pytest.raises(UserError, match=sentence):
            network(width=WIDTH, weights=str(write(path, wrong)))
