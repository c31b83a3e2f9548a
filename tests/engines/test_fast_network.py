"""Networks through Paddle Inference: their own numbers, exported once for a checkpoint, whatever the cache holds."""

import json
import os
import re

import numpy as np
import paddle
import pytest
from paddle import nn

from oldrestore import runtime
from oldrestore.batch import Prediction
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.engines import child_process, export_cache, fast_network
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.fast_network import HalfNetwork, Running
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor
from oldrestore.models.engine import Predictor
from oldrestore.models.weights import WeightsHeader, save_weights
from oldrestore.restoration.network_input import restore_piece

WIDTH = 0.0625


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "inference"


@pytest.fixture
def in_process(monkeypatch):
    """Trials in this process: the answers are the same, and a process of their own takes seconds to start."""

    def run(model, cases, half=False):
        predictor = Predictor(model, half)
        return [predictor([case[name] for name in predictor.names])[0] for case in cases]

    monkeypatch.setattr(child_process, "run_in_paddle_inference", run)


@pytest.fixture
def pretended(monkeypatch):
    """Exports of a few bytes, for tests of the cache alone."""

    def save(network, part, cases, folder, distance, allowed):
        folder.mkdir()
        for name in export_cache.FILES:
            (folder / name).write_bytes(name.encode() * 100)
        return (None, None), 0.0

    monkeypatch.setattr(fast_network, "save_for_inference", save)
    monkeypatch.setattr(fast_network, "Predictor", lambda model, half: None)


def choose(folder, name, seed=0, **settings):
    """A network with random weights that colours strongly, and its file."""
    paddle.seed(seed)
    settings = {"width": WIDTH, **settings}
    node = compose_config([f"model={name}", *(f"model.{key}={value}" for key, value in settings.items())]).model
    network = build(node)
    for layer in network.sublayers():
        if isinstance(layer, nn.Conv2D) and layer.weight.shape[0] in (2, 3, 313):
            layer.weight.set_value(paddle.randn(layer.weight.shape) * 0.3)
    network.eval()
    path = folder / f"{name}-{seed}.safetensors"
    save_weights(path, {key: value.numpy() for key, value in network.state_dict().items()}, WeightsHeader(name, {}))
    return ChosenNetwork(path.stem, network, node, path)


@pytest.fixture
def chosen(tmp_path):
    return choose(tmp_path, "eccv16")


def lightness(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).uniform(0, 100, shape).astype(np.float32)


SETTINGS = {
    "eccv16": {},
    "siggraph17": {"mask_center": 0.5},
    "resnet": {},
    "ddcolor": {},
    "sagan_colorize": {},
    "lite_unet": {"mirror": True, "second_scale": 1.25},
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in ("ddcolor", "sagan_colorize"))) for name in SETTINGS],
)
def test_colour_is_the_networks_own_at_every_size_and_batch(name, cache, in_process, tmp_path):
    chosen = choose(tmp_path, name, **SETTINGS[name])
    photos = [lightness(64, 64), lightness(64, 96), lightness(96, 64), lightness(64, 64, seed=1)]
    own = Colorizer(chosen.network, 64).small(photos)
    network = Running().network(chosen)
    assert json.loads(next(cache.glob("*/export.json")).read_text())["difference"] < 1e-4
    colorizer = Colorizer(network, 64)
    together, singly = colorizer.small(photos), [colorizer.small([photo])[0] for photo in photos]
    assert max(np.abs(ab).max() for ab in own) > 1.0  # Lab units: there is colour to compare
    for expected, one, single in zip(own, together, singly, strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-3)
        np.testing.assert_allclose(single, one, atol=1e-4)


