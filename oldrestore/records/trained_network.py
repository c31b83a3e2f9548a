"""The network that a run trained."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oldrestore.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from paddle import nn

    from oldrestore.evaluation.colorizer import Colorizer


class TrainedNetwork:
    """The part of `oldrestore.records.run.Run` that loads its network and colours with it."""

    folder: Path
    composed: DictConfig
    require_plugins: Callable[[str], None]

    @property
    def checkpoints(self) -> dict[str, Path]:
        """``best``, ``last`` and the kept ones, by name."""
        return {path.stem: path for path in sorted(self.folder.glob("checkpoints/*.safetensors"))}

    def network(self, checkpoint: str = "best", config: DictConfig | None = None) -> nn.Layer:
        """Build the network of `config` (by default `composed`) with a checkpoint's weights, in evaluation mode."""
        from oldrestore import runtime

        if "paddle" not in sys.modules:  # its environment must be set before it is imported
            runtime.prepare()
            runtime.quiet_import_of_paddle()
        from oldrestore.config.build import build
        from oldrestore.models.weights import load_weights

        self.require_plugins("model")
        files = self.checkpoints
        if checkpoint not in files:
            names = ", ".join(files) or "none"
            raise UserError(f"run '{self.folder.name}' has no checkpoint '{checkpoint}': it has {names}")
        network = build(without_weights((config or self.composed).model))
        load_weights(network, files[checkpoint])
        network.eval()
        return network

    def colorize(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """Colour a photograph with the run's best checkpoint, as ``oldrestore colorize --dynamic`` does.

        The photograph is sRGB, uint8 (H, W, 3), and so is the result, of the same size. Of the photograph's own colours
        only the lightness is used. Raises `UserError` if the run has no such checkpoint, or its network predicts no
        colour, and ValueError for another array.
        """
        if rgb_hw3.dtype != np.uint8 or rgb_hw3.ndim != 3 or rgb_hw3.shape[2] != 3 or not rgb_hw3.size:
            raise ValueError(f"a photograph is uint8 (H, W, 3), not {rgb_hw3.dtype} {rgb_hw3.shape}")
        colorizer = self._colorizer
        from oldrestore.evaluation.prediction import lightness

        return colorizer.recolored(lightness(rgb_hw3))

    @cached_property
    def _colorizer(self) -> Colorizer:
        config = self.composed
        network = self.network("best", config)
        from oldrestore.evaluation.colorizer import Colorizer, predicts_color

        if not predicts_color(network):
            raise UserError(f"run '{self.folder.name}' trained {type(network).__name__}, which predicts no colour")
        return Colorizer(network, config.evaluation.size, config.evaluation.fit)


def without_weights(model: DictConfig) -> DictConfig:
    """Return a ``model`` node without a weights file, which may be gone: a checkpoint's weights are loaded instead."""
    from omegaconf import OmegaConf

    return OmegaConf.merge(model, {"weights": None}) if "weights" in model else model
