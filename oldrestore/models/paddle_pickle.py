"""Reads pickles of NumPy arrays, such as Paddle's `.pdparams`, without paddle.load and without risk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.errors import UserError
from oldrestore.models.plain_pickle import Admitted, check_file, never_called, read_plain_pickle

# paddle.save adds this entry (layer names to parameter names); it holds no weights.
_NAME_TABLE = "StructuredToParameterName@@"
_PLAIN_KINDS = frozenset("fiub")


class _DType:
    """Stand-in for numpy.dtype: only plain numbers of a fixed size, never objects or records."""

    def __init__(self, code: Any, *_: Any):
        dtype = np.dtype(code) if isinstance(code, str) and len(code) <= 4 else None
        if dtype is None or dtype.kind not in _PLAIN_KINDS or dtype.fields is not None:
            raise ValueError(f"an array of type {code!r} is not plain numbers")
        self.dtype = dtype

    def set_state(self, state: Any) -> None:
        """Set the byte order; the rest of the state only describes records."""
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"a byte order {order!r} is unknown")
        self.dtype = self.dtype.newbyteorder(order if order != "|" else "=")


class _Array:
    """Stand-in for an array under construction: numpy creates it empty and fills it by BUILD."""

    def __init__(self, *_: Any):
        self.array: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        """Fill from (version, shape, dtype, Fortran order, bytes)."""
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _DType) or not isinstance(content, bytes):
            raise ValueError("an array is not built from a type and bytes")
        numbers = np.frombuffer(content, dtype=dtype.dtype)
        wanted = int(np.prod(shape, dtype=object)) if shape else 1
        if any(not isinstance(n, int) or n < 0 for n in shape) or numbers.size != wanted:
            raise ValueError(f"an array of shape {tuple(shape)} holds {numbers.size:,} numbers")
        array = numbers.reshape(shape, order="F" if fortran else "C")
        self.array = np.ascontiguousarray(array, dtype=dtype.dtype.newbyteorder("=")).reshape(shape)


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand-in for _codecs.encode, by which protocol 2 writes bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError(f"bytes are written in the encoding {encoding!r}")
    return text.encode("latin-1")


_ADMITTED: Admitted = {
    ("numpy", "ndarray"): never_called,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _encode,
    # Without arguments, as protocol 2 writes an empty array's content; a number would allocate as many bytes.
    ("builtins", "bytes"): lambda: b"",
    ("__builtin__", "bytes"): lambda: b"",
    ("collections", "OrderedDict"): dict,
    # Paddle writes a tensor as tuple((name, array)).
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
}


def read_paddle_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read the parameters that `paddle.save(layer.state_dict(), path)` wrote (pickle protocols 2 to 4).

    They are in the file's order, contiguous, in the machine's byte order.

    Raises
    ------
    UserError
        For a missing, damaged or truncated file, and one that asks for any object but NumPy arrays of plain
        numbers. Nothing in the file is ever run.
    """
    arrays = {}
    for name, value in _read_dict(Path(path), "Paddle state dict (.pdparams)").items():
        if name == _NAME_TABLE:
            continue
        if isinstance(value, tuple) and len(value) == 2:
            value = value[1]
        if not isinstance(name, str) or not isinstance(value, _Array) or value.array is None:
            kind = type(value).__name__.strip("_")
            raise UserError(f"{path} holds a {kind} under {name!r}: save layer.state_dict() alone")
        arrays[name] = value.array
    return arrays


def read_array_lists(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Read a pickled dict of names to lists of NumPy arrays; raises as `read_paddle_state_dict` does."""
    lists = {}
    for name, values in _read_dict(Path(path), "pickled dict of lists of arrays").items():
        plain = isinstance(name, str) and isinstance(values, list)
        if not plain or not all(isinstance(value, _Array) and value.array is not None for value in values):
            raise UserError(f"{path} holds no list of arrays under {name!r}")
        lists[name] = [value.array for value in values]
    return lists


def _read_dict(path: Path, kind: str) -> dict[Any, Any]:
    check_file(path, kind)
    content = path.read_bytes()
    stream = io.BytesIO(content)
    holder = read_plain_pickle(stream, _ADMITTED, str(path))
    if stream.tell() != len(content):
        raise UserError(f"{path} is damaged: {len(content) - stream.tell():,} bytes follow its state dict")
    if not isinstance(holder, dict):
        raise UserError(f"{path} holds a {type(holder).__name__}: a state dict (name to array) is needed")
    return holder
