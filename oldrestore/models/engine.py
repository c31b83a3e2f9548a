"""Runs a fixed network fast: Paddle Inference with oneDNN on CPU, Paddle itself on GPU."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle

from oldrestore import runtime
from oldrestore.models.tracing import save_traced

log = logging.getLogger(__name__)
# oneDNN keeps reordered weights for each recent input shape, for eccv16 some hundred megabytes of them.
KEPT_FOR_SHAPES = 256 * 2**20  # bytes
FEWEST_SHAPES, MOST_SHAPES = 2, 16  # portrait and landscape, at least


class Predictor:
    """An exported network as a function of NumPy arrays, on the CPU, by Paddle Inference with oneDNN.

    Plans of the most recent shapes are kept, as many as stay within about `KEPT_FOR_SHAPES`. No other class calls
    Paddle Inference: it leaves the whole process with one thread unless the number is restored, as is done here.

    Parameters
    ----------
    model : Path
        Of ``NAME.json`` and ``NAME.pdiparams``, without their endings. If Paddle cannot load them, it raises
        RuntimeError, ValueError or OSError.
    half : bool
        Multiply in bfloat16 where Paddle can; see `oldrestore.runtime.has_bfloat16`.
    """

    def __init__(self, model: Path, half: bool = False) -> None:
        from paddle import inference

        weights = Path(f"{model}.pdiparams")
        config = inference.Config(f"{model}.json", str(weights))
        config.disable_gpu()
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(
            min(MOST_SHAPES, max(FEWEST_SHAPES, KEPT_FOR_SHAPES // max(1, weights.stat().st_size)))
        )
        if half:
            config.enable_mkldnn_bfloat16()
        config.set_cpu_math_library_num_threads(runtime.threads())
        config.disable_glog_info()
        with runtime.threads_kept():
            self._predictor = inference.create_predictor(config)
        self._inputs = [self._predictor.get_input_handle(name) for name in self._predictor.get_input_names()]
        self._outputs = [self._predictor.get_output_handle(name) for name in self._predictor.get_output_names()]

    @property
    def names(self) -> list[str]:
        """Inputs, in the order in which a call takes them."""
        return self._predictor.get_input_names()

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run float32 batches, one per input; return the outputs, float32."""
        for handle, values in zip(self._inputs, inputs, strict=True):
            handle.copy_from_cpu(np.ascontiguousarray(values, dtype=np.float32))
        with runtime.threads_kept():
            self._predictor.run()
        return [handle.copy_to_cpu() for handle in self._outputs]


def exported(network: paddle.nn.Layer, input_spec: paddle.static.InputSpec) -> Predictor | None:
    """Export a network of one input to Paddle Inference; None, with a warning in the log, if Paddle cannot."""
    try:
        with tempfile.TemporaryDirectory(prefix="oldrestore-") as folder, warnings.catch_warnings():
            # While a network is traced, its tensors have no place.
            warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")
            path = Path(folder) / "network"
            save_traced(network, [input_spec], path)
            return Predictor(path)
    except (RuntimeError, ValueError, TypeError, AttributeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1:]
        log.warning("Paddle Inference is not available, so a fixed network is several times slower: %s", reason)
        return None


class Engine:
    """A network whose weights no longer change, as a function from float32 (B, 3, size, size) to one array.

    On a CPU it is exported once, at the first call, to Paddle Inference with oneDNN: batch norm is folded into
    the convolutions, and EfficientNet-lite0 answers more than three times as fast as in Paddle's dynamic mode,
    equal to about 2e-6 in probability. On a GPU, or if Paddle was built without oneDNN, it runs in dynamic mode.
    """

    def __init__(self, network: paddle.nn.Layer, size: int):
        network.eval()
        self._network = network
        self._size = size
        self._predictor = None
        self._exported = paddle.device.get_device() != "cpu"

    def __call__(self, images_b3ss: np.ndarray) -> np.ndarray:
        """Run a float32 batch (B, 3, size, size); returns the network's float32 output."""
        if not self._exported:
            spec = paddle.static.InputSpec([None, 3, self._size, self._size], "float32", name="images")
            self._predictor = exported(self._network, spec)
            self._exported = True
        if self._predictor is None:
            with paddle.no_grad():
                return self._network(paddle.to_tensor(images_b3ss)).numpy()
        return self._predictor([images_b3ss])[0]
