"""ddcolor: published keys and counts, import of all styles of keys, parity with NumPy, and that it learns."""

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file

from oldrestore.errors import UserError
from oldrestore.kernels.choice import using
from oldrestore.losses.regression import L1
from oldrestore.models.ddcolor import DDColor
from oldrestore.models.published import import_published
from oldrestore.models.weights import parameter_count, save_weights
from tests.models import published_ddcolor as published
from tests.models.overfitting import photographs, train
from tests.models.pickle_writer import state_dict, text, write, write_zip

WIDTH = 0.125
TOLERANCE = 1e-4  # Lab units
# What the import drops, each for its reason: counters, constants that the network knows, layers that lead nowhere.
COUNTERS = [
    f"decoder.layers.{i}.{norm}.num_batches_tracked" for i in range(3) for norm in ("shuf.conv.1", "bn", "conv.2")
]
UNUSED = ["mean", "std", "encoder.arch.norm.weight", "encoder.arch.norm.bias"]


@pytest.fixture(scope="module")
def state():
    return published.random_state("tiny", WIDTH)


def lightness(height=64, width=96, batch=2):
    return np.random.default_rng(7).uniform(0, 100, (batch, 1, height, width)).astype(np.float32)


def published_count(variant: str) -> int:
    """Weights that PyTorch counts in the released network."""
    beside = ("weight_u", "weight_v", "running_mean", "running_var", "num_batches_tracked")
    table = published.shapes(variant)
    return sum(int(np.prod(s)) for name, s in table.items() if not name.endswith(beside) and name not in UNUSED[:2])


@pytest.mark.parametrize(
    ("variant", "keys", "parameters"),
    [("tiny", 440, 55_006_640), pytest.param("large", 602, 227_869_328, marks=pytest.mark.slow)],
)
def test_the_network_has_every_published_key_in_its_shape(variant, keys, parameters):
    table = published.shapes(variant)
    assert (len(table), published_count(variant)) == (keys, parameters)
    network = DDColor(variant)
    linear = {name for name, layer in network.named_sublayers() if isinstance(layer, paddle.nn.Linear)}
    spectral = {name.rpartition(".")[0] for name in network.state_dict() if name.endswith(".u")}
    ours = {}
    for name, value in network.state_dict().items():
        layer, _, part = name.rpartition(".")
        torch_parts = {"_mean": "running_mean", "_variance": "running_var"}
        if layer in spectral:
            torch_parts = {"weight": "weight_orig", "u": "weight_u", "v": "weight_v"}
        shape = tuple(value.shape)
        transposed = layer in linear and part == "weight"
        ours[f"{layer}.{torch_parts.get(part, part)}"] = shape[::-1] if transposed else shape
    assert ours == {name: shape for name, shape in table.items() if name not in (*COUNTERS, *UNUSED)}
    # The published count has the norm that leads nowhere.
    assert parameter_count(network) == parameters - 2 * published.WIDTHS[variant][-1]


def original(path, state):
    """As the authors' training saves it: under the key ``params``, and with the classifier the encoder began with."""
    head = {"weight": np.ones((10, 96), np.float32), "bias": np.zeros(10, np.float32)}
    state = state | {f"encoder.arch.head_cls.{part}": array for part, array in head.items()}
    inner = state_dict(state, legacy=False)[2:-1]  # without the protocol and the stop
    write_zip(path, state, pickled=b"\x80\x02}" + text("params") + inner + b"s.")
    return ["encoder.arch.head_cls.bias", "encoder.arch.head_cls.weight"]


def hugging_face(path, state):
    """As Hugging Face's hub saves it: the state dict alone, in a .bin."""
    write_zip(path, state)
    return []


def as_safetensors(path, state):
    """Under ModelScope's prefix, with the names of PyTorch's newer spectral norm."""
    newer = {"weight_orig": "original", "weight_u": "0._u", "weight_v": "0._v"}
    renamed = {}
    for name, array in state.items():
        layer, _, part = name.rpartition(".")
        if part in newer:
            name = f"{layer}.parametrizations.weight.{newer[part]}"
        renamed[f"model.{name}"] = np.ascontiguousarray(array)
    save_file(renamed, path)
    return []


FILES = {"ddcolor_paper_tiny.pth": original, "pytorch_model.bin": hugging_face, "model.safetensors": as_safetensors}


