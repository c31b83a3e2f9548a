import pickle
import zipfile

import numpy as np
import pytest

from oldrestore.errors import UserError
from oldrestore.models.torch_pickle import read_torch_state_dict

from . import pickle_writer as writer

both = pytest.mark.parametrize("write", writer.WRITERS.values(), ids=writer.WRITERS)


def arrays():
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(4, 3, 2, 2)).astype("<f4"),
        "conv.bias": rng.normal(size=4).astype("<f2"),
        "transposed": rng.normal(size=(5, 3)).astype("<f4").T,
        "steps": np.array(7, dtype="<i8"),
    }


class Touch:
    """A pickle of this writes a file when Python's own reader opens it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@both
def test_values_shapes_and_types_survive(tmp_path, write):
    write(tmp_path / "w.pth", arrays())
    read = read_torch_state_dict(tmp_path / "w.pth")
    assert list(read) == list(arrays())
    for name, array in arrays().items():
        assert read[name].dtype == array.dtype
        assert read[name].flags.c_contiguous
        np.testing.assert_array_equal(read[name], array)


@both
def test_bfloat16_is_widened(tmp_path, write):
    write(tmp_path / "w.pth", {"x": np.array([0x3F80, 0xC040, 0x0000], dtype="<u2")})
    read = read_torch_state_dict(tmp_path / "w.pth")["x"]
    np.testing.assert_array_equal(read, np.array([1.0, -3.0, 0.0], np.float32))


@both
def test_a_checkpoint_around_the_state_dict_is_read(tmp_path, write):
    inner = {"x": np.arange(3, dtype="<f4")}
    legacy = write is writer.write_legacy
    wrapped = b"\x80\x02}" + writer.text("state_dict") + writer.state_dict(inner, legacy)[2:-1] + b"s."
    write(tmp_path / "w.pth", inner, pickled=wrapped)
    np.testing.assert_array_equal(read_torch_state_dict(tmp_path / "w.pth")["x"], [0, 1, 2])


@both
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path, write, protocol):
    bait = tmp_path / "written"
    payload = pickle.dumps({"w": Touch(bait)}, protocol=protocol)
    write(tmp_path / "w.pth", {}, pickled=payload)
    with pytest.raises(UserError, match=r"open.*refused|opcode.*refused"):
        read_torch_state_dict(tmp_path / "w.pth")
    assert not bait.exists()
    pickle.loads(payload)["w"].close()  # noqa: S301 - the bait is real: Python's own reader takes it
    assert bait.exists()


def test_a_malicious_first_pickle_is_refused(tmp_path):
    bait = tmp_path / "written"
    (tmp_path / "w.pth").write_bytes(pickle.dumps(Touch(bait)))
    with pytest.raises(UserError, match="open"):
        read_torch_state_dict(tmp_path / "w.pth")
    assert not bait.exists()


@pytest.mark.parametrize(
    ("module", "attribute"),
    [("posix", "system"), ("builtins", "eval"), ("torch", "load"), ("torch._utils", "__builtins__")],
)
def test_names_that_weights_do_not_need_are_refused_by_name(tmp_path, module, attribute):
    pickled = b"\x80\x02" + writer.name(module, attribute) + writer.group(writer.text("1")) + b"R."
    writer.write_zip(tmp_path / "w.pth", {}, pickled=pickled)
    with pytest.raises(UserError, match=f"{module}.{attribute}"):
        read_torch_state_dict(tmp_path / "w.pth")


@both
def test_every_truncation_is_refused(tmp_path, write):
    write(tmp_path / "w.pth", {"x": np.arange(6, dtype="<f4")})
    whole = (tmp_path / "w.pth").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(UserError):
            read_torch_state_dict(tmp_path / "cut.pth")


@both
def test_an_oversized_declaration_is_refused(tmp_path, write):
    write(tmp_path / "w.pth", {"x": np.arange(6, dtype="<f4")}, numbers=2**31 - 1)
    with pytest.raises(UserError, match="declares"):
        read_torch_state_dict(tmp_path / "w.pth")


@both
def test_a_tensor_larger_than_its_storage_is_refused(tmp_path, write):
    arrays = {"x": np.zeros((1, 1), dtype="<f4")}
    honest = writer.state_dict(arrays, legacy=write is writer.write_legacy)
    ones = writer.group(writer.integer(1), writer.integer(1))
    huge = writer.group(writer.integer(2**30), writer.integer(2**30))
    zero = writer.group(writer.integer(0), writer.integer(0))
    assert honest.count(ones + ones) == 1
    write(tmp_path / "w.pth", arrays, pickled=honest.replace(ones + ones, huge + zero))
    with pytest.raises(UserError, match="beyond"):
        read_torch_state_dict(tmp_path / "w.pth")


def test_a_compressed_zip_is_refused(tmp_path):
    bomb = {"x": np.zeros(10**6, dtype="<f4")}
    writer.write_zip(tmp_path / "w.pth", bomb, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="compressed"):
        read_torch_state_dict(tmp_path / "w.pth")


def test_a_huge_declared_string_allocates_nothing(tmp_path):
    for opcode in (b"\x8d", b"\x8e"):
        writer.write_zip(tmp_path / "w.pth", {}, pickled=b"\x80\x04" + opcode + (2**60).to_bytes(8, "little"))
        with pytest.raises(UserError, match=r"damaged|opcode"):
            read_torch_state_dict(tmp_path / "w.pth")


def test_what_is_no_state_dict_says_so(tmp_path):
    with pytest.raises(UserError, match="no weights file"):
        read_torch_state_dict(tmp_path / "missing.pth")
    writer.write_zip(tmp_path / "w.pth", {}, pickled=b"\x80\x02]K\x01a.")
    with pytest.raises(UserError, match="holds a list"):
        read_torch_state_dict(tmp_path / "w.pth")
    writer.write_zip(tmp_path / "w.pth", {}, pickled=b"\x80\x02}" + writer.text("epoch") + b"K\x01s.")
    with pytest.raises(UserError, match="int under 'epoch'"):
        read_torch_state_dict(tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "z.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match=r"without data\.pkl"):
        read_torch_state_dict(tmp_path / "z.pth")
