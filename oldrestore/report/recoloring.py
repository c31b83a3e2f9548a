"""Colours validation photographs with the network whose figures a run reports, under its protocol."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from hydra.errors import HydraException
from omegaconf import OmegaConf

from oldrestore.config.build import build
from oldrestore.data.loading.loader import decode_known_photo
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.engines.weights_file import load_file
from oldrestore.errors import UserError
from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.records.run import Run
from oldrestore.records.trained_network import without_weights
from oldrestore.scoring.scoring import crops_of, panel_rows
from oldrestore.training.checkpoint import iteration_of

AT_ONCE = 16


@dataclass(frozen=True)
class Recolored:
    """Photographs by name: (original, gray) and the output of a run, each uint8 (S, S, 3)."""

    originals: dict[str, tuple[np.ndarray, np.ndarray]]
    outputs: dict[str, np.ndarray]


class Recolorer:
    """Colours photographs with run after run; what runs share is loaded and decoded once."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[PhotoSource, Split]] = {}
        self._seen: dict[tuple[str, str], np.ndarray] = {}

    def names(self, run: Run) -> list[str]:
        """Sorted names of a run's validation photographs; `UserError` if they are missing or have changed."""
        return sorted(photo.name for photo in self._split(run)[1].photos)

    def recolor(self, run: Run, names: Collection[str]) -> Recolored:
        """Colour photographs with the weights that a run's last validation measured.

        If no checkpoint kept them, its best is used, or else its last. Raises `UserError` if weights or photographs
        cannot be read.
        """
        source, split = self._split(run)
        photos = sorted((photo for photo in split.photos if photo.name in names), key=lambda photo: photo.name)
        config = OmegaConf.create(run.config)
        try:
            if run.weights_file is not None:
                network = load_file(run.weights_file, without_weights(config.model))
            else:
                network = run.training.network(_checkpoint(run), config)
        except (HydraException, ValueError, TypeError) as problem:
            raise UserError(f"its network cannot be built ({' '.join(str(problem).split())[:200]})") from None
        evaluation, crops = config.evaluation, crops_of(config, source)
        key = f"{_dataset(run)} {evaluation.get('crops')}"
        colorizer = Colorizer(network, evaluation.size, evaluation.fit, evaluation.batch_size)
        originals, outputs = {}, {}
        for start in range(0, len(photos), AT_ONCE):
            chunk = photos[start : start + AT_ONCE]
            for photo in chunk:
                if (key, photo.name) not in self._seen:
                    self._seen[key, photo.name] = crops.evaluation(decode_known_photo(photo))
            rows = panel_rows(colorizer, [self._seen[key, photo.name] for photo in chunk])
            for photo, (gray, output, original) in zip(chunk, rows, strict=True):
                originals[photo.name], outputs[photo.name] = (original, gray), output
        return Recolored(originals, outputs)

    def _split(self, run: Run) -> tuple[PhotoSource, Split]:
        key = _dataset(run)
        run.require_plugins("dataset")
        if key not in self._sources:
            source = build(OmegaConf.create(run.config).dataset)
            # A set without a validation split is measured whole, as `evaluate` does it.
            split = source.split("val" if "val" in source.split_names else source.split_names[0])
            self._sources[key] = (source, split)
        if self._sources[key][1].fingerprint != run.data["val"]["fingerprint"]:
            raise UserError("the photographs here are not those that it was measured on")
        return self._sources[key]


def _dataset(run: Run) -> str:
    return json.dumps(run.config.get("dataset"), sort_keys=True, default=str)


def _checkpoint(run: Run) -> str:
    if run.is_evaluation:
        return run.typed("checkpoint") or "best"
    checkpoints = run.checkpoints
    preferred = [name for name in ("best", "last") if name in checkpoints]
    validated = run.scores.loc[run.scores["set"] == "val", "trained_iterations"]
    if len(validated):
        # The scores below a picture are of that validation: the best network may be an earlier one.
        for name in dict.fromkeys([*preferred, *checkpoints]):
            if iteration_of(checkpoints[name]) == int(validated.iloc[0]):
                return name
    return preferred[0] if preferred else "last"
