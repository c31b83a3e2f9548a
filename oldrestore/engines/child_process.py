"""Runs Paddle Inference and paddle2onnx in a process of their own: a crash there must not take this one along."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from oldrestore.errors import UserError

ONNX_OPSET = 17


def run_in_paddle_inference(model: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Run ``NAME.json`` and ``NAME.pdiparams`` on the CPU with oneDNN; returns the first output.

    Parameters
    ----------
    model : Path
        Of the files, without their endings.
    inputs : dict of np.ndarray
        By the names that they were exported with.

    Raises
    ------
    UserError
        When Paddle Inference cannot load or run it.
    """
    return run_several(model, [inputs])[0]


def run_several(model: Path, cases: Sequence[Mapping[str, np.ndarray]], half: bool = False) -> list[np.ndarray]:
    """Run as `run_in_paddle_inference` does, several inputs one after the other; `half` as for `Predictor`."""
    with tempfile.TemporaryDirectory(prefix="oldrestore-inference-") as folder:
        given, found = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        named = {f"{number}/{name}": values for number, case in enumerate(cases) for name, values in case.items()}
        np.savez(given, **named)
        task = "infer_half" if half else "infer"
        _in_a_process("Paddle Inference with oneDNN cannot run the exported network", task, model, given, found)
        with np.load(found) as outputs:
            return [outputs[str(number)] for number in range(len(cases))]


def convert_to_onnx(model: Path, output: Path) -> None:
    """Convert ``NAME.json`` and ``NAME.pdiparams`` to an ONNX file.

    Raises
    ------
    UserError
        When paddle2onnx cannot.
    """
    _in_a_process("paddle2onnx cannot convert the exported network", "convert", model, output)
    if not output.is_file():
        raise UserError("paddle2onnx cannot convert the exported network: it wrote no file")


def _in_a_process(failure: str, task: str, *arguments: Path) -> None:
    command = [sys.executable, "-m", __spec__.name, task, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        crashed = done.returncode < 0 or "FatalError" in done.stderr
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise UserError(f"{failure}: {'it crashes' if crashed else (lines or ['no reason given'])[-1].strip()}")


def infer(model: str, given: str, found: str, half: bool = False) -> None:
    """Load, run each case, and save the outputs."""
    from oldrestore.models.engine import Predictor

    predictor = Predictor(Path(model), half)
    outputs = {}
    with np.load(given) as inputs:
        for number in range(len(inputs.files) // len(predictor.names)):
            outputs[str(number)] = predictor([inputs[f"{number}/{name}"] for name in predictor.names])[0]
    np.savez(found, **outputs)


def infer_half(model: str, given: str, found: str) -> None:
    """Do so in bfloat16."""
    infer(model, given, found, half=True)


def convert(model: str, output: str) -> None:
    """Convert, without paddle2onnx's own optimizer: that calls pip for packages while it runs."""
    import paddle2onnx

    paddle2onnx.export(
        f"{model}.json", f"{model}.pdiparams", output, opset_version=ONNX_OPSET, optimize_tool="none", verbose=False
    )


def main(task: str, *arguments: str) -> None:
    """Carry out one of them."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    {"infer": infer, "infer_half": infer_half, "convert": convert}[task](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