@pytest.mark.parametrize(("name", "settings"), [("siggraph17", {}), ("lite_unet", {"hints": True})])
def test_hints_go_through_the_export(name, settings, cache, in_process, tmp_path):
    chosen = choose(tmp_path, name, **settings)
    hints = np.zeros((3, 64, 64), np.float32)
    hints[:, 20:40, 10:30] = np.float32([60, -30, 1])[:, None, None]
    photo = lightness(64, 64)
    (expected,), (without,) = (Colorizer(chosen.network, 64).small([photo], given) for given in ([hints], None))
    colorizer = Colorizer(Running().network(chosen), 64)
    (found,), (found_without,) = (colorizer.small([photo], given) for given in ([hints], None))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(found_without, without, atol=1e-3)
    assert np.abs(expected - without).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("output", ["composed", "full"])
def test_a_restorer_repaints_as_it_does_itself(output, cache, in_process, tmp_path):
    chosen = choose(tmp_path, "sagan_restore", output=output)
    rng = np.random.default_rng(2)
    pieces = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((64, 64), (50, 71), (64, 64))]
    holes = [rng.random(piece.shape[:2]) < 0.3 for piece in pieces]
    expected = [restore_piece(chosen.network, *given) for given in zip(pieces, holes, strict=True)]
    network = Running().network(chosen)
    assert "repainting" in vars(network)
    for piece, hole, own in zip(pieces, holes, expected, strict=True):
        np.testing.assert_allclose(restore_piece(network, piece, hole), own, atol=0.01)


def test_an_export_is_made_once_for_its_weights_and_settings(cache, pretended, tmp_path):
    said = []
    running = Running(say=said.append)
    for chosen in (choose(tmp_path, "eccv16"), choose(tmp_path, "eccv16")):
        running.network(chosen)
    assert len(said) == 1
    running.network(choose(tmp_path, "eccv16", seed=1))
    running.network(choose(tmp_path, "eccv16", temperature=1.0))
    assert len(said) == len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("name", ["network.json", "network.pdiparams", "export.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_a_damaged_cache_is_made_anew(name, damage, cache, pretended, chosen):
    Running().network(chosen)
    (folder,) = cache.iterdir()
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    middle = len(whole[name]) // 2
    if damage == "removed":
        (folder / name).unlink()
    else:
        rest = b"" if damage == "cut" else bytes([whole[name][middle] ^ 255]) + whole[name][middle + 1 :]
        (folder / name).write_bytes(whole[name][:middle] + rest)
    assert export_cache.find(folder.name) is None
    said = []
    Running(say=said.append).network(chosen)
    assert len(said) == 1
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == whole


def test_the_cache_is_bounded_and_what_was_used_last_stays(cache, pretended, monkeypatch, tmp_path):
    chosen = [choose(tmp_path, "eccv16", seed=seed) for seed in range(3)]
    keys = [export_cache.key_of(one) for one in chosen]
    for number, (one, key) in enumerate(zip(chosen[:2], keys, strict=False)):
        Running().network(one)
        os.utime(cache / key / "export.json", (number + 1, number + 1))
    (cache / ".left.1.tmp").mkdir()
    os.utime(cache / ".left.1.tmp", (1, 1))
    Running().network(chosen[0])  # used again: the other one is the oldest now
    size = sum(file.stat().st_size for file in (cache / keys[0]).iterdir())
    monkeypatch.setattr(export_cache, "MOST_BYTES", int(2.5 * size))
    Running().network(chosen[2])
    assert {folder.name for folder in cache.iterdir()} == {keys[0], keys[2]}


def test_without_a_cache_that_can_be_written_the_network_runs_itself(monkeypatch, in_process, chosen, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "file"))
    assert Running().network(chosen) is chosen.network
    assert "runs without Paddle Inference" in caplog.text


class Branches(nn.Layer):
    """Does with sizes what no program can."""

    stride, reads, predicts = 8, ("L_b1hw",), frozenset({"ab"})

    def forward(self, L_b1hw):
        height = int(L_b1hw.shape[2])
        return Prediction(ab=paddle.concat([L_b1hw * (1.0 / max(1, height)), L_b1hw], axis=1))

    def decode(self, prediction):
        return prediction.ab


def test_a_network_that_cannot_be_exported_runs_itself_and_is_not_tried_again(cache, monkeypatch, chosen):
    chosen = ChosenNetwork("odd", Branches(), chosen.model, chosen.weights)
    monkeypatch.setattr(child_process, "run_in_paddle_inference", lambda *_: [np.zeros((1, 2, 8, 8))] * 2)
    said = []
    for _ in range(2):
        assert Running(say=said.append).network(chosen) is chosen.network
    assert len(said) == 1
    (record,) = cache.glob("*/export.json")
    assert "cannot be exported" in json.loads(record.read_text())["failed"]
    os.utime(record, (1, 1))
    Running(say=said.append).network(chosen)
    assert len(said) == 2  # another day it is tried again


def test_the_dynamic_mode_is_the_network_itself(cache, chosen):
    assert Running(dynamic=True).network(chosen) is chosen.network
    assert not cache.exists()


def test_half_precision_and_the_dynamic_mode_exclude_each_other(monkeypatch, refusal):
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: True)
    assert "leave --half or --dynamic out" in refusal(Running, half=True, dynamic=True)


