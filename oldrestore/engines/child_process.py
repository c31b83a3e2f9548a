"""Runs Paddle Inference and paddle2onnx in a process of their own: a crash there must not end this one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from oldrestore.errors import UserError

ONNX_OPSET = 17


def run_in_paddle_inference(
    model: Path, cases: Sequence[Mapping[str, np.ndarray]], half: bool = False
) -> list[np.ndarray]:
    """Run ``NAME.json`` and ``NAME.pdiparams`` on the CPU with oneDNN; return the first output of each case.

    A case holds the inputs by the names that they were exported with; `model` and `half` are as for
    `oldrestore.models.engine.Predictor`. A `UserError` says if Paddle Inference cannot load or run the model.
    """
    with tempfile.TemporaryDirectory(prefix="oldrestore-inference-") as folder:
        inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        named = {f"{number}/{name}": values for number, case in enumerate(cases) for name, values in case.items()}
        np.savez(inputs, **named)
        task = "infer_half" if half else "infer"
        _run("Paddle Inference with oneDNN cannot run the exported network", task, model, inputs, outputs)
        with np.load(outputs) as answers:
            return [answers[str(number)] for number in range(len(cases))]


def convert_to_onnx(model: Path, output: Path) -> None:
    """Convert ``NAME.json`` and ``NAME.pdiparams`` to an ONNX file; a `UserError` says if paddle2onnx cannot."""
    _run("paddle2onnx cannot convert the exported network", "convert", model, output)
    if not output.is_file():
        raise UserError("paddle2onnx cannot convert the exported network: it wrote no file")


def _run(failure: str, task: str, *arguments: Path) -> None:
    command = [sys.executable, "-m", __spec__.name, task, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        crashed = done.returncode < 0 or "FatalError" in done.stderr
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise UserError(f"{failure}: {'it crashes' if crashed else (lines or ['no reason given'])[-1].strip()}")


def _infer(half: bool, model: str, inputs: str, outputs: str) -> None:
    from oldrestore.models.engine import Predictor

    predictor = Predictor(Path(model), half)
    answers = {}
    with np.load(inputs) as arrays:
        for number in range(len(arrays.files) // len(predictor.names)):
            answers[str(number)] = predictor([arrays[f"{number}/{name}"] for name in predictor.names])[0]
    np.savez(outputs, **answers)


def _convert(model: str, output: str) -> None:
    import paddle2onnx

    # Not with paddle2onnx's own optimizer, which calls pip for packages while it runs.
    paddle2onnx.export(
        f"{model}.json", f"{model}.pdiparams", output, opset_version=ONNX_OPSET, optimize_tool="none", verbose=False
    )


def main(task: str, *arguments: str) -> None:
    """Run a task in this process."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    if task == "convert":
        _convert(*arguments)
    else:
        _infer(task == "infer_half", *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
