"""The colorizer as an MLflow pyfunc: lightness in, RGB out.

MLflow runs this file as it is ("models from code"), so nothing is pickled; the network comes from the logged
configuration through the one build seam and from the safetensors checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oldrestore import __version__

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from oldrestore.tracking.protocol import ModelPackage


def finished_model(folder: Path, config: DictConfig) -> ModelPackage | None:
    """Return the best checkpoint of a finished run as a model that others can load, if it is a colorizer."""
    from oldrestore.tracking.protocol import ModelPackage

    checkpoint = folder / "checkpoints" / "best.safetensors"
    if not (config.evaluation.color and checkpoint.is_file()):
        return None
    return ModelPackage(
        python_file=Path(__file__),
        artifacts={"config": folder / "config.yaml", "checkpoint": checkpoint},
        pip_requirements=[f"oldrestore[cpu]=={__version__}"],
    )


def _define() -> None:
    """Define the model class and give it to MLflow; only when MLflow itself runs this file."""
    from mlflow.models import set_model
    from mlflow.pyfunc import PythonModel

    class PhotoColorizer(PythonModel):
        """Colours photographs: input L float32 (B, H, W, 1), 0..100; output sRGB uint8 (B, H, W, 3)."""

        def load_context(self, context) -> None:
            """Build the network from the run's configuration and best checkpoint."""
            from oldrestore import runtime

            runtime.prepare()
            runtime.quiet_import_of_paddle()
            from omegaconf import OmegaConf

            from oldrestore.config.build import build
            from oldrestore.evaluation.colorizer import Colorizer
            from oldrestore.models.weights import load_weights

            config = OmegaConf.load(context.artifacts["config"])
            if "weights" in config.model:
                config.model.weights = None
            network = build(config.model)
            load_weights(network, Path(context.artifacts["checkpoint"]))
            network.eval()
            evaluation = config.evaluation
            self.colorizer = Colorizer(network, evaluation.size, evaluation.fit, evaluation.batch_size)

        def predict(self, context, model_input, params=None) -> np.ndarray:
            """Colour a batch of lightness images."""
            from oldrestore.color.lab import lab_to_rgb8

            # MLflow passes inputs that the signature names as a dict.
            L_bhw1 = model_input["L"] if isinstance(model_input, dict) else model_input
            photos = list(np.asarray(L_bhw1, dtype=np.float32)[..., 0])
            return np.stack(
                [
                    lab_to_rgb8(np.concatenate([L[..., None], prediction.ab_hw2], axis=-1))
                    for L, prediction in zip(photos, self.colorizer(photos), strict=True)
                ]
            )

    set_model(PhotoColorizer())


if __name__ != "oldrestore.engines.pyfunc":
    _define()
