"""Converts published PyTorch weights of colorizers into this project's, with every key accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.models.ddcolor import ENCODERS, MEAN, STD, DDColor
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.known_files import ORIGINS
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.spectral_norm import SpectralConv2D
from oldrestore.models.torch_pickle import read_torch_state_dict
from oldrestore.models.weights import read_tensors, without_wrapper
from oldrestore.models.weights_header import WeightsHeader, read_header

# torch.hub's way of naming files: the digits after the last dash begin the file's sha256.
NAMED_SHA256 = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")
COUNTER = ".num_batches_tracked"
# PyTorch's names of a batch norm's running statistics, and Paddle's.
STATISTICS = {".running_mean": "._mean", ".running_var": "._variance"}
# PyTorch's names of what a convolution with spectral norm keeps: of its older function and, by pattern, of the newer.
SPECTRAL = {".weight": ".weight_orig", ".u": ".weight_u", ".v": ".weight_v"}
PARAMETRIZED = {"original": "orig", "0._u": "u", "0._v": "v"}
NEWER_SPECTRAL = re.compile(r"\.parametrizations\.weight\.(original|0\._u|0\._v)$")
WRAPPER = "model."  # before every key of a network that is a part of a larger object
MOST_KEYS_LISTED = 40

Arrays = Mapping[str, np.ndarray]


def zhang_width(arrays: Arrays) -> dict[str, Any]:
    """Read the width of eccv16 or siggraph17 from the shapes."""
    return {"width": _share(arrays.get("model1.0.weight"), 64, 4.0)}


def ddcolor_size(arrays: Arrays) -> dict[str, Any]:
    """Read the variant of DDColor from the number of blocks, and its width from the shapes."""
    (tiny, _), large = ENCODERS["tiny"], "encoder.arch.stages.2.{}.gamma"
    variant = "large" if large.format(tiny[2]) in arrays else "tiny"
    first = arrays.get("encoder.arch.downsample_layers.0.0.weight")
    return {"variant": variant, "width": _share(first, ENCODERS[variant][1], 1.0)}


def _share(first: np.ndarray | None, channels: int, most: float) -> float:
    """Return the first layer's share of the published channels, up to `most`: a file could name any."""
    width = 1.0 if first is None or first.ndim != 4 else first.shape[0] / channels
    return min(max(width, 1 / channels), most)


@dataclass(frozen=True)
class Published:
    """A network whose PyTorch weights were published."""

    network: type[nn.Layer]
    marks: tuple[str, ...]  # keys that no other published network has: by these its files are recognised
    size: Callable[[Arrays], dict[str, Any]]  # constructor arguments that follow from the shapes
    settings: Mapping[str, Any] = field(default_factory=dict)  # others that go with the weights
    useless: frozenset[str] = frozenset()  # keys that a file may hold and no forward reads
    constants: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # keys of numbers that the network knows


# mask_center 0: siggraph17-df00044c.pth is published with a forward that feeds the hint mask as it is, 0 or 1
# (richzhang/colorization, colorizers/siggraph17.py), and so are the weights converted from Caffe. Weights trained by
# the authors' PyTorch code (`siggraph_pretrained`) want it centred at 0.5, which ideepcolor's --pytorch_maskcent does.
PUBLISHED = {
    "eccv16": Published(
        Eccv16,
        marks=("model8.6.weight", "model8.6.bias", "model_out.weight"),
        size=zhang_width,
        settings={"decoding": "released"},
    ),
    "siggraph17": Published(
        Siggraph17,
        marks=("model8up.0.weight", "model3short8.0.weight", "model_class.0.weight", "model_out.0.weight"),
        size=zhang_width,
        settings={"mask_center": 0.0},
    ),
    # The encoder's pooled features and the classifier that its training began with lead nowhere.
    "ddcolor": Published(
        DDColor,
        marks=("encoder.arch.downsample_layers.0.0.weight", "refine_net.0.0.weight_orig"),
        size=ddcolor_size,
        useless=frozenset(
            f"encoder.arch.{layer}.{part}" for layer in ("norm", "head_cls") for part in ("weight", "bias")
        ),
        constants={"mean": MEAN, "std": STD},
    ),
}


@dataclass(frozen=True)
class ImportedWeights:
    """Published weights in this project's form."""

    tensors: dict[str, np.ndarray]  # by Paddle's names; float32
    header: WeightsHeader
    dropped: tuple[str, ...]  # keys that have no use here, such as PyTorch's counters of training steps
    checksum: str | None  # the digits in the file's name that its sha256 begins with, if the name has any

    @property
    def parameters(self) -> int:
        """Weights as papers count them: without running statistics and the vectors of spectral norms."""
        beside = (*STATISTICS.values(), ".u", ".v")
        return sum(t.size for name, t in self.tensors.items() if not name.endswith(beside))


def import_published(path: Path, model: str | None = None, mask_center: float | None = None) -> ImportedWeights:
    """Read a published PyTorch file of one of `PUBLISHED`, whose width follows from the shapes.

    Parameters
    ----------
    path : Path
        A state dict, zip or legacy (`oldrestore.models.torch_pickle`): nothing in it is run. Or safetensors.
    model : str, optional
        A name in `PUBLISHED`; by default recognised by the keys.
    mask_center : float, optional
        What siggraph17's hint mask is centred at: 0 (the default, as published) or 0.5.

    Raises
    ------
    UserError
        If the file is missing, damaged, not the one its name says, or of another network; with every key that is
        missing, left over or of another shape.
    """
    checksum, sha256 = check_name(path)
    arrays = read_published(path)
    model = model or recognise(arrays, path)
    if model not in PUBLISHED:
        raise UserError(f"no published weights are known for '{model}': choose {_either(PUBLISHED)}")
    settings = PUBLISHED[model].size(arrays) | PUBLISHED[model].settings
    if mask_center is not None:
        if "mask_center" not in settings:
            raise UserError(f"{model} reads no hint mask: --mask-center is for siggraph17")
        settings["mask_center"] = float(mask_center)
    tensors, dropped = convert(arrays, PUBLISHED[model].network(**settings), model, path)
    header = WeightsHeader(model, settings, path.name, sha256, origin=ORIGINS[model])
    return ImportedWeights(tensors, header, dropped, checksum)


