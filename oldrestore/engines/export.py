"""Exports a network for inference: Paddle Inference, ONNX or MLflow pyfunc, each verified before it is in place."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from omegaconf import OmegaConf
from paddle import nn

from oldrestore import __version__
from oldrestore.color.lab import rgb_to_lab
from oldrestore.engines.child_process import convert_to_onnx, run_in_paddle_inference
from oldrestore.engines.chosen_network import ChosenNetwork
from oldrestore.engines.export_rewriting import plainly_written
from oldrestore.engines.verification_photo import PHOTOGRAPH, inputs_from_photo, photograph
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor
from oldrestore.files import whole_folder
from oldrestore.models.flops import what_paddle_said
from oldrestore.models.tracing import save_traced

Format = Literal["paddle", "onnx", "pyfunc"]
FORMATS: tuple[Format, ...] = ("paddle", "onnx", "pyfunc")
CHANNELS = {"b1hw": 1, "b2hw": 2, "b3hw": 3}
# Largest difference to the network, anywhere in the photograph: a quarter of a step of 8 bits, which is about 0.4 Lab
# units. Measured: below 0.001 Lab units.
TOLERANCES = {"ab": 0.1, "rgb": 0.001}
PYFUNC_TOLERANCE = 0.0  # 8-bit steps: it is the same network
# What Paddle's tracing raises where a network does with sizes what a program cannot.
TRACING_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, NameError, LookupError, AssertionError, OSError)
ONNX_PACKAGES = "pip install paddle2onnx onnxruntime"


@dataclass(frozen=True)
class Export:
    """An export in its place.

    Attributes
    ----------
    folder : Path
    format : str
    network : str
        Class of the network.
    inputs : list of str
        Names, in order, as ``oldrestore.batch.Batch`` explains them.
    output : str
        ``ab`` (Lab units), ``rgb`` (0..1), or for a pyfunc ``sRGB uint8``.
    size : str
        Sizes that it takes, pixels.
    photograph : str
        What it was verified on.
    difference, tolerance : float
        To the network's own answer, in units of the output: the largest found, and the largest allowed.
    verified_with : str
        What ran it.
    """

    folder: str
    format: str
    network: str
    inputs: list[str]
    output: str
    size: str
    photograph: str
    difference: float
    tolerance: float
    verified_with: str


def export_network(chosen: ChosenNetwork, kind: Format, folder: Path, overwrite: bool = False) -> Export:
    """Write a network in an inference format, verify it on a real photograph, and only then put it in place.

    Parameters
    ----------
    chosen : ChosenNetwork
    kind : {"paddle", "onnx", "pyfunc"}
    folder : Path
        To be made; with `overwrite`, replaced.

    Raises
    ------
    UserError
        When the folder exists, a package is missing, the network cannot be exported in this format, or the export
        answers otherwise than the network.
    """
    if folder.exists() and (not overwrite or not folder.is_dir()):
        raise UserError(f"'{folder}' exists already: name another folder, or add --overwrite to replace it")
    write = {"paddle": _write_paddle, "onnx": _write_onnx, "pyfunc": _write_pyfunc}[kind]
    with whole_folder(folder) as neighbour:
        found = write(chosen, neighbour)
        if not found["difference"] <= found["tolerance"]:
            raise UserError(
                f"the {kind} export of {chosen.label} answers otherwise than the network: {found['difference']:.3g} "
                f"apart on {PHOTOGRAPH[-1]}, and {found['tolerance']:g} is allowed; nothing was written"
            )
        export = Export(
            folder=str(folder),
            format=kind,
            network=type(chosen.network).__name__,
            photograph=PHOTOGRAPH[-1],
            **found,
        )
        (neighbour / "export.json").write_text(
            json.dumps({**asdict(export), **chosen.describe()}, indent=2) + "\n", encoding="utf-8"
        )
    return export


class ExportedNetwork(nn.Layer):
    """A network and its decoding as one function of tensors: the fields that it reads, in, and one tensor out.

    Parameters
    ----------
    network : nn.Layer
    rewrite : bool
        Whether Paddle rewrites the source of what is called, so that sizes may stay open. Without, sizes are
        numbers while the network is traced, and any Python may be done with them.
    """

    def __init__(self, network: nn.Layer, rewrite: bool = True) -> None:
        super().__init__()
        self.network = network
        self.rewrite = rewrite
        self.output = "ab" if hasattr(network, "decode") else "rgb"

    def forward(self, inputs: list[paddle.Tensor]) -> paddle.Tensor:
        """Colour (B, 2, h, w), Lab units, or a photograph (B, 3, H, W), sRGB 0..1."""
        return self.answer(inputs) if self.rewrite else self.answer_as_it_is(inputs)

    def answer(self, inputs: list[paddle.Tensor]) -> paddle.Tensor:
        """Run the network and decode."""
        prediction = self.network(*inputs)
        return self.network.decode(prediction) if self.output == "ab" else prediction.rgb

    @paddle.jit.not_to_static
    def answer_as_it_is(self, inputs: list[paddle.Tensor]) -> paddle.Tensor:
        """Run the network and decode, its source untouched."""
        return self.answer(inputs)


def _write_paddle(chosen: ChosenNetwork, folder: Path) -> dict[str, Any]:
    exported, inputs = ExportedNetwork(chosen.network), inputs_from_photo(chosen)
    exported.eval()
    expected = _answer(exported, inputs)
    size, difference = _save_for_some_size(exported, inputs, expected, folder)
    return _found(exported, list(inputs), size, difference, "Paddle Inference, CPU, oneDNN")


def _save_for_some_size(
    exported: ExportedNetwork, inputs: dict[str, np.ndarray], expected: np.ndarray, folder: Path
) -> tuple[str, float]:
    """Save so that photographs of any size go in; where the network cannot be traced so, of one size."""
    network = exported.network
    shape = next(iter(inputs.values())).shape[2:]
    reason = "its answer has another shape"
    any_size, one_size = f"any multiple of {network.stride} x {network.stride}", f"{shape[0]} x {shape[1]} only"
    # Without rewriting, a network may calculate with sizes; with it, it may branch on values.
    for (height, width), rewrite, size in (
        ((None, None), True, any_size),
        (shape, False, one_size),
        (shape, True, one_size),
    ):
        shutil.rmtree(folder, ignore_errors=True)
        channels = {name: CHANNELS[name.rpartition("_")[2]] for name in inputs}
        specs = [paddle.static.InputSpec([None, channels[name], height, width], "float32", name) for name in inputs]
        traced = ExportedNetwork(network, rewrite=rewrite)
        traced.eval()
        try:
            with quiet(), plainly_written(network):
                save_traced(traced, [specs], folder / "network")
            answer = run_in_paddle_inference(folder / "network", inputs)
        except TRACING_ERRORS as error:
            reason = what_paddle_said(error)
            continue
        if answer.shape == expected.shape:
            return size, float(np.abs(answer - expected).max())
    raise UserError(f"{type(network).__name__} cannot be exported to Paddle Inference: {reason}")


def _write_onnx(chosen: ChosenNetwork, folder: Path) -> dict[str, Any]:
    if importlib.util.find_spec("paddle2onnx") is None:
        raise UserError(f"ONNX export needs paddle2onnx, which is not installed: {ONNX_PACKAGES}")
    exported, inputs = ExportedNetwork(chosen.network), inputs_from_photo(chosen)
    exported.eval()
    expected = _answer(exported, inputs)
    size, _ = _save_for_some_size(exported, inputs, expected, folder)
    model = folder / "network.onnx"
    convert_to_onnx(folder / "network", model)
    for path in folder.glob("network.*"):
        if path != model:
            path.unlink()
    run, runtime = _onnx_runner(model)
    return _found(exported, list(inputs), size, float(np.abs(run(inputs) - expected).max()), runtime)


def _onnx_runner(model: Path) -> tuple[Callable[[dict[str, np.ndarray]], np.ndarray], str]:
    """ONNX Runtime where it is installed; else the reference evaluator of the onnx package, which is slow."""
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
    work = folder.with_name(f"{folder.name}.config")
    work.mkdir(parents=True, exist_ok=True)
    try:
        config = work / "config.yaml"
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
    finally:
        shutil.rmtree(work, ignore_errors=True)
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


def _found(exported: ExportedNetwork, inputs: list[str], size: str, difference: float, how: str) -> dict[str, Any]:
    return {
        "inputs": inputs,
        "output": exported.output,
        "size": size,
        "difference": difference,
        "tolerance": TOLERANCES[exported.output],
        "verified_with": how,
    }


@paddle.no_grad()
def _answer(exported: ExportedNetwork, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return exported([paddle.to_tensor(value) for value in inputs.values()]).numpy()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Paddle, paddle2onnx and MLflow print (their C++ sides too) away from the command's own output."""
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
