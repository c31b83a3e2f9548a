"""oneDNN's C interface, of the library inside Paddle's wheel."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle

OLDEST = (3, 1)  # its functions have kept their signatures since; version 4 may change them
MAX_DIMENSIONS = 12

# dnnl_types.h, under the names it gives without their prefix.
FLOAT32 = 3
TAG_ANY = 1
FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD, BACKWARD_DATA = 64, 96, 128, 160
CONVOLUTION_DIRECT, DECONVOLUTION_DIRECT = 1, 0xA
ELTWISE_RELU, ELTWISE_EXP, ELTWISE_CLIP_V2 = 0x20, 0x2A, 0x2F
ELTWISE_RELU_USE_DST_FOR_BWD, ELTWISE_CLIP_V2_USE_DST_FOR_BWD = 0x100, 0x106
BINARY_ADD = 0x1FFF0
POOLING_MAX = 0x1FF
RESAMPLING_NEAREST, RESAMPLING_LINEAR = 0x2FFF0, 0x2FFF1
USE_GLOBAL_STATS, USE_SCALE, USE_SHIFT, FUSE_NORM_RELU = 1, 2, 4, 8
ARG_SRC, ARG_SRC_1, ARG_DST, ARG_WEIGHTS, ARG_BIAS = 1, 2, 17, 33, 41
ARG_MEAN, ARG_VARIANCE, ARG_SCALE, ARG_SHIFT, ARG_WORKSPACE, ARG_SCRATCHPAD = 49, 50, 51, 52, 64, 80
ARG_DIFF_SRC, ARG_DIFF_DST, ARG_DIFF_WEIGHTS, ARG_DIFF_BIAS = 129, 145, 161, 169
ARG_DIFF_SCALE, ARG_DIFF_SHIFT = 255, 256
ARG_MULTIPLE_SRC = 1024
QUERY_IMPLEMENTATION = 8
QUERY_SRC_MD, QUERY_WEIGHTS_MD, QUERY_DIFF_WEIGHTS_MD, QUERY_WORKSPACE_MD, QUERY_SCRATCHPAD_MD = 129, 131, 132, 135, 136
SCRATCHPAD_USER = 1
CPU = 1
IN_ORDER = 1
AVX512 = 0x20  # the bit that every dnnl_cpu_isa_t from avx512_core on has

_STATUSES = ("success", "out of memory", "invalid arguments", "unimplemented", "last implementation reached", "failed")


class Argument(ctypes.Structure):
    """What a primitive is run on: dnnl_exec_arg_t."""

    _fields_ = (("arg", c_int), ("memory", c_void_p))


class _Version(ctypes.Structure):
    _fields_ = (("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p))


class Handle:
    """An object of oneDNN, destroyed with its Python owner."""

    __slots__ = ("_destroy", "value")

    def __init__(self, value: c_void_p, destroy: Any) -> None:
        self.value = value
        self._destroy = destroy

    def __del__(self) -> None:
        self._destroy(self.value)


@dataclass(frozen=True)
class Library:
    """The loaded library with the engine and the stream of the CPU."""

    functions: Any
    version: str
    engine: c_void_p
    stream: c_void_p

    @property
    def wide(self) -> bool:
        """Whether it computes with AVX-512, of which its weight gradients are much better."""
        return bool(self.functions.dnnl_get_effective_cpu_isa() & AVX512)

    def create(self, kind: str, function: str, *arguments: Any) -> Handle:
        """Call ``dnnl_FUNCTION(&object, ...)``; the object is destroyed by ``dnnl_KIND_destroy``."""
        value = c_void_p()
        self.call(function, byref(value), *arguments)
        return Handle(value, getattr(self.functions, f"dnnl_{kind}_destroy"))

    def call(self, function: str, *arguments: Any) -> None:
        """Call ``dnnl_FUNCTION``.

        Raises
        ------
        RuntimeError
            With the status that the library returned.
        """
        status = getattr(self.functions, f"dnnl_{function}")(*arguments)
        if status:
            reason = _STATUSES[status] if 0 < status < len(_STATUSES) else f"status {status}"
            raise RuntimeError(f"oneDNN {self.version}: {function}: {reason}")


@functools.cache
def load() -> Library | str:
    """Load the library that Paddle brings; a sentence that says why not, if it cannot be used."""
    return load_from(Path(paddle.__file__).parent / "libs")


def load_from(folder: Path) -> Library | str:
    """Load the library in a folder; a sentence that says why not, if it cannot be used."""
    paths = sorted(folder.glob("libdnnl.so.*"))
    if not paths:
        return "this Paddle brings no oneDNN library"
    try:
        functions = ctypes.CDLL(str(paths[-1]))
        functions.dnnl_version.restype = POINTER(_Version)
        version = functions.dnnl_version().contents
    except (OSError, AttributeError) as error:
        return f"oneDNN cannot be loaded: {error}"
    text = f"{version.major}.{version.minor}.{version.patch}"
    if not OLDEST <= (version.major, version.minor) < (OLDEST[0] + 1, 0):
        return f"oneDNN is {text}, and versions from {OLDEST[0]}.{OLDEST[1]} to before {OLDEST[0] + 1}.0 are used"
    _declare(functions)
    engine, stream = c_void_p(), c_void_p()
    if functions.dnnl_engine_create(byref(engine), CPU, 0):
        return f"oneDNN {text} has no engine for this processor"
    if functions.dnnl_stream_create(byref(stream), engine, IN_ORDER):
        return f"oneDNN {text} cannot create a stream"
    return Library(functions, text, engine, stream)


def library() -> Library:
    """Return the library; `choice` has checked that there is one."""
    loaded = load()
    if isinstance(loaded, str):
        raise RuntimeError(loaded)
    return loaded


def dimensions(values: Sequence[int]) -> Any:
    """Sizes or strides as oneDNN takes them: dnnl_dims_t."""
    return (c_int64 * MAX_DIMENSIONS)(*values)


def _declare(functions: Any) -> None:
    """Give functions their types, so that ctypes neither guesses nor cuts a pointer."""
    out, pointer, dims = POINTER(c_void_p), c_void_p, POINTER(c_int64)
    convolution = [out, pointer, c_int, c_int, *[pointer] * 4, *[dims] * 4, pointer]
    gradient = [out, pointer, c_int, *[pointer] * 3, *[dims] * 4, pointer, pointer]
    weight_gradient = [out, pointer, c_int, *[pointer] * 4, *[dims] * 4, pointer, pointer]
    signatures = {
        "engine_create": [out, c_int, c_size_t],
        "stream_create": [out, pointer, c_uint],
        "memory_desc_create_with_tag": [out, c_int, dims, c_int, c_int],
        "memory_desc_create_with_strides": [out, c_int, dims, c_int, dims],
        "memory_create": [out, pointer, pointer, pointer],
        "memory_set_data_handle": [pointer, pointer],
        "primitive_attr_create": [out],
        "primitive_attr_set_scratchpad_mode": [pointer, c_int],
        "primitive_attr_set_post_ops": [pointer, pointer],
        "post_ops_create": [out],
        "post_ops_append_eltwise": [pointer, c_int, c_float, c_float],
        "primitive_create": [out, pointer],
        "primitive_execute": [pointer, pointer, c_int, POINTER(Argument)],
        "reorder_primitive_desc_create": [out, *[pointer] * 5],
        "concat_primitive_desc_create": [out, pointer, pointer, c_int, c_int, POINTER(c_void_p), pointer],
        "binary_primitive_desc_create": [out, pointer, c_int, *[pointer] * 4],
        "eltwise_forward_primitive_desc_create": [
            out,
            pointer,
            c_int,
            c_int,
            pointer,
            pointer,
            *[c_float] * 2,
            pointer,
        ],
        "eltwise_backward_primitive_desc_create": [out, pointer, c_int, *[pointer] * 3, *[c_float] * 2, *[pointer] * 2],
        "batch_normalization_forward_primitive_desc_create": [
            *(out, pointer, c_int, pointer, pointer, c_float, c_uint, pointer),
        ],
        "batch_normalization_backward_primitive_desc_create": [
            *(out, pointer, c_int, pointer, pointer, pointer, c_float, c_uint, pointer, pointer),
        ],
    }
    signatures |= {
        "pooling_forward_primitive_desc_create": [out, pointer, c_int, c_int, pointer, pointer, *[dims] * 5, pointer],
        "pooling_backward_primitive_desc_create": [
            *(out, pointer, c_int, pointer, pointer, *[dims] * 5, pointer, pointer),
        ],
        "resampling_forward_primitive_desc_create": [
            *(out, pointer, c_int, c_int, POINTER(c_float), pointer, pointer, pointer),
        ],
        "resampling_backward_primitive_desc_create": [
            *(out, pointer, c_int, POINTER(c_float), pointer, pointer, pointer, pointer),
        ],
    }
    for kind in ("convolution", "deconvolution"):
        signatures[f"{kind}_forward_primitive_desc_create"] = convolution
        signatures[f"{kind}_backward_data_primitive_desc_create"] = gradient
        signatures[f"{kind}_backward_weights_primitive_desc_create"] = weight_gradient
    for name, types in signatures.items():
        function = getattr(functions, f"dnnl_{name}")
        function.argtypes, function.restype = types, c_int
    for kind in ("memory", "memory_desc", "primitive", "primitive_desc", "primitive_attr", "post_ops"):
        destroy = getattr(functions, f"dnnl_{kind}_destroy")
        destroy.argtypes, destroy.restype = [pointer], c_int
    functions.dnnl_primitive_desc_query.argtypes = [pointer, c_int, c_int, pointer]
    functions.dnnl_primitive_desc_query_md.argtypes = [pointer, c_int, c_int]
    functions.dnnl_primitive_desc_query_md.restype = c_void_p
    functions.dnnl_memory_desc_get_size.argtypes, functions.dnnl_memory_desc_get_size.restype = [pointer], c_size_t
    functions.dnnl_memory_desc_equal.argtypes, functions.dnnl_memory_desc_equal.restype = [pointer, pointer], c_int
