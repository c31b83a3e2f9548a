"""Exports answer as the network does, are verified before they are in place, and refuse what cannot be."""

import hashlib
import importlib.util
import json

import numpy as np
import paddle
import pytest

from oldrestore.color.lab import rgb_to_lab
from oldrestore.engines import export as exporting
from oldrestore.engines.child_process import run_in_paddle_inference
from oldrestore.engines.chosen_network import network_of_file, network_of_run
from oldrestore.engines.export import export_network
from oldrestore.engines.export_rewriting import interpolation_matrix, plainly_written
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor
from tests.generated_photographs import make_photograph


@pytest.fixture
def export(tracked_run, cli, tmp_path):
    """Export the run's network in a format; return the folder, what was printed, and the network."""

    def run(kind):
        request = ["weights", "export", tracked_run, "--format", kind, "-o", tmp_path / "out", "--json"]
        return tmp_path / "out", cli(*request).content, network_of_run(str(tracked_run), tmp_path)

    return run


def lightness(count=1, height=32, width=48):
    pictures = [rgb_to_lab(make_photograph(seed, width))[:height, :, 0] for seed in range(count)]
    return np.stack(pictures)[:, None].astype(np.float32)


@paddle.no_grad()
def own_answer(chosen, L_b1hw):
    return chosen.network.decode(chosen.network(paddle.to_tensor(L_b1hw))).numpy()


def test_a_run_becomes_a_paddle_inference_model(tracked_run, export, cli, tmp_path):
    folder, printed, chosen = export("paddle")
    assert (printed["inputs"], printed["size"]) == (["L_b1hw"], "any multiple of 8 x 8")
    assert 0 <= printed["difference"] <= 0.001 < printed["tolerance"]
    assert {path.name for path in folder.iterdir()} == {"network.json", "network.pdiparams", "export.json"}
    sha256 = hashlib.sha256((tracked_run / "checkpoints" / "best.safetensors").read_bytes()).hexdigest()
    assert json.loads((folder / "export.json").read_text())["sha256"] == sha256
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    # At a size and batch that it was not verified at, too.
    L = lightness(2)
    (answer,) = run_in_paddle_inference(folder / "network", [{"L_b1hw": L}])
    np.testing.assert_allclose(answer, own_answer(chosen, L), atol=1e-3)
    again = ["weights", "export", tracked_run, "--format", "paddle", "-o", folder]
    assert "exists already" in cli(*again, code=2).err


def test_a_run_becomes_a_pyfunc(export):
    import mlflow.pyfunc

    folder, printed, chosen = export("pyfunc")
    assert printed["difference"] == 0.0
    L = lightness()[0, 0]
    expected = recolor(L, Colorizer(chosen.network, chosen.size, chosen.fit)([L])[0].ab_hw2)
    answer = mlflow.pyfunc.load_model(str(folder)).predict({"L": L[None, ..., None]})
    np.testing.assert_array_equal(answer[0], expected)