@pytest.mark.parametrize(
    ("flags", "allowed", "has"),
    [
        ("fma avx2 avx512f", "", False),
        ("avx512f avx512_bf16", "", True),
        ("amx_bf16", "", True),
        ("avx512f avx512_bf16", "AVX2", False),
        ("avx512f avx512_bf16", "AVX512_CORE_BF16", True),
    ],
)
def test_bfloat16_is_what_the_processor_has_and_onednn_may_use(flags, allowed, has, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    monkeypatch.setattr(runtime.Path, "read_text", lambda path, encoding=None: f"vendor_id : x\nflags\t\t: {flags}\n")
    assert runtime.has_bfloat16() is has


@pytest.mark.skipif(not runtime.has_bfloat16(), reason="this CPU does not multiply in bfloat16")
def test_half_precision_keeps_the_colours(cache, in_process, chosen):
    L = lightness(64, 96)
    whole, half = (
        Colorizer(Running(half=half).network(chosen), 64).small([L])[0].repeat(4, axis=0).repeat(4, axis=1)
        for half in (False, True)
    )
    assert 0 < np.abs(half - whole).max() < 5.0  # Lab units, of some tens
    difference = recolor(L, half).astype(float) - recolor(L, whole)
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 45
    (record,) = cache.glob("*/export.json")
    assert json.loads(record.read_text())["half"]["near"] is True


@pytest.mark.skipif(not runtime.has_bfloat16(), reason="this CPU does not multiply in bfloat16")
@pytest.mark.parametrize(
    ("name", "limit", "words"),
    [("HALF_TOLERANCE", 0.0, r"its answer is 0\.\d% off"), ("HALF_PSNR", 99.0, r"photographs are \d\d\.\d dB from")],
)
def test_half_precision_that_answers_otherwise_is_left_out(
    name, limit, words, cache, in_process, monkeypatch, chosen, caplog
):
    monkeypatch.setattr(fast_network, name, limit)
    L = lightness(64, 64)
    expected = Colorizer(chosen.network, 64).small([L])[0]
    found = Colorizer(Running(half=True).network(chosen), 64).small([L])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert re.search(f"runs in float32: in bfloat16 {words}", caplog.text)


def test_what_stands_in_for_a_network_on_a_gpu_answers_in_float32(chosen):
    """On a CPU Paddle leaves float16 out: this shows only that nothing else is changed."""
    L = paddle.to_tensor(lightness(1, 1, 64, 64))
    half = HalfNetwork(chosen.network)
    assert half.stride == 8
    assert half(L).logits.dtype == paddle.float32
    np.testing.assert_allclose(half(L).logits.numpy(), chosen.network(L).logits.numpy(), atol=1e-4)
