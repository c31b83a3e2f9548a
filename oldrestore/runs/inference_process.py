"""Runs Paddle Inference and paddle2onnx in a process of their own: a crash there must not take this one along."""

from __future__ import annotations

import subprocess
import sys
import tempfile
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
    with tempfile.TemporaryDirectory(prefix="oldrestore-inference-") as folder:
        given, found = Path(folder) / "inputs.npz", Path(folder) / "output.npy"
        np.savez(given, **inputs)
        _in_a_process("Paddle Inference with oneDNN cannot run the exported network", "infer", model, given, found)
        return np.load(found)


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
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        crashed = done.returncode < 0 or "FatalError" in done.stderr
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise UserError(f"{failure}: {'it crashes' if crashed else (lines or ['no reason given'])[-1].strip()}")


def infer(model: str, given: str, found: str) -> None:
    """Load, run once, and save the output."""
    from paddle import inference

    config = inference.Config(f"{model}.json", f"{model}.pdiparams")
    config.disable_gpu()
    config.enable_mkldnn()
    config.disable_glog_info()
    predictor = inference.create_predictor(config)
    with np.load(given) as inputs:
        for name in predictor.get_input_names():
            predictor.get_input_handle(name).copy_from_cpu(inputs[name])
    predictor.run()
    np.save(found, predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu())


def convert(model: str, output: str) -> None:
    """Convert, without paddle2onnx's own optimizer: that calls pip for packages while it runs."""
    import paddle2onnx

    paddle2onnx.export(
        f"{model}.json", f"{model}.pdiparams", output, opset_version=ONNX_OPSET, optimize_tool="none", verbose=False
    )


def main(task: str, *arguments: str) -> None:
    """Carry out one of the two."""
    from oldrestore import runtime

    runtime.prepare()
    runtime.quiet_import_of_paddle()
    {"infer": infer, "convert": convert}[task](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