@pytest.mark.parametrize("name", FILES)
def test_every_style_of_keys_is_imported_and_every_key_accounted_for(tmp_path, state, name):
    more = FILES[name](tmp_path / name, state)
    found = import_published(tmp_path / name)
    assert (found.header.model, found.header.settings) == ("ddcolor", {"variant": "tiny", "width": WIDTH})
    assert found.header.origin == "piddnad/DDColor, Apache-2.0"
    assert sorted(found.dropped) == sorted([*COUNTERS, *UNUSED, *more])
    assert len(found.tensors) + len(found.dropped) == len(state) + len(more)
    np.testing.assert_array_equal(found.tensors["refine_net.0.0.v"], state["refine_net.0.0.weight_v"])
    np.testing.assert_array_equal(
        found.tensors["decoder.color_decoder.color_embed.layers.2.weight"],
        state["decoder.color_decoder.color_embed.layers.2.weight"].T,
    )
    assert found.parameters == parameter_count(DDColor(width=WIDTH))


def test_damaged_and_foreign_files_are_refused(tmp_path, state):
    def refused(changes, sentence, name="w.pth"):
        left = {key: array for key, array in (state | changes).items() if array is not None}
        with pytest.raises(UserError, match=sentence):
            import_published(write(tmp_path / name, left))

    refused({"refine_net.0.0.weight_u": None}, r"of ddcolor: missing: refine_net\.0\.0\.weight_u$")
    refused({"decoder.extra.weight": np.zeros(2, np.float32)}, r"not of ddcolor: decoder\.extra\.weight$")
    refused({"mean": np.float32([0.5, 0.5, 0.5])}, "of another value than this network's: mean$")
    refused({"encoder.arch.norm0.bias": np.zeros(3, np.float32)}, r"norm0\.bias \(3,\) instead of \(12,\)$")
    refused({"refine_net.0.0.bias": np.float32([np.nan, 0])}, r"not finite numbers: refine_net\.0\.0\.bias$")
    save_weights(tmp_path / "ours.safetensors", *_imported(tmp_path, state))
    with pytest.raises(UserError, match="is a weights file of oldrestore: it needs no import"):
        import_published(tmp_path / "ours.safetensors")


def _imported(tmp_path, state):
    found = import_published(write(tmp_path / "good.pth", state))
    return found.tensors, found.header


@pytest.fixture(scope="module")
def network(state, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddcolor")
    tensors, header = _imported(folder, state)
    save_weights(folder / "w.safetensors", tensors, header)
    return DDColor(weights=str(folder / "w.safetensors"), **header.settings).eval()


@paddle.no_grad()
@pytest.mark.parametrize("kernels", ["onednn", "paddle"])
def test_imported_weights_give_the_released_forward(network, state, kernels):
    L = lightness()
    expected = published.Forward(state)(L)
    with using(kernels):
        prediction = network(paddle.to_tensor(L))
    assert prediction.ab.shape == [2, 2, 64, 96]
    assert expected.std() > 5.0  # Lab units: there is something to compare
    assert np.abs(network.decode(prediction).numpy() - expected).max() <= TOLERANCE


def test_the_vectors_of_spectral_norms_follow_training_and_stay_in_evaluation(network):
    layer, L = network.refine_net[0][0], paddle.to_tensor(lightness(32, 32))
    before = [layer.u.numpy(), layer.v.numpy()]
    network(L)
    for vector, was in zip((layer.u, layer.v), before, strict=True):
        np.testing.assert_array_equal(vector.numpy(), was)
    matrix = layer.weight.numpy().reshape(2, -1).astype(np.float64)
    for kernels in ("onednn", "paddle"):
        with using(kernels):
            u = layer.u.numpy()
            layer.train()
            kernel = layer.kernel().numpy()
            layer.eval()
        v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
        mapped = matrix @ v
        np.testing.assert_allclose(layer.v.numpy(), v, atol=1e-6)
        np.testing.assert_allclose(layer.u.numpy(), mapped / np.linalg.norm(mapped), atol=1e-6)
        np.testing.assert_allclose(kernel.reshape(2, -1), matrix / np.linalg.norm(mapped), atol=1e-6)
    layer.u.set_value(before[0])
    layer.v.set_value(before[1])


@pytest.mark.slow
def test_it_overfits_four_photographs():
    paddle.seed(0)
    network, batch = DDColor(width=WIDTH), photographs()
    loss = L1(scale=110.0)
    losses = train(network, lambda _: loss(network(batch.L_b1hw), batch), 120, learning_rate=3e-3)
    assert np.mean(losses[-5:]) < 0.2 * losses[0]
