"""Exports a network to Paddle Inference, and accepts the export only if it answers as the network does.

A photograph on which to verify an export, and what a network reads of it, are here too.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from oldrestore.batch import Batch
from oldrestore.color.lab import rgb_to_lab
from oldrestore.data.codecs.decode import decode_photo
from oldrestore.data.cropping.crops import Crops
from oldrestore.data.packages.installed import package_folder
from oldrestore.engines import child_process
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.export_rewriting import plainly_written
from oldrestore.errors import UserError
from oldrestore.models.tracing import Traced, save_traced, what_paddle_said

CHANNELS = {"b1hw": 1, "b2hw": 2, "b3hw": 3}  # of an input, by the end of its name
# What Paddle's tracing raises if a network does with sizes what a program cannot.
TRACING_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, NameError, LookupError, AssertionError, OSError)
MODEL = "network"  # of the files, without their endings
# One of the default photographs (`oldrestore.data.sources.photos`), which an installed package ships.
PHOTOGRAPH = ("skimage", "data", "coffee.png")
Case = Mapping[str, np.ndarray]  # inputs by name, in order
Size = tuple[int | None, int | None]  # height and width
ANY_SIZE: Size = (None, None)


class TracedNetwork(Traced):
    """A network and its decoding, or its method `part`, as a function from a list of tensors to a tensor."""

    def __init__(self, network: nn.Layer, part: str = "", rewrite: bool = True) -> None:
        super().__init__(network, rewrite)
        self.part = part
        self.decodes = hasattr(network, "decode")

    def answer(self, inputs: list[paddle.Tensor]) -> paddle.Tensor:
        """Return colour (B, 2, h, w), Lab units, or a photograph (B, 3, H, W), sRGB 0..1."""
        if self.part:
            return getattr(self.network, self.part)(*inputs)
        prediction = self.network(*inputs)
        return self.network.decode(prediction) if self.decodes else prediction.rgb

    @paddle.no_grad()
    def on(self, case: Case) -> np.ndarray:
        """Answer to arrays."""
        return self.answer([paddle.to_tensor(values) for values in case.values()]).numpy()


def save_for_inference(
    network: nn.Layer,
    part: str,
    cases: Sequence[Case],
    folder: Path,
    distance: Callable[[np.ndarray, np.ndarray], float],
    allowed: float,
    ways: Sequence[tuple[Size, bool]] = ((ANY_SIZE, True), (ANY_SIZE, False)),
) -> tuple[Size, float]:
    """Save ``network.json`` and ``network.pdiparams`` in the first way that works; return its size and distance.

    A process of its own tries the export on the `cases`; the largest `distance` of its answers to the network's must be
    at most `allowed`. The `ways` are sizes of the inputs, and whether to rewrite (see `Traced`). A `UserError` says why
    the last failed.
    """
    expected = [TracedNetwork(network, part).on(case) for case in cases]
    reason = "its answer is not the network's"
    for size, rewrite in ways:
        shutil.rmtree(folder, ignore_errors=True)
        specs = [paddle.static.InputSpec([None, channels_of(name), *size], "float32", name) for name in cases[0]]
        try:
            with quiet(), plainly_written(network):
                save_traced(TracedNetwork(network, part, rewrite), [specs], folder / MODEL)
            answers = child_process.run_in_paddle_inference(folder / MODEL, cases)
        except TRACING_ERRORS as error:
            reason = what_paddle_said(error)
            continue
        if [answer.shape for answer in answers] == [answer.shape for answer in expected]:
            largest = max(map(distance, answers, expected))
            if largest <= allowed:
                return size, largest
    raise UserError(f"{type(network).__name__} cannot be exported to Paddle Inference: {reason}")


def exported_inputs(network: nn.Layer) -> tuple[str, tuple[str, ...]]:
    """Return the part of a network that is exported ("" for all of it), and its inputs' names.

    A class may name a method in ``exported_part`` that is most of the work, computes with no sizes, and takes and
    returns tensors; the rest of the network then stays in Paddle.
    """
    part, names = getattr(network, "exported_part", ("", network.reads))
    return part, tuple(name for name in names if name.rpartition("_")[2] in CHANNELS)


def channels_of(name: str) -> int:
    """Channels of an input, by the layout at the end of its name."""
    return CHANNELS[name.rpartition("_")[2]]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Paddle, paddle2onnx and MLflow print (their C++ sides too) out of the command's own output."""
    saved = os.dup(1), os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for kept, descriptor in zip(saved, (1, 2), strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)
        os.close(sink)


def photograph(size: int, name: str = PHOTOGRAPH[-1]) -> np.ndarray:
    """Return the photograph, or another of scikit-image's, uint8 (size, size, 3), cut as evaluation cuts it."""
    module, folder, _ = PHOTOGRAPH
    crops = Crops(size=size, crop=size, mirror=False, fit="shorter_side", evaluation_size=size)
    return crops.evaluation(decode_photo(package_folder(module, folder) / name))


def inputs_from_photo(chosen: ChosenNetwork) -> dict[str, np.ndarray]:
    """Return what the network reads of the photograph: float32 (1, C, H, W) by the names of `Batch`'s fields.

    There are hints and a hole in its middle, so that these are verified too. A network that reads what no photograph
    gives is a `UserError`.
    """
    stride = chosen.network.stride
    size = max(stride, round(chosen.size / stride) * stride)
    rgb_b3hw = photograph(size).astype(np.float32).transpose(2, 0, 1)[None] / 255.0
    lab_b3hw = rgb_to_lab(rgb_b3hw[0].transpose(1, 2, 0)).transpose(2, 0, 1)[None]
    middle = np.zeros_like(lab_b3hw[:, :1])
    middle[..., size * 3 // 8 : size // 2, size * 3 // 8 : size // 2] = 1.0
    values = {
        "L_b1hw": lab_b3hw[:, :1],
        "ab_b2hw": lab_b3hw[:, 1:],
        "rgb_b3hw": rgb_b3hw,
        "hints_b3hw": np.concatenate([lab_b3hw[:, 1:] * middle, middle], axis=1),
        "damaged_b3hw": rgb_b3hw * (1.0 - middle),
        "hole_b1hw": middle,
    }
    assert values.keys() <= Batch.__dataclass_fields__.keys(), "inputs are fields of a batch"
    # What only training gives (positions to train on) comes after what a photograph gives, and may be left out.
    names = list(takewhile(values.__contains__, chosen.network.reads))
    if not names:
        raise UserError(f"{type(chosen.network).__name__} reads {chosen.network.reads[0]}, which no photograph gives")
    return {name: np.ascontiguousarray(values[name], dtype=np.float32) for name in names}
