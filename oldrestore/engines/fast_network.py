"""Runs a chosen network in the fastest way this machine has: Paddle Inference with oneDNN, or Paddle itself."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from oldrestore import runtime
from oldrestore.batch import Prediction
from oldrestore.color.lab import rgb_to_lightness
from oldrestore.engines import child_process, export_cache
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.inference_export import (
    MODEL,
    TRACING_ERRORS,
    channels_of,
    exported_inputs,
    photograph,
    save_for_inference,
)
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor_rows
from oldrestore.models.engine import Predictor
from oldrestore.models.tracing import what_paddle_said

log = logging.getLogger(__name__)
# What an export is tried with before it is used: (photographs, height, width) in strides, of two shapes.
TRIALS = ((2, 2, 3), (1, 3, 2))
# Largest difference to the network's own answer, as a share of the largest number in it. Measured: below 1e-5.
TOLERANCE = 1e-3
# In bfloat16: root mean square over root mean square, and of photographs in colour, against float32, dB.
HALF_TOLERANCE, HALF_PSNR = 0.05, 45.0
# Of scikit-image: a table, and a face with many colours, on which half precision shows most.
PHOTOGRAPHS = ("coffee.png", "astronaut.png")


@dataclass(frozen=True)
class Running:
    """How networks are run where photographs are coloured and restored."""

    # In half precision: bfloat16 on a CPU that has it, float16 on a GPU (which is not tested).
    half: bool = False
    # As in training: nothing is exported, and the numbers are those of `oldrestore evaluate`.
    dynamic: bool = False
    say: Callable[[str], None] | None = None  # receives a line when something takes a while

    def __post_init__(self) -> None:
        if not self.half:
            return
        if self.dynamic:
            raise UserError("half precision is not for the dynamic mode: leave --half or --dynamic out")
        if _on_cpu() and not runtime.has_bfloat16():
            raise UserError("this CPU does not multiply in bfloat16 (AVX-512 BF16 or AMX): leave --half out")

    def network(self, chosen: ChosenNetwork) -> Any:
        """Return what is called and answers as the chosen network; the network itself if it cannot be exported."""
        if self.dynamic:
            return chosen.network
        if not _on_cpu():
            return HalfNetwork(chosen.network) if self.half else chosen.network
        predictor = self._predictor(chosen)
        return chosen.network if predictor is None else answering(chosen, predictor)

    def _predictor(self, chosen: ChosenNetwork) -> Predictor | None:
        key = export_cache.key_of(chosen)
        try:
            folder, record = export_cache.find(key) or self._export(chosen, key)
            if "failed" in record:
                return None
            half = self.half and self._allows_half(chosen, folder, record)
            return Predictor(folder / MODEL, half)
        except TRACING_ERRORS as error:
            reason = what_paddle_said(error)
            (self.say or log.warning)(f"{chosen.label} runs without Paddle Inference, more slowly: {reason}")
            return None

    def _export(self, chosen: ChosenNetwork, key: str) -> tuple[Path, dict[str, Any]]:
        """Export, try the export and keep it; keep also that it failed."""
        if self.say is not None:
            self.say(f"preparing {chosen.label} for this machine (once for these weights)")
        facts = {"network": type(chosen.network).__name__}
        part, _ = exported_inputs(chosen.network)

        def write(folder: Path) -> dict[str, Any]:
            arguments = chosen.network, part, trial_inputs(chosen.network), folder, _relative_maximum, TOLERANCE
            try:
                facts["difference"] = save_for_inference(*arguments)[1]
            except TRACING_ERRORS as error:
                shutil.rmtree(folder, ignore_errors=True)
                facts["failed"] = what_paddle_said(error)
                log.info("%s is not exported: %s", chosen.label, facts["failed"])
            return facts

        folder = export_cache.keep(key, write)
        return export_cache.find(key) or (folder, facts)

    def _allows_half(self, chosen: ChosenNetwork, folder: Path, record: dict[str, Any]) -> bool:
        """Whether the export answers well enough in bfloat16; measured once, first in a process of its own."""
        if "half" not in record:
            record["half"] = _half_is_near(chosen, folder / MODEL)
            export_cache.note(folder, record)
        if not record["half"]["near"]:
            (self.say or log.warning)(f"{chosen.label} runs in float32: in bfloat16 {record['half']['found']}")
        return record["half"]["near"]


def answering(chosen: ChosenNetwork, predictor: Predictor) -> Any:
    """Return what answers as the network does, by a predictor."""
    if hasattr(chosen.network, "exported_part"):
        name, _ = chosen.network.exported_part
        # In place of the method: all that is around it stays as it is written.
        chosen.network.__dict__[name] = lambda *inputs: paddle.to_tensor(predictor([x.numpy() for x in inputs])[0])
        return chosen.network
    return ExportedColorNetwork(chosen.network, predictor)


def _half_is_near(chosen: ChosenNetwork, model: Path) -> dict[str, Any]:
    """Compare an export in bfloat16 with float32: ``near``, and in words what was ``found``."""
    cases = trial_inputs(chosen.network)
    try:
        halved, whole = (child_process.run_in_paddle_inference(model, cases, half) for half in (True, False))
        off = max(map(_relative_rms, halved, whole))
    except UserError:
        return {"near": False, "found": "Paddle cannot run it"}
    if not off <= HALF_TOLERANCE:
        return {"near": False, "found": f"its answer is {off:.1%} off"}
    if not chosen.predicts_color:
        return {"near": True, "found": f"its answer is {off:.1%} off"}
    lowest = min(_half_psnr(chosen, model))
    return {"near": lowest > HALF_PSNR, "found": f"photographs are {lowest:.1f} dB from float32's"}


def _half_psnr(chosen: ChosenNetwork, model: Path) -> Iterator[float]:
    """PSNR of photographs in the colours of bfloat16 against those of float32, dB."""
    photographs = [rgb_to_lightness(photograph(chosen.size, name)) for name in PHOTOGRAPHS]
    recolored = []
    for half in (False, True):
        colorizer = Colorizer(answering(chosen, Predictor(model, half)), chosen.size)
        colors = zip(photographs, colorizer.small(photographs), strict=True)
        recolored.append([recolor_rows(L, colorizer.color_of_rows(ab, L)).astype(np.float32) for L, ab in colors])
    for whole, halved in zip(*recolored, strict=True):
        yield float(10 * np.log10(255.0**2 / max(1e-9, np.mean((whole - halved) ** 2))))


class StandIn:
    """In place of a network: everything but the call is the network's own."""

    def __init__(self, network: nn.Layer) -> None:
        self.network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


