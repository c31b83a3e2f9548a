"""Exports a network for inference: Paddle Inference, ONNX or MLflow pyfunc, each verified before it is in place."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from omegaconf import OmegaConf

from oldrestore import __version__
from oldrestore.color.lab import rgb_to_lab
from oldrestore.engines.child_process import convert_to_onnx
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.inference_export import (
    ANY_SIZE,
    MODEL,
    PHOTOGRAPH,
    TracedNetwork,
    inputs_from_photo,
    photograph,
    quiet,
    save_for_inference,
)
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor
from oldrestore.files import whole_folder

Format = Literal["paddle", "onnx", "pyfunc"]
# Largest difference to the network, anywhere in the photograph: a quarter of a step of 8 bits, which is about 0.4 Lab
# units. Measured: below 0.001 Lab units.
TOLERANCES = {"ab": 0.1, "rgb": 0.001}
PYFUNC_TOLERANCE = 0.0  # 8-bit steps: it is the same network
ONNX_PACKAGES = "pip install paddle2onnx onnxruntime"


@dataclass(frozen=True)
class Export:
    """An export in its place."""

    folder: str
    format: str
    network: str  # its class
    inputs: list[str]  # names, in order, as `oldrestore.batch.Batch` explains them
    output: str  # "ab" (Lab units), "rgb" (0..1), or for a pyfunc "sRGB uint8"
    size: str  # accepted sizes, pixels
    photograph: str  # what it was verified on
    difference: float  # largest from the network's own answer, in units of the output
    tolerance: float  # largest allowed
    verified_with: str  # what ran it


def export_network(chosen: ChosenNetwork, kind: Format, folder: Path, overwrite: bool = False) -> Export:
    """Write a network in an inference format, verify it on a real photograph, and only then put it in place.

    A `UserError` says if the folder exists and must not be replaced, a package is missing, the network cannot be
    exported in this format, or the export does not answer as the network does.
    """
    if folder.exists() and (not overwrite or not folder.is_dir()):
        raise UserError(f"'{folder}' exists already: name another folder, or add --overwrite to replace it")
    write = {"paddle": _write_paddle, "onnx": _write_onnx, "pyfunc": _write_pyfunc}[kind]
    with whole_folder(folder) as neighbour:
        facts = write(chosen, neighbour)
        if not facts["difference"] <= facts["tolerance"]:
            raise UserError(
                f"the {kind} export of {chosen.label} answers otherwise than the network: {facts['difference']:.3g} "
                f"apart on {PHOTOGRAPH[-1]}, and {facts['tolerance']:g} is allowed; nothing was written"
            )
        network = type(chosen.network).__name__
        export = Export(folder=str(folder), format=kind, network=network, photograph=PHOTOGRAPH[-1], **facts)
        (neighbour / "export.json").write_text(
            json.dumps({**asdict(export), **chosen.describe()}, indent=2) + "\n", encoding="utf-8"
        )
    return export


def _write_paddle(chosen: ChosenNetwork, folder: Path) -> dict[str, Any]:
    """Save so that photographs of any size go in; if the network cannot be traced so, of one size."""
    network, inputs = chosen.network, inputs_from_photo(chosen)
    height, width = next(iter(inputs.values())).shape[2:]
    ways = ((ANY_SIZE, True), ((height, width), False), ((height, width), True))
    size, difference = save_for_inference(network, "", [inputs], folder, _largest_difference, np.inf, ways)
    output = "ab" if hasattr(network, "decode") else "rgb"
    any_size, one_size = f"any multiple of {network.stride} x {network.stride}", f"{height} x {width} only"
    return {
        "inputs": list(inputs),
        "output": output,
        "size": any_size if size == ANY_SIZE else one_size,
        "difference": difference,
        "tolerance": TOLERANCES[output],
        "verified_with": "Paddle Inference, CPU, oneDNN",
    }


def _largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


def _write_onnx(chosen: ChosenNetwork, folder: Path) -> dict[str, Any]:
    if importlib.util.find_spec("paddle2onnx") is None:
        raise UserError(f"ONNX export needs paddle2onnx, which is not installed: {ONNX_PACKAGES}")
    facts = _write_paddle(chosen, folder)
    model = folder / f"{MODEL}.onnx"
    convert_to_onnx(folder / MODEL, model)
    for path in folder.glob(f"{MODEL}.*"):
        if path != model:
            path.unlink()
    run, runtime = _onnx_runner(model)
    inputs = inputs_from_photo(chosen)
    difference = _largest_difference(run(inputs), TracedNetwork(chosen.network).on(inputs))
    return facts | {"difference": difference, "verified_with": runtime}


def _onnx_runner(model: Path) -> tuple[Callable[[dict[str, np.ndarray]], np.ndarray], str]:
    """ONNX Runtime if it is installed; else the reference evaluator of the onnx package, which is slow."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(str(model))
        return lambda inputs: evaluator.run(None, inputs)[0], "onnx.reference"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: it warns of every constant that nothing uses
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0], f"ONNX Runtime {onnxruntime.__version__}, CPU"


def _write_pyfunc(chosen: ChosenNetwork, folder: Path) -> dict[str, Any]:
    import mlflow.pyfunc

    from oldrestore.engines import pyfunc
    from oldrestore.tracking.mlflow_model import colorizer_signature

    chosen.require_color("the pyfunc")
    with tempfile.TemporaryDirectory(prefix="oldrestore-export-") as work:
        config = Path(work) / "config.yaml"
        evaluation = {"size": chosen.size, "fit": chosen.fit, "batch_size": 16}
        OmegaConf.save(OmegaConf.create({"model": chosen.model, "evaluation": evaluation}), config)
        with quiet():
            mlflow.pyfunc.save_model(
                path=str(folder),
                python_model=pyfunc.__file__,
                artifacts={"config": str(config), "checkpoint": str(chosen.weights)},
                signature=colorizer_signature(),
                pip_requirements=[f"oldrestore[cpu]=={__version__}"],
            )
            L_hw = rgb_to_lab(photograph(chosen.size))[..., 0]
            answer = mlflow.pyfunc.load_model(str(folder)).predict({"L": L_hw[None, ..., None]})[0]
    prediction = Colorizer(chosen.network, chosen.size, chosen.fit)([L_hw])[0]
    difference = np.abs(answer.astype(int) - recolor(L_hw, prediction.ab_hw2).astype(int)).max()
    return {
        "inputs": ["L"],
        "output": "sRGB uint8",
        "size": "any",
        "difference": float(difference),
        "tolerance": PYFUNC_TOLERANCE,
        "verified_with": f"mlflow {mlflow.__version__}",
    }
