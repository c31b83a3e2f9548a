"""Files of others: weights, checkpoints, hints, damaged in every way, give values or one sentence."""

import importlib
import importlib.util
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oldrestore.errors import UserError
from oldrestore.models.paddle_pickle import read_paddle_state_dict
from oldrestore.models.torch_pickle import read_torch_state_dict
from oldrestore.models.weights import WeightsHeader, read_header, read_tensors, save_weights
from oldrestore.photographs.hint_file import Hint, check_bounds, draw_hints, read_hints
from oldrestore.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.models import pickle_writer
from tests.reliability.conftest import examples

SECTION = "Weights, checkpoints, hints"
ARRAYS = {
    "conv.weight": np.arange(12, dtype="<f4").reshape(3, 4),
    "conv.bias": np.arange(3, dtype="<f2"),
    "steps": np.array(7, dtype="<i8"),
}
LARGEST = 4 * 2**20  # bytes that reading a file of some kilobytes may take


def paddle_file(path: Path) -> None:
    path.write_bytes(pickle.dumps({name: np.array(array) for name, array in ARRAYS.items()}, protocol=4))


def checkpoint_file(path: Path) -> None:
    save_checkpoint(path, Checkpoint({f"model.{name}": array for name, array in ARRAYS.items()}, {"iteration": 3}))


def weights_file(path: Path) -> None:
    save_weights(path, ARRAYS, WeightsHeader("eccv16", {"width": 0.25}))


WRITERS: dict[str, tuple[Callable, Callable]] = {
    "PyTorch, zip": (lambda path: pickle_writer.write_zip(path, ARRAYS), read_torch_state_dict),
    "PyTorch, legacy": (lambda path: pickle_writer.write_legacy(path, ARRAYS), read_torch_state_dict),
    "Paddle": (paddle_file, read_paddle_state_dict),
    "safetensors": (weights_file, lambda path: (read_header(path), read_tensors(path))),
    "checkpoint of a run": (checkpoint_file, load_checkpoint),
}
every_reader = pytest.mark.parametrize("kind", WRITERS)

