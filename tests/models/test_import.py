"""Importing published weights: every key is accounted for, and what does not fit is refused with the list."""

import hashlib
import logging

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.published import check_name, convert, import_published
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.weights import WeightsHeader, load_weights, read_header, save_weights

from . import published_networks as published
from .pickle_writer import write

WIDTH = 0.0625


@pytest.fixture(scope="module")
def eccv16_state():
    return published.random_state("eccv16", WIDTH)


def test_names_and_values_survive(tmp_path, eccv16_state):
    found = import_published(write(tmp_path / "w.pth", eccv16_state))
    assert found.header.model == "eccv16"
    assert found.header.settings == {"width": WIDTH, "decoding": "released"}
    assert found.header.source == "w.pth"
    assert found.header.source_sha256 == hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    assert found.checksum is None
    assert len(found.dropped) == 7
    assert all(name.endswith(".num_batches_tracked") for name in found.dropped)
    np.testing.assert_array_equal(found.tensors["model1.4._mean"], eccv16_state["model1.4.running_mean"])
    np.testing.assert_array_equal(found.tensors["model1.4._variance"], eccv16_state["model1.4.running_var"])
    np.testing.assert_array_equal(found.tensors["model8.0.weight"], eccv16_state["model8.0.weight"])
    assert found.parameters == sum(
        value.size for name, value in eccv16_state.items() if name.endswith(("weight", "bias"))
    )


def test_the_wrapper_of_data_parallel_training_is_taken_off(tmp_path, eccv16_state):
    wrapped = {f"module.{name}": value for name, value in eccv16_state.items()}
    assert import_published(write(tmp_path / "w.pth", wrapped)).header.model == "eccv16"


def test_halves_and_doubles_become_single_precision(tmp_path, eccv16_state):
    halves = {n: v.astype("<f2") if v.dtype.kind == "f" else v for n, v in eccv16_state.items()}
    found = import_published(write(tmp_path / "w.pth", halves))
    assert {t.dtype for t in found.tensors.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(found.tensors["model1.0.bias"], halves["model1.0.bias"].astype(np.float32))


def test_missing_extra_and_misshapen_keys_are_listed(tmp_path, eccv16_state):
    state = dict(eccv16_state)
    del state["model3.4.bias"], state["model7.6.running_var"]
    state["model9.0.weight"] = np.zeros((2, 2), "<f4")
    state["model2.0.num_batches_tracked"] = np.array(1, "<i8")  # a convolution counts nothing
    state["model5.2.weight"] = state["model5.2.weight"][:, :3].copy()
    with pytest.raises(UserError) as refusal:
        import_published(write(tmp_path / "w.pth", state))
    message = str(refusal.value)
    assert "missing: model3.4.bias, model7.6.running_var;" in message
    assert "not of eccv16: model9.0.weight, model2.0.num_batches_tracked;" in message
    assert "of another shape: model5.2.weight (32, 3, 3, 3) instead of (32, 32, 3, 3)" in message


def test_values_that_are_not_numbers_are_refused(tmp_path, eccv16_state):
    state = dict(eccv16_state)
    state["model4.0.bias"] = np.full_like(state["model4.0.bias"], np.nan)
    with pytest.raises(UserError, match=r"not finite numbers: model4\.0\.bias$"):
        import_published(write(tmp_path / "w.pth", state))


def test_the_weights_of_another_network_are_refused(tmp_path, eccv16_state):
    path = write(tmp_path / "w.pth", eccv16_state)
    with pytest.raises(UserError, match=r"does not hold the weights of siggraph17: missing: model8up\.0\.weight"):
        import_published(path, model="siggraph17")
    with pytest.raises(UserError, match="weights of eccv16, siggraph17 or ddcolor: its keys are fc"):
        import_published(write(tmp_path / "o.pth", {"fc.weight": np.zeros((3, 3), "<f4")}))
    with pytest.raises(UserError, match="no published weights are known for 'lite_unet'"):
        import_published(path, model="lite_unet")
    with pytest.raises(UserError, match="eccv16 reads no hint mask"):
        import_published(path, mask_center=0.5)


def test_the_digits_in_the_name_are_compared(tmp_path):
    content = b"weights"
    sha256 = hashlib.sha256(content).hexdigest()
    for name, expected in (
        (f"release_v2-{sha256[:8]}.pth", sha256[:8]),
        (f"x-{sha256}.pth", sha256),
        ("release.pth", None),
        ("release-best.pth", None),
        (f"release-{sha256[:7]}.pth", None),  # fewer digits than anyone writes: a word may look so
    ):
        (tmp_path / name).write_bytes(content)
        assert check_name(tmp_path / name) == (expected, sha256)
    (tmp_path / "release-00000000.pth").write_bytes(content)
    with pytest.raises(UserError, match=f"its sha256 begins with {sha256[:8]} and its name says 00000000"):
        check_name(tmp_path / "release-00000000.pth")


def test_linear_weights_are_transposed(tmp_path):
    class Head(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            self.fc = paddle.nn.Linear(3, 2)

    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors, dropped = convert({"fc.weight": weight, "fc.bias": np.zeros(2, np.float32)}, Head(), "head", tmp_path)
    np.testing.assert_array_equal(tensors["fc.weight"], weight.T)
    assert dropped == ()


def test_a_header_survives_and_plain_files_have_none(tmp_path):
    header = WeightsHeader("siggraph17", {"width": 0.5, "mask_center": 0.5}, "x.pth", "ab" * 32)
    save_weights(tmp_path / "w.safetensors", {"x": np.arange(3, dtype=np.float32)}, header)
    assert read_header(tmp_path / "w.safetensors") == header
    write(tmp_path / "plain.safetensors", {"x": np.zeros(1, np.float32)})
    assert read_header(tmp_path / "plain.safetensors") is None


def test_another_decoding_than_recorded_is_said(tmp_path, eccv16_state, caplog):
    found = import_published(write(tmp_path / "w.pth", eccv16_state))
    save_weights(tmp_path / "w.safetensors", found.tensors, found.header)
    with caplog.at_level(logging.WARNING):
        Eccv16(width=WIDTH, weights=str(tmp_path / "w.safetensors"), decoding="released")
        assert caplog.messages == []
        Eccv16(width=WIDTH, weights=str(tmp_path / "w.safetensors"))
    assert len(caplog.messages) == 1
    assert "published with decoding=released and this configuration decodes with annealed_mean" in caplog.messages[0]


def test_another_mask_center_than_recorded_is_refused(tmp_path):
    state = published.random_state("siggraph17", WIDTH)
    found = import_published(write(tmp_path / "w.pth", state), mask_center=0.5)
    save_weights(tmp_path / "w.safetensors", found.tensors, found.header)
    load_weights(Siggraph17(width=WIDTH, mask_center=0.5), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"trained with mask_center=0\.5 .* says 0\.0: take model\.mask_center=0\.5"):
        load_weights(Siggraph17(width=WIDTH, mask_center=0.0), tmp_path / "w.safetensors")
