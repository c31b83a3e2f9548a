"""Converts the published PyTorch weights of eccv16 and siggraph17 into this project's, with every key accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from oldrestore.errors import UserError
from oldrestore.files import sha256_of
from oldrestore.models.eccv16 import Eccv16
from oldrestore.models.siggraph17 import Siggraph17
from oldrestore.models.torch_pickle import read_torch_state_dict
from oldrestore.models.weights import without_wrapper
from oldrestore.models.weights_header import WeightsHeader

# torch.hub's way of naming files: the digits after the last dash begin the file's sha256.
NAMED_SHA256 = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")
COUNTER = ".num_batches_tracked"
# PyTorch's names of a batch norm's running statistics, and Paddle's.
STATISTICS = {".running_mean": "._mean", ".running_var": "._variance"}
FIRST_CONVOLUTION, FIRST_CHANNELS = "model1.0.weight", 64
MOST_KEYS_LISTED = 40


@dataclass(frozen=True)
class Published:
    """A network whose PyTorch weights were published."""

    network: type[nn.Layer]
    marks: tuple[str, ...]  # keys that no other published network has: by these its files are recognised
    settings: Mapping[str, Any]  # constructor arguments that go with the weights


# mask_center 0: siggraph17-df00044c.pth is published with a forward that feeds the hint mask as it is, 0 or 1
# (richzhang/colorization, colorizers/siggraph17.py), and so are the weights converted from Caffe. Weights trained by
# the authors' PyTorch code (`siggraph_pretrained`) want it centred at 0.5, which ideepcolor's --pytorch_maskcent does.
PUBLISHED = {
    "eccv16": Published(
        Eccv16,
        marks=("model8.6.weight", "model8.6.bias", "model_out.weight"),
        settings={"decoding": "released"},
    ),
    "siggraph17": Published(
        Siggraph17,
        marks=("model8up.0.weight", "model3short8.0.weight", "model_class.0.weight", "model_out.0.weight"),
        settings={"mask_center": 0.0},
    ),
}


@dataclass(frozen=True)
class ImportedWeights:
    """Published weights in this project's form."""

    tensors: dict[str, np.ndarray]  # by Paddle's names; float32
    header: WeightsHeader
    dropped: tuple[str, ...]  # keys that have no use here: PyTorch's counters of training steps
    checksum: str | None  # the digits in the file's name that its sha256 begins with, if the name has any

    @property
    def parameters(self) -> int:
        """Weights as papers count them: without the running statistics of batch norm."""
        return sum(t.size for name, t in self.tensors.items() if not name.endswith(tuple(STATISTICS.values())))


def import_published(path: Path, model: str | None = None, mask_center: float | None = None) -> ImportedWeights:
    """Read a published PyTorch file of eccv16 or siggraph17, whose width follows from the shapes.

    Parameters
    ----------
    path : Path
        A state dict, zip or legacy (`oldrestore.models.torch_pickle`): nothing in it is run.
    model : str, optional
        ``eccv16`` or ``siggraph17``; by default recognised by the keys.
    mask_center : float, optional
        What siggraph17's hint mask is centred at: 0 (the default, as published) or 0.5.

    Raises
    ------
    UserError
        If the file is missing, damaged, not the one its name says, or of another network; with every key that is
        missing, left over or of another shape.
    """
    checksum, sha256 = check_name(path)
    arrays = without_wrapper(read_torch_state_dict(path))
    model = model or recognise(arrays, path)
    if model not in PUBLISHED:
        raise UserError(f"no published weights are known for '{model}': choose {' or '.join(PUBLISHED)}")
    settings = dict(PUBLISHED[model].settings)
    if mask_center is not None:
        if "mask_center" not in settings:
            raise UserError(f"{model} reads no hint mask: --mask-center is for siggraph17")
        settings["mask_center"] = float(mask_center)
    first = arrays.get(FIRST_CONVOLUTION)
    width = 1.0 if first is None or first.ndim != 4 else first.shape[0] / FIRST_CHANNELS
    network = PUBLISHED[model].network(width=min(max(width, 1 / FIRST_CHANNELS), 4.0), **settings)
    tensors, dropped = convert(arrays, network, model, path)
    header = WeightsHeader(model, {"width": width, **settings}, path.name, sha256)
    return ImportedWeights(tensors, header, dropped, checksum)


def check_name(path: Path) -> tuple[str | None, str]:
    """Compare a file's sha256 with the digits in its name; return those, or None, and the sha256."""
    if not path.is_file():
        raise UserError(f"there is no weights file '{path}': name a PyTorch state dict (.pth)")
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
        raise UserError(f"'{path}' holds the weights of neither {' nor '.join(PUBLISHED)}: its keys are {some}, ...")
    return best


def convert(
    arrays: Mapping[str, np.ndarray], network: nn.Layer, model: str, path: Path
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Give PyTorch's arrays Paddle's names and layouts, float32; return them and the keys that were dropped.

    Convolutions, plain and transposed, have one layout in both; the weights of linear layers are transposed.
    `UserError` lists every key that is missing, left over, of another shape, not of floating point or not finite.
    """
    state = network.state_dict()
    layers = network.named_sublayers()
    linear = {f"{name}.weight" for name, layer in layers if isinstance(layer, nn.Linear)}
    wanted = {_torch_name(name): name for name in state}
    counters = {name.removesuffix(".running_mean") + COUNTER for name in wanted if name.endswith(".running_mean")}
    dropped = tuple(name for name in arrays if name in counters)
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
        f"not of {model}": [name for name in arrays if name not in wanted and name not in counters],
        "of another shape": misshapen,
        "not finite numbers": useless,
    }
    if any(wrong.values()):
        listed = "; ".join(f"{what}: {_listed(keys)}" for what, keys in wrong.items() if keys)
        raise UserError(f"'{path}' does not hold the weights of {model}: {listed}")
    return tensors, dropped


def _torch_name(name: str) -> str:
    for theirs, ours in STATISTICS.items():
        if name.endswith(ours):
            return name.removesuffix(ours) + theirs
    return name


def _listed(keys: list[str]) -> str:
    more = len(keys) - MOST_KEYS_LISTED
    return ", ".join(keys[:MOST_KEYS_LISTED]) + (f" and {more} more" if more > 0 else "")