# Pieces of pickles and of headers, so that random files get past the first byte.
OPCODES = [b"\x80\x02", b"\x80\x04", *(bytes([code]) for code in b"(.]})NastubRQ20"), b"\x93", b"\x94"]
VALUES = [b"K\x07", b"q\x00", b"h\x00", b"X\x03\x00\x00\x00abc", b"\x8c\x07storage", b"J\xff\xff\xff\x7f"]
VALUES += [b"\x8a\xff" + b"\x7f" * 255, struct.pack("<Q", 2**62), struct.pack("<Q", 2)]
NAMES = [b"cposix\nsystem\n", b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n"]
NAMES += [b"ccollections\nOrderedDict\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"]
HEADERS = [pickle_writer.MAGIC, pickle_writer.PROTOCOL, pickle_writer.TRAITS, b"PK\x03\x04", b"{}"]
HEADERS += [b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}']
tokens = st.one_of(st.binary(max_size=12), st.sampled_from(OPCODES + VALUES + NAMES + HEADERS))
random_files = st.lists(tokens, max_size=40).map(b"".join)


Changes = list[tuple[str, float, int]]  # of a file: what, where (a share of its length), and a byte or a length
kinds_of_change = st.sampled_from(["flip", "set", "cut", "repeat", "insert", "delete", "ones"])
one_change = st.tuples(kinds_of_change, st.floats(0, 1, exclude_max=True), st.integers(0, 255))
mutations = st.lists(one_change, min_size=1, max_size=6)


def mutated(data: bytes, changes: Changes) -> bytes:
    for what, share, number in changes:
        if not data:
            break
        at = int(share * len(data))
        before, after = data[:at], data[at:]
        match what:
            case "flip":
                data = before + bytes([after[0] ^ 1 << number % 8]) + after[1:]
            case "set":
                data = before + bytes([number]) + after[1:]
            case "cut":
                data = before
            case "repeat":
                data = before + after[:number] * 2 + after
            case "insert":
                data = before + bytes([number]) * (number % 9) + after
            case "delete":
                data = before + after[number:]
            case "ones":
                data = before + b"\xff" * 4 + after[4:]
    return data


def read(reader: Callable, path: Path, data: bytes) -> bool:
    """Say whether a file was read; anything but a sentence, or more memory than it could hold, fails."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        reader(path)
    except UserError as error:
        assert str(error).strip()
        return False
    else:
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LARGEST, f"{peak} bytes for a file of {len(data)}"


@every_reader
@examples(40, 1500)
@given(data=random_files)
def test_random_bytes_are_refused(tmp_path, kind, data):
    read(WRITERS[kind][1], tmp_path / "w", data)


@every_reader
@examples(40, 1500)
@given(changes=mutations)
def test_damaged_weights_are_read_or_refused(tmp_path, kind, changes):
    write, reader = WRITERS[kind]
    if not (tmp_path / "whole").exists():
        write(tmp_path / "whole")
    read(reader, tmp_path / "w", mutated((tmp_path / "whole").read_bytes(), changes))


def test_every_prefix_and_every_flipped_bit(tmp_path, ledger):
    """A file that was cut is never read as a whole one; of flipped bits there is a result or a sentence."""
    for kind, (write, reader) in WRITERS.items():
        write(tmp_path / "whole")
        whole = (tmp_path / "whole").read_bytes()
        assert read(reader, tmp_path / "w", whole)
        cuts = range(0, len(whole), max(1, len(whole) // 100))
        assert not any(read(reader, tmp_path / "w", whole[:length]) for length in cuts), kind
        ledger.record(f"{kind}: cut off", through="reader", said=len(cuts), sentence="“... is damaged”")
        # Of the first bytes every bit, where lengths stand; of the rest some.
        bits = [*range(16 * 8), *range(16 * 8, len(whole) * 8, max(1, len(whole) * 8 // 120))]
        right = sum(read(reader, tmp_path / "w", flipped(whole, bit)) for bit in bits)
        counted = {"right": right, "said": len(bits) - right, "varies": True}
        sentence = "read where the bit stands in a number or in what is not needed"
        ledger.record(f"{kind}: one bit flipped", through="reader", sentence=sentence, **counted)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


number = st.integers(-5, 50) | st.floats()
points = st.fixed_dictionaries(
    {},
    optional={
        "x": number | st.none() | st.booleans() | st.text(max_size=3) | st.just(10**400),
        "y": number | st.just([]),
        "radius": number,
        "color": st.from_regex(r"#[0-9a-f]{6}", fullmatch=True) | st.text(max_size=8) | st.none(),
        "ab": st.lists(number | st.booleans() | st.integers(-120, 120), max_size=3) | st.just([10**400, 0]),
        "no": st.just(1),
    },
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), points),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


def check_hints(path: Path) -> None:
    try:
        found = read_hints(path)
    except UserError as error:
        assert "\n" not in str(error)
        return
    for hints in found.values():
        for hint in hints:
            assert all(map(math.isfinite, (hint.x, hint.y, hint.radius, *hint.ab)))
            assert hint.radius >= 0 and max(map(abs, hint.ab)) <= 130
        try:
            check_bounds(hints, 30, 40, "x.jpg")
        except UserError:
            continue
        drawn = draw_hints(hints, 30, 40, (15, 20))
        assert np.isfinite(drawn).all() and set(np.unique(drawn[2])) <= {0, 1}
        assert (drawn[2].sum() > 0) == bool(hints)


@settings(max_examples=80)
@given(st.one_of(st.lists(points, max_size=3), json_values))
def test_any_json_as_hints(tmp_path, value):
    (tmp_path / "hints.json").write_text(json.dumps(value))
    check_hints(tmp_path / "hints.json")


@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b"\xff"])))
def test_any_bytes_as_hints(tmp_path, data):
    (tmp_path / "hints.json").write_bytes(data)
    check_hints(tmp_path / "hints.json")


ab = st.tuples(*[st.floats(-110, 110)] * 2)
right_hints = st.builds(Hint, st.floats(0, 39), st.floats(0, 29), st.floats(0, 50), ab)


@given(st.lists(right_hints, max_size=5))
def test_hints_come_back_from_json(tmp_path, hints):
    written = [{"x": h.x, "y": h.y, "radius": h.radius, "ab": list(h.ab)} for h in hints]
    (tmp_path / "hints.json").write_text(json.dumps(written))
    assert read_hints(tmp_path / "hints.json") == {None: tuple(hints)}


SECONDS = int(os.environ.get("OLDRESTORE_FUZZ_SECONDS", "40"))
SEEDS = {"torch": ("PyTorch, zip", "PyTorch, legacy"), "paddle": ("Paddle",)}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris")
@pytest.mark.parametrize("reader", SEEDS)
def test_no_file_gives_anything_but_values_or_a_sentence(reader, tmp_path):
    corpus = tmp_path / reader
    corpus.mkdir()
    for kind in SEEDS[reader]:
        WRITERS[kind][0](corpus / kind.replace(", ", "-"))
    command = [sys.executable, "-m", "tests.reliability.fuzz_weights", reader, str(SECONDS), str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS + 120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr, done.stderr[-3000:]
    assert len(list(corpus.iterdir())) > 20, "the corpus did not grow: nothing was reached"
