"""What weights, checkpoints and hints cannot do: lie about their size, nest without end, claim what no run writes."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from oldrestore.errors import UserError
from oldrestore.models.weights import read_header, read_tensors
from oldrestore.photographs.hint_file import read_hints
from oldrestore.run.progress import check_state
from oldrestore.training.checkpoint import FORMAT, load_checkpoint


def safetensors_file(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def lying_headers() -> dict[str, bytes]:
    def tensor(shape, offsets, dtype="F32"):
        return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}

    return {
        "a header of 2^63 bytes": safetensors_file({}, length=2**63),
        "of 2^40 bytes": safetensors_file({}, length=2**40),
        "longer than the file": safetensors_file({}, length=100),
        "no JSON": safetensors_file(b"{" * 1000),
        "nested without end": safetensors_file(b'{"a":' * 50_000),
        "a tensor beyond the file": safetensors_file(tensor([1000], [0, 4000]), b"\0" * 4),
        "of 2^60 numbers": safetensors_file(tensor([2**60], [0, 2**62]), b"\0" * 4),
        "whose shape overflows": safetensors_file(tensor([2**33, 2**33], [0, 4]), b"\0" * 4),
        "of a negative shape": safetensors_file(tensor([-1], [0, 4]), b"\0" * 4),
        "that ends before it begins": safetensors_file(tensor([1], [4, 0]), b"\0" * 4),
        "smaller than its shape": safetensors_file(tensor([4], [0, 4]), b"\0" * 4),
        "of an unknown type": safetensors_file(tensor([1], [0, 4], "OBJECT"), b"\0" * 4),
        "two in one place": safetensors_file({**tensor([1], [0, 4]), "b": tensor([1], [0, 4])["a"]}, b"\0" * 4),
        "data that nobody declares": safetensors_file(tensor([1], [0, 4]), b"\0" * 400),
        "metadata that is no table": safetensors_file({"__metadata__": [1]}),
    }


def test_headers_that_lie_are_refused_and_cost_nothing(tmp_path, within_mib, ledger):
    path = tmp_path / "x.safetensors"
    headers = lying_headers()
    with within_mib(100):
        for what, content in headers.items():
            path.write_bytes(content)
            for read in (read_tensors, load_checkpoint):
                with pytest.raises(UserError) as refused:
                    read(path)
                assert str(path) in str(refused.value), what
            try:
                read_header(path)
            except UserError as refused:
                assert str(path) in str(refused), what
    sentence = "“'x.safetensors' is not a readable safetensors file: …”"
    what = "safetensors with headers that lie"
    ledger.record(what, through="weights and checkpoints", said=2 * len(headers), sentence=sentence)


MARKS = {"metrics.jsonl": 10}
SUMMARY = {"val/loss": float("nan")}
WRITTEN = {"iteration": 4, "best": 0.5, "marks": MARKS, "marks_before_evaluation": MARKS, "summary": SUMMARY}
NOT_WRITTEN = [
    {"iteration": -1}, {"iteration": "4"}, {"iteration": 1e300}, {"iteration": None}, {"iteration": 2**80},
    {"best": "x"}, {"best": []}, {"marks": {"metrics.jsonl": -10}}, {"marks": ["x"]}, {"marks": {"../x": "1"}},
    {"marks": None}, {"marks_before_evaluation": 3}, {"summary": {"x": "y"}}, {"summary": 1}, {"seconds": {}},
]  # fmt: skip


def test_states_that_no_run_writes_are_refused(tmp_path):
    path = tmp_path / "last.safetensors"
    check_state(WRITTEN, path)
    check_state({**WRITTEN, "best": float("inf"), "seconds": 3}, path)
    for change in NOT_WRITTEN:
        with pytest.raises(UserError, match="a state that no run writes"):
            check_state({**WRITTEN, **change}, path)
    for lacks in ("iteration", "best", "marks", "marks_before_evaluation"):
        with pytest.raises(UserError, match=lacks):
            check_state({name: value for name, value in WRITTEN.items() if name != lacks}, path)
    for state in ("[" * 100_000, "[]", "3", "nul", '{"a":' * 50_000):
        path.write_bytes(save({"x": np.zeros(1, np.float32)}, metadata={"format": FORMAT, "state": state}))
        with pytest.raises(UserError):
            load_checkpoint(path)


def test_hints_that_are_bombs(tmp_path, within_mib, ledger):
    path = tmp_path / "hints.json"
    point = '{"x": 1, "y": 1, "radius": 1, "ab": [1, 1]}'
    bombs = {
        "deep": "[" * 200_000,
        "deep table": '{"a":' * 200_000,
        "a long number": f"[{point.replace('1', '9' * 400_000, 1)}]",
        "a huge number": f"[{point.replace('1', '1e999', 1)}]",
        "not a number": f"[{point.replace('1', 'NaN', 1)}]",
        "a long name": '{"' + "x" * 5_000_000 + '": 3}',
    }
    with within_mib(300):
        for what, text in bombs.items():
            path.write_text(text)
            with pytest.raises(UserError) as refused:
                read_hints(path)
            assert len(str(refused.value)) < 6_000_000, what
        with path.open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(UserError, match="more than 67,108,864 bytes"):
            read_hints(path)
        for device in ("/dev/zero", "/dev/random"):
            with pytest.raises(UserError, match="are not a file"):
                read_hints(Path(device))
    sentence = "“the hints 'hints.json' have more than 67,108,864 bytes”"
    what = "hints that nest without end, or are endless"
    ledger.record(what, through="colorize --hints", said=len(bombs) + 3, sentence=sentence)
