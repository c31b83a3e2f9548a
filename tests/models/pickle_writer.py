"""Writes files of weights; state dicts as PyTorch writes them, opcode by opcode, without PyTorch."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import paddle
from safetensors.numpy import save_file

STORAGES = {"f4": "FloatStorage", "i8": "LongStorage", "f2": "HalfStorage", "u2": "BFloat16Storage"}
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
TRAITS = b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def group(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


EMPTY_ORDERED_DICT = name("collections", "OrderedDict") + b")R"


def tensor(key: str, array: np.ndarray, legacy: bool, numbers: int | None = None) -> bytes:
    kind = STORAGES[array.dtype.str[1:]]
    numbers = array.size if numbers is None else numbers
    storage = [text("storage"), name("torch", kind), text(key), text("cpu"), integer(numbers)]
    reference = group(*storage, *([b"N"] if legacy else [])) + b"Q"
    # A transposed view is stored in its base's order, as PyTorch does.
    steps = [step // array.itemsize for step in array.strides]
    sizes = [group(*map(integer, array.shape)), group(*map(integer, steps))]
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + group(reference, integer(0), *sizes, b"\x89", EMPTY_ORDERED_DICT)
        + b"R"
    )


def state_dict(arrays: dict[str, np.ndarray], legacy: bool, **options) -> bytes:
    entries = b"".join(
        text(label) + tensor(str(position), array, legacy, **options)
        for position, (label, array) in enumerate(arrays.items())
    )
    metadata = b"}" + text("_metadata") + EMPTY_ORDERED_DICT + b"sb"
    return b"\x80\x02" + EMPTY_ORDERED_DICT + b"(" + entries + b"u" + metadata + b"."


def in_memory_order(array: np.ndarray) -> bytes:
    return array.tobytes(order="A")


def write_legacy(path: Path, arrays: dict[str, np.ndarray], pickled: bytes | None = None, **options) -> None:
    pickled = state_dict(arrays, legacy=True, **options) if pickled is None else pickled
    keys = b"\x80\x02]" + b"".join(text(str(i)) + b"a" for i in range(len(arrays))) + b"."
    stored = b"".join(struct.pack("<q", a.size) + in_memory_order(a) for a in arrays.values())
    path.write_bytes(MAGIC + PROTOCOL + TRAITS + pickled + keys + stored)


def write_zip(
    path: Path,
    arrays: dict[str, np.ndarray],
    pickled: bytes | None = None,
    compression: int = zipfile.ZIP_STORED,
    **options,
) -> None:
    pickled = state_dict(arrays, legacy=False, **options) if pickled is None else pickled
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for position, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{position}", in_memory_order(array))
        archive.writestr("archive/version", "3\n")
    path.write_bytes(buffer.getvalue())


WRITERS = {"legacy": write_legacy, "zip": write_zip}


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write weights in the format that the path's ending names."""
    if path.suffix == ".safetensors":
        save_file(arrays, path)
    elif path.suffix == ".pdparams":
        paddle.save({name: paddle.to_tensor(array) for name, array in arrays.items()}, str(path))
    else:
        write_zip(path, arrays)
    return path
