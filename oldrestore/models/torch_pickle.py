"""Reads a PyTorch state dict, in today's zip format or the legacy one, without PyTorch and without risk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oldrestore.errors import UserError
from oldrestore.models.plain_pickle import Admitted, check_file, never_called, read_plain_pickle

# The legacy format opens with three small pickles: this number, the protocol and the machine's traits.
# Source: torch/serialization.py, MAGIC_NUMBER and PROTOCOL_VERSION.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
HOLDERS = ("state_dict", "params")  # keys under which checkpoints hold a network's state dict; BasicSR's is params

_STORAGE_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",  # NumPy has no bfloat16: widened to float32
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str
    elements: int

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(_STORAGE_DTYPES[self.kind])


@dataclass(frozen=True)
class _Tensor:
    """The arguments of a tensor's rebuild call; its storage's bytes may come later in the file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, data: np.ndarray) -> np.ndarray:
        elements = int(np.prod(self.shape, dtype=object)) if self.shape else 1
        if elements == 0:
            return np.zeros(self.shape, dtype=data.dtype)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if self.offset < 0 or min(self.strides, default=0) < 0 or last >= data.size or elements > data.size:
            raise ValueError(f"a tensor of shape {self.shape} reaches beyond its {data.size} stored numbers")
        steps = tuple(step * data.itemsize for step in self.strides)
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, steps)
        if self.storage.kind == "BFloat16Storage":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(view)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """Stand-in for torch._utils._rebuild_tensor and _v2; gradients and hooks are not weights."""
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise ValueError("a tensor is not built from a storage, a shape and as many strides")
    if any(not isinstance(n, int) or n < 0 for n in (offset, *shape, *strides)):
        raise ValueError(f"a tensor declares the impossible shape {tuple(shape)}")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ADMITTED: Admitted = {
    ("collections", "OrderedDict"): dict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    **{("torch", storage): never_called for storage in _STORAGE_DTYPES},
}


def _persistent_loader(storages: dict[str, _Storage]) -> Callable[[Any], _Storage]:
    """Record each storage that the pickle refers to: ('storage', type, key, device, elements[, view])."""

    def load(identifier: Any) -> _Storage:
        tag, kind, key, _device, elements, *view = identifier
        name = getattr(kind, "name", None)
        if tag != "storage" or name not in _STORAGE_DTYPES or not isinstance(elements, int) or elements < 0:
            raise ValueError("a reference to a storage cannot be understood")
        if any(part is not None for part in view):
            raise ValueError("a storage that is a view of another is not supported: save the state dict again")
        storage = _Storage(name, str(key), elements)
        if storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"storage {key} is declared twice, in two ways")
        return storage

    return load


def read_torch_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read the tensors that `torch.save(model.state_dict(), path)` wrote, zip (PyTorch 1.6 and later) or legacy.

    A checkpoint that holds the state dict under the key `state_dict` or `params` is read as well. Arrays are in the
    file's order, little-endian, contiguous; bfloat16 becomes float32, the rest keeps its type.

    Raises
    ------
    UserError
        For a missing, damaged or truncated file, one that declares more than it holds, and one that asks
        for any object but tensors, dicts, tuples, numbers and strings. Nothing in the file is ever run.
    """
    path = Path(path)
    check_file(path, "PyTorch state dict (.pth)")
    try:
        holder, data = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        return _tensors(holder, data, path)
    except UserError:
        raise
    except (ValueError, TypeError, LookupError, EOFError, OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged or truncated: {error}") from error


def _read_legacy(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    content = path.read_bytes()
    stream = io.BytesIO(content)
    storages: dict[str, _Storage] = {}

    def read(admitted: Admitted | None = None) -> Any:
        return read_plain_pickle(stream, admitted or {}, str(path), _persistent_loader(storages))

    if read() != LEGACY_MAGIC or read() != LEGACY_PROTOCOL:
        raise UserError(f"{path} is not a PyTorch state dict: its first bytes are not those of torch.save")
    traits = read()
    if not isinstance(traits, dict) or not traits.get("little_endian", False):
        raise UserError(f"{path} is from a big-endian machine: save it again on a little-endian one")
    holder = read(_ADMITTED)
    order = read()
    if sorted(map(str, order)) != sorted(storages):
        raise ValueError("the storages listed are not those that the tensors refer to")
    data = {}
    for key in order:
        storage = storages[key]
        written = int.from_bytes(stream.read(8), "little", signed=True)
        if written != storage.elements:
            raise ValueError(f"storage {key} declares {storage.elements:,} numbers and holds {written:,}")
        dtype, start = storage.dtype, stream.tell()
        data[key] = _numbers(memoryview(content)[start : start + written * dtype.itemsize], storage)
        stream.seek(written * dtype.itemsize, io.SEEK_CUR)
    if stream.tell() != len(content):
        raise ValueError(f"{len(content) - stream.tell():,} bytes follow its last storage")
    return holder, data


def _read_zip(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise UserError(f"{path} is a zip file without data.pkl, not a PyTorch state dict")
        folder = pickles[0].removesuffix("data.pkl")

        def read(name: str) -> bytes:
            member = members.get(folder + name)
            if member is None:
                raise ValueError(f"{name} is missing in it")
            # PyTorch stores and never compresses: a member cannot unfold into more than the file holds.
            # Stored twice in the file, its size may be a lie once: as many bytes would be set aside.
            honest = member.compress_size == member.file_size <= size
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or not honest:
                raise ValueError(f"{name} is compressed, encrypted or larger than the file")
            return archive.read(member)

        if f"{folder}byteorder" in members and read("byteorder").strip() != b"little":
            raise UserError(f"{path} is from a big-endian machine: save it again on a little-endian one")
        storages: dict[str, _Storage] = {}
        stream = io.BytesIO(read("data.pkl"))
        holder = read_plain_pickle(stream, _ADMITTED, str(path), _persistent_loader(storages))
        return holder, {key: _numbers(read(f"data/{key}"), storage) for key, storage in storages.items()}


def _numbers(content: bytes | memoryview, storage: _Storage) -> np.ndarray:
    wanted = storage.elements * storage.dtype.itemsize
    if len(content) != wanted:
        raise ValueError(f"storage {storage.key} declares {wanted:,} bytes and holds {len(content):,}")
    return np.frombuffer(content, dtype=storage.dtype).copy()


def _tensors(holder: Any, data: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    for key in HOLDERS:
        if isinstance(holder, dict) and isinstance(holder.get(key), dict):
            holder = holder[key]
    if not isinstance(holder, dict):
        raise UserError(f"{path} holds a {type(holder).__name__}: a state dict (name to tensor) is needed")
    for name, value in holder.items():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            kind = type(value).__name__
            raise UserError(f"{path} holds a {kind} under {name!r}: save model.state_dict() alone")
    return {name: tensor.array(data[tensor.storage.key]) for name, tensor in holder.items()}
