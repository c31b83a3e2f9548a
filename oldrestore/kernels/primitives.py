"""oneDNN's primitives as Python callables on pointers, each built once for its shapes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_void_p
from functools import lru_cache

import paddle

from oldrestore.kernels import library as dnnl
from oldrestore.kernels.library import Handle, library

# Primitives kept, of each kind: a network has some tens of shapes, a data set of photographs of all sizes any number.
KEPT = 256
ALIGNED = 16  # floats: a line of the cache

# Held while buffers or memory objects are in use, which all threads share; one that holds it may take it again.
exclusive = threading.RLock()
_arena: dict[str, tuple[paddle.Tensor, int, int]] = {}  # with its length and the byte at which a line begins


def workspace(name: str, size: int) -> int:
    """Address of a buffer of at least `size` bytes, shared by all primitives, that holds nothing between two calls."""
    held, start = _buffer(name, -(-size // 4))
    return held.data_ptr() + start


def workspace_rows(name: str, rows: int, columns: int) -> paddle.Tensor:
    """Tensor (rows, columns) in such a buffer."""
    held, start = _buffer(name, rows * columns)
    return paddle.as_strided(held, [rows, columns], [columns, 1], start)


def _buffer(name: str, floats: int) -> tuple[paddle.Tensor, int]:
    """Return a buffer and the byte in it at which a line of the cache begins."""
    held = _arena.get(name)
    if held is None or held[1] < floats:
        tensor = paddle.empty([floats + ALIGNED], dtype="float32")
        held = _arena[name] = tensor, floats, -tensor.data_ptr() % (4 * ALIGNED)
    return held[0], held[2]


def workspace_bytes() -> int:
    """Bytes that the shared buffers have now."""
    return sum(4 * floats for _, floats, _ in _arena.values())


@lru_cache(maxsize=16 * KEPT)
def description(shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> Handle:
    """Describe float32 memory; of no strides, oneDNN chooses how it lies."""
    sizes = dnnl.dimensions(shape)
    if strides is None:
        layout = ("memory_desc_create_with_tag", len(shape), sizes, dnnl.FLOAT32, dnnl.TAG_ANY)
    else:
        layout = (
            *("memory_desc_create_with_strides", len(shape), sizes, dnnl.FLOAT32),
            dnnl.dimensions(strides),
        )
    return _memory_description(*layout)


def _memory_description(function: str, rank: int, sizes, kind: int, last) -> Handle:
    return library().create("memory_desc", function, rank, sizes, kind, last)


def vector(length: int) -> Handle:
    """Describe a float32 vector."""
    return description((length,), (1,))


class Primitive:
    """One computation on memory of fixed shapes: called with an address for each argument.

    Parameters
    ----------
    description : Handle
        Primitive description.
    arguments : sequence of (int, c_void_p)
        oneDNN's number of each argument and the description of its memory, in the order of the call's addresses.
    """

    def __init__(self, description: Handle, arguments: Sequence[tuple[int, c_void_p]]) -> None:
        onednn = library()
        self._functions = onednn.functions
        self._stream = onednn.stream
        self._primitive = onednn.create("primitive", "primitive_create", description.value)
        scratchpad = query(description, dnnl.QUERY_SCRATCHPAD_MD)
        self._scratchpad_bytes = memory_bytes(scratchpad)
        every = [*arguments, (dnnl.ARG_SCRATCHPAD, scratchpad)] if self._scratchpad_bytes else list(arguments)
        self._memories = [
            onednn.create("memory", "memory_create", what, onednn.engine, c_void_p(None)) for _, what in every
        ]
        values = [memory.value.value for memory in self._memories]
        self._arguments = (dnnl.Argument * len(every))(
            *[dnnl.Argument(number, value) for (number, _), value in zip(every, values, strict=True)]
        )
        self._count = len(every)
        self._values = values

    def __call__(self, *addresses: int) -> None:
        """Run on memory at these addresses."""
        set_address = self._functions.dnnl_memory_set_data_handle
        with exclusive:
            for memory, address in zip(self._values, addresses, strict=False):
                set_address(memory, address)
            if self._scratchpad_bytes:
                set_address(self._values[-1], workspace("scratchpad", self._scratchpad_bytes))
            status = self._functions.dnnl_primitive_execute(
                self._primitive.value, self._stream, self._count, self._arguments
            )
        if status:
            raise RuntimeError(f"oneDNN: a primitive failed with status {status}")


def query(description: Handle, what: int, index: int = 0) -> c_void_p:
    """Ask a primitive description for the description of one of its memories, which belongs to it."""
    return c_void_p(library().functions.dnnl_primitive_desc_query_md(description.value, what, index))


def implementation(description: Handle) -> str:
    """Name of the code that oneDNN has chosen for a primitive, as ``jit_dw:avx2``."""
    name = c_char_p()
    library().call("primitive_desc_query", description.value, dnnl.QUERY_IMPLEMENTATION, 0, byref(name))
    return (name.value or b"").decode()


def memory_bytes(memory_description: c_void_p) -> int:
    """Bytes of a memory, 0 if there is none."""
    return library().functions.dnnl_memory_desc_get_size(memory_description) if memory_description.value else 0


def same_layout(one: c_void_p, other: c_void_p) -> bool:
    """Whether two memory descriptions say the same."""
    return bool(library().functions.dnnl_memory_desc_equal(one, other))


@lru_cache(maxsize=16)
def attributes(algorithm: int = 0, alpha: float = 0.0, beta: float = 0.0) -> Handle:
    """Attributes of a primitive: scratchpad memory is ours; if an algorithm is named, it follows elementwise."""
    onednn = library()
    made = onednn.create("primitive_attr", "primitive_attr_create")
    onednn.call("primitive_attr_set_scratchpad_mode", made.value, dnnl.SCRATCHPAD_USER)
    if algorithm:
        following = onednn.create("post_ops", "post_ops_create")
        onednn.call("post_ops_append_eltwise", following.value, algorithm, alpha, beta)
        onednn.call("primitive_attr_set_post_ops", made.value, following.value)
    return made


def reorder_between(source: c_void_p, target: c_void_p) -> Primitive:
    """Build a primitive that copies memory into another layout."""
    onednn = library()
    arguments = (source, onednn.engine, target, onednn.engine, attributes().value)
    made = onednn.create("primitive_desc", "reorder_primitive_desc_create", *arguments)
    return Primitive(made, [(dnnl.ARG_SRC, source), (dnnl.ARG_DST, target)])


@lru_cache(maxsize=KEPT)
def reorder(shape: tuple[int, ...], strides: tuple[int, ...], target: tuple[int, ...]) -> Primitive:
    """Copy a tensor of one layout, given by its strides, into another."""
    return reorder_between(description(shape, strides).value, description(shape, target).value)