@pytest.mark.slow
def test_a_run_becomes_onnx(export):
    pytest.importorskip("paddle2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    folder, printed, chosen = export("onnx")
    assert printed["difference"] <= 0.001
    session = onnxruntime.InferenceSession(str(folder / "network.onnx"))
    answer = session.run(None, {"L_b1hw": lightness()})[0]
    np.testing.assert_allclose(answer, own_answer(chosen, lightness()), atol=1e-3)


def test_onnx_without_its_package_is_one_sentence(tracked_run, cli, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    request = ["weights", "export", tracked_run, "--format", "onnx", "-o", tmp_path / "out"]
    assert "pip install paddle2onnx onnxruntime" in cli(*request, code=2).err
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_answers_otherwise_is_not_written(tracked_run, monkeypatch, tmp_path):
    monkeypatch.setattr(exporting, "save_for_inference", lambda *_: ((None, None), 0.2))
    with pytest.raises(UserError, match=r"0\.2 apart on coffee\.png, and 0\.1 is allowed; nothing was written"):
        export_network(network_of_run(str(tracked_run), tmp_path), "paddle", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_exported_says_why(tracked_run, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise TypeError("In transformed code:\n  file, line\n  TypeError: no int of a tensor")

    chosen = network_of_run(str(tracked_run), tmp_path)
    monkeypatch.setattr(paddle.jit, "to_static", refuse)
    with pytest.raises(UserError, match="Eccv16 cannot be exported to Paddle Inference: TypeError: no int of a tensor"):
        export_network(chosen, "paddle", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


class Interpolates(paddle.nn.Layer):
    """All that is rewritten, in one network."""

    def __init__(self):
        super().__init__()
        self.first, self.leak = paddle.nn.Conv2D(1, 4, 3, padding=1), paddle.nn.LeakyReLU(0.2)
        self.second = paddle.nn.Conv2D(16, 2, 3, padding=1)

    def forward(self, x):
        functional = paddle.nn.functional
        x = functional.interpolate(self.leak(self.first(x)), scale_factor=2, mode="bilinear", align_corners=False)
        x = functional.interpolate(x, size=[20, 28], mode="nearest")
        return self.second(functional.pixel_unshuffle(x, 2))


def test_rewriting_changes_no_number_and_is_undone():
    network = Interpolates()
    network.eval()
    before = paddle.nn.functional.interpolate
    x = paddle.randn([2, 1, 8, 12])
    with paddle.no_grad():
        expected = network(x).numpy()
        with plainly_written(network):
            assert not isinstance(network.leak, paddle.nn.LeakyReLU)
            assert not isinstance(network.first, paddle.nn.Conv2D)  # of one channel; the second one stays
            assert isinstance(network.second, paddle.nn.Conv2D)
            np.testing.assert_allclose(network(x).numpy(), expected, atol=1e-5)
    assert isinstance(network.leak, paddle.nn.LeakyReLU)
    assert isinstance(network.first, paddle.nn.Conv2D)
    assert paddle.nn.functional.interpolate is before


@pytest.mark.parametrize(("mode", "side", "wanted"), [("bilinear", 6, 12), ("bilinear", 8, 5), ("nearest", 6, 15)])
def test_interpolation_matrices_against_paddle(mode, side, wanted):
    x = paddle.to_tensor(np.random.default_rng(0).random((1, 1, side, 3), dtype=np.float32))
    expected = paddle.nn.functional.interpolate(x, size=[wanted, 3], mode=mode, align_corners=False)
    found = interpolation_matrix(side, wanted, mode) @ x.numpy()[0, 0]
    np.testing.assert_allclose(found, expected.numpy()[0, 0], atol=1e-6)


@pytest.mark.slow
def test_a_run_starts_from_imported_weights(workshop, cli, capsys, caplog, tmp_path):
    from tests.models import pickle_writer, published_networks

    pickle_writer.write_zip(tmp_path / "w.pth", published_networks.random_state("eccv16", 0.0625))
    weights = tmp_path / "w.safetensors"
    cli("weights", "import", tmp_path / "w.pth", "-o", weights)
    settings = [f"model.weights={weights}", "tracking=none", "trainer.max_iterations=1", "optimizer.learning_rate=1e-9"]
    code, folder = workshop.train(*settings, "model.decoding=released")
    assert (code, caplog.messages) == (0, [])
    trained = network_of_run(str(folder), tmp_path).network.state_dict()
    started = network_of_file(weights).network.state_dict()
    for name in ("model1.0.weight", "model8.6.bias"):
        np.testing.assert_allclose(trained[name].numpy(), started[name].numpy(), atol=1e-6)
    code, folder = workshop.train(*settings, "model.width=0.125")
    assert (code, folder) == (2, None)
    assert "do not fit Eccv16" in capsys.readouterr().err