def read_published(path: Path) -> dict[str, np.ndarray]:
    """Read a state dict by its ending, and give every key the name that the released code gives it."""
    if path.suffix == ".safetensors":
        if read_header(path) is not None:
            raise UserError(f"'{path}' is a weights file of oldrestore: it needs no import")
        arrays = read_tensors(path)
    else:
        arrays = without_wrapper(read_torch_state_dict(path))
    if arrays and all(name.startswith(WRAPPER) for name in arrays):
        arrays = {name.removeprefix(WRAPPER): array for name, array in arrays.items()}
    older = {name: NEWER_SPECTRAL.sub(lambda key: f".weight_{PARAMETRIZED[key[1]]}", name) for name in arrays}
    return {older[name]: array for name, array in arrays.items()}


def check_name(path: Path) -> tuple[str | None, str]:
    """Compare a file's sha256 with the digits in its name; return those, or None, and the sha256."""
    if not path.is_file():
        raise UserError(f"there is no weights file '{path}': name a PyTorch state dict (.pth, .bin, .safetensors)")
    sha256 = sha256_of(path)
    named = NAMED_SHA256.search(path.name)
    if named is None:
        return None, sha256
    if not sha256.startswith(named.group(1)):
        raise UserError(
            f"'{path}' is damaged or not what it is called: its sha256 begins with {sha256[: len(named.group(1))]} "
            f"and its name says {named.group(1)}; get it again, or rename it if those digits are no checksum"
        )
    return named.group(1), sha256


def recognise(keys: Iterable[str], path: Path) -> str:
    """Say which published network a state dict's keys are of."""
    keys = set(keys)
    matches = {name: len(keys.intersection(published.marks)) for name, published in PUBLISHED.items()}
    best = max(matches, key=matches.__getitem__)
    if not matches[best]:
        some = ", ".join(sorted(keys)[:3]) or "none"
        raise UserError(f"'{path}' does not hold weights of {_either(PUBLISHED)}: its keys are {some}, ...")
    return best


def convert(
    arrays: Mapping[str, np.ndarray], network: nn.Layer, model: str, path: Path
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Give PyTorch's arrays Paddle's names and layouts, float32; return them and the keys that were dropped.

    Convolutions, plain and transposed, have one layout in both; the weights of linear layers are transposed.
    `UserError` lists every key that is missing, left over, of another shape, not of floating point or not finite.
    """
    state = network.state_dict()
    layers = dict(network.named_sublayers())
    linear = {f"{name}.weight" for name, layer in layers.items() if isinstance(layer, nn.Linear)}
    spectral = {name for name, layer in layers.items() if isinstance(layer, SpectralConv2D)}
    wanted = {_torch_name(name, spectral): name for name in state}
    counters = {name.removesuffix(".running_mean") + COUNTER for name in wanted if name.endswith(".running_mean")}
    published = PUBLISHED.get(model)
    constants = published.constants if published else {}
    known = counters | set(constants) | (published.useless if published else frozenset())
    dropped = tuple(name for name in arrays if name in known)
    other = [name for name in dropped if name in constants and not _equal(arrays[name], constants[name])]
    misshapen, useless, tensors = [], [], {}
    for name, target in wanted.items():
        if name not in arrays:
            continue
        array = arrays[name].T if target in linear else arrays[name]
        shape = tuple(state[target].shape)
        if array.shape != shape:
            misshapen.append(f"{name} {tuple(array.shape)} instead of {shape}")
        elif array.dtype.kind != "f" or not np.isfinite(array).all():
            useless.append(name)
        else:
            tensors[target] = np.ascontiguousarray(array, dtype=np.float32)
    wrong = {
        "missing": [name for name in wanted if name not in arrays],
        f"not of {model}": [name for name in arrays if name not in wanted and name not in known],
        "of another shape": misshapen,
        "of another value than this network's": other,
        "not finite numbers": useless,
    }
    if any(wrong.values()):
        listed = "; ".join(f"{what}: {_listed(keys)}" for what, keys in wrong.items() if keys)
        raise UserError(f"'{path}' does not hold the weights of {model}: {listed}")
    return tensors, dropped


def _torch_name(name: str, spectral: set[str]) -> str:
    layer, _, _ = name.rpartition(".")
    for ours, theirs in SPECTRAL.items() if layer in spectral else ():
        if name.endswith(ours):
            return name.removesuffix(ours) + theirs
    for theirs, ours in STATISTICS.items():
        if name.endswith(ours):
            return name.removesuffix(ours) + theirs
    return name


def _equal(array: np.ndarray, values: tuple[float, ...]) -> bool:
    return array.size == len(values) and np.allclose(array.ravel(), values, atol=1e-3)


def _either(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} or {last}"


def _listed(keys: list[str]) -> str:
    more = len(keys) - MOST_KEYS_LISTED
    return ", ".join(keys[:MOST_KEYS_LISTED]) + (f" and {more} more" if more > 0 else "")
