import pickle

import numpy as np
import paddle
import pytest

from oldrestore.errors import UserError
from oldrestore.models.paddle_pickle import read_paddle_state_dict

from .test_torch_pickle import Touch


def arrays():
    rng = np.random.default_rng(0)
    return {
        "weight": rng.normal(size=(4, 3)).astype(np.float32),
        "fortran": np.asfortranarray(rng.normal(size=(4, 3))),
        "steps": np.array([3, 1], dtype=np.int64),
        "big_endian": np.array([1.5, -2.0], dtype=">f4"),
        "scalar": np.array(2.5, dtype=np.float16),
        "empty": np.zeros((0, 3), dtype=np.float32),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_numpy_arrays_in_every_protocol_paddle_writes(tmp_path, protocol):
    table = {"StructuredToParameterName@@": {"weight": "linear_0.w_0"}}
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(arrays() | table, protocol=protocol))
    read = read_paddle_state_dict(tmp_path / "w.pdparams")
    assert list(read) == list(arrays())
    for name, array in arrays().items():
        assert read[name].shape == array.shape
        assert read[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(read[name], array)


def test_what_paddle_itself_saves(tmp_path):
    layer = paddle.nn.Sequential(paddle.nn.Conv2D(2, 3, 3), paddle.nn.BatchNorm2D(3))
    paddle.save(layer.state_dict(), str(tmp_path / "w.pdparams"))
    read = read_paddle_state_dict(tmp_path / "w.pdparams")
    state = layer.state_dict()
    assert set(read) == set(state)
    for name, value in state.items():
        np.testing.assert_array_equal(read[name], value.numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path, protocol):
    bait = tmp_path / "written"
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps({"w": Touch(bait)}, protocol=protocol))
    with pytest.raises(UserError, match=r"open.*refused"):
        read_paddle_state_dict(tmp_path / "w.pdparams")
    assert not bait.exists()


def test_an_array_of_objects_is_refused(tmp_path):
    bait = tmp_path / "written"
    content = pickle.dumps({"w": np.array([Touch(bait)], dtype=object)}, protocol=4)
    (tmp_path / "w.pdparams").write_bytes(content)
    with pytest.raises(UserError):
        read_paddle_state_dict(tmp_path / "w.pdparams")
    assert not bait.exists()


def test_truncated_files_and_such_with_more_are_refused(tmp_path):
    whole = pickle.dumps({"w": np.arange(5, dtype=np.float32)}, protocol=4)
    path = tmp_path / "w.pdparams"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            read_paddle_state_dict(path)
    path.write_bytes(whole + b"more")
    with pytest.raises(UserError, match="4 bytes follow"):
        read_paddle_state_dict(path)


def test_what_is_no_state_dict_says_so(tmp_path):
    path = tmp_path / "w.pdparams"
    with pytest.raises(UserError, match="no weights file"):
        read_paddle_state_dict(path)
    path.write_bytes(pickle.dumps([1, 2], protocol=4))
    with pytest.raises(UserError, match="holds a list"):
        read_paddle_state_dict(path)
    path.write_bytes(pickle.dumps({"epoch": 3}, protocol=4))
    with pytest.raises(UserError, match="int under 'epoch'"):
        read_paddle_state_dict(path)