class ExportedColorNetwork(StandIn):
    """A network that predicts colour, run by a predictor."""

    def __init__(self, network: nn.Layer, predictor: Predictor) -> None:
        super().__init__(network)
        self._predictor = predictor

    def __call__(self, *inputs: paddle.Tensor) -> Prediction:
        """Predict colour, decoded, at the network's scale; inputs that are left out (hints) are zeros."""
        arrays = [x.numpy() for x in inputs]
        batch, _, height, width = arrays[0].shape
        for name in self.network.reads[len(arrays) : len(self._predictor.names)]:
            arrays.append(np.zeros((batch, channels_of(name), height, width), np.float32))
        return Prediction(ab=paddle.to_tensor(self._predictor(arrays)[0]))

    def decode(self, prediction: Prediction) -> paddle.Tensor:
        """Return the colour of a prediction, which is decoded already."""
        return prediction.ab


class HalfNetwork(StandIn):
    """A network in float16 on a GPU, where Paddle considers it safe; its answer is float32."""

    def __call__(self, *inputs: paddle.Tensor) -> Prediction:
        """Predict."""
        with paddle.amp.auto_cast(dtype="float16", level="O1"):
            prediction = self.network(*inputs)
        predicted = {name: value for name, value in vars(prediction).items() if value is not None}
        return Prediction(**{name: value.astype("float32") for name, value in predicted.items()})


def trial_inputs(network: nn.Layer) -> list[dict[str, np.ndarray]]:
    """Inputs of two shapes and batch sizes: smooth and rough, lightness 0..100, everything else 0..1."""
    rng = np.random.default_rng([0, network.stride])
    unit = network.stride * max(1, 32 // network.stride)
    cases = []
    for photographs, rows, columns in TRIALS:
        case = {}
        for name in exported_inputs(network)[1]:
            values = rng.random((photographs, channels_of(name), rows * unit, columns * unit), dtype=np.float32)
            values[..., : columns * unit // 2] = values[..., :1, :1]  # a smooth half
            case[name] = values * np.float32(100.0 if name.startswith("L_") else 1.0)
        cases.append(case)
    return cases


def _relative_maximum(answer: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(answer - expected).max() / max(1e-6, np.abs(expected).max()))


def _relative_rms(answer: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((answer - expected) ** 2) / max(1e-12, np.mean(expected**2))))


def _on_cpu() -> bool:
    return paddle.device.get_device() == "cpu"
