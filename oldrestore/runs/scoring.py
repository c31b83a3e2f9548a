"""Scores a network on a run's protocol: validation measures, sample panels and the accuracy table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import paddle
from omegaconf import DictConfig
from paddle import nn

from oldrestore.color.lab import gray_rgb8, rgb_to_lab
from oldrestore.config.build import build
from oldrestore.data.inputs import Inputs
from oldrestore.data.loader import decode_known_photo, evaluation_photos
from oldrestore.data.source import PhotoSource, Split
from oldrestore.evaluation.accuracy import judge_recolorings
from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.evaluation.colorizer import Colorizer, ColorNetwork
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext
from oldrestore.evaluation.prediction import recolor
from oldrestore.evaluation.validation import ValidationResult, score_validation
from oldrestore.runs.components import Judged
from oldrestore.tracking.panels import side_by_side
from oldrestore.training.progress import Narrator


@dataclass
class Scorer:
    """What a protocol measures with: photographs, sizes, judge."""

    config: DictConfig
    source: PhotoSource
    validation: Split
    judged: Judged | None
    narrator: Narrator
    check: Callable[[], None] = lambda: None

    def colorizer(self, network: ColorNetwork) -> Colorizer:
        """Colour photographs with a network as the protocol says."""
        evaluation = self.config.evaluation
        return Colorizer(network, evaluation.size, evaluation.fit, evaluation.batch_size)

    def validate(self, network: ColorNetwork) -> ValidationResult:
        """Measure colour on the validation photographs; one score per photograph and metric."""
        photos = ((photo.name, rgb) for photo, rgb in evaluation_photos(self.validation, self.source.crops))
        return score_validation(
            self.colorizer(network),
            self._watched(photos, "validation", len(self.validation.photos)),
            batch_size=self.config.evaluation.batch_size,
        )

    def judge(self, network: ColorNetwork) -> AccuracyTable:
        """Let the judge look at originals, recolored and gray photographs (needs `judged`)."""
        photos = ((p.name, decode_known_photo(p), p.label) for p in self.judged.split.photos)
        return judge_recolorings(
            self.colorizer(network),
            self._watched(photos, f"judging by {self.judged.judge.name}", len(self.judged.split.photos)),
            self.judged.judge,
            every=self.config.evaluation.every,
            batch_size=self.config.evaluation.batch_size,
        )

    def panel(self, network: ColorNetwork, title: str) -> np.ndarray | None:
        """Sample panel of some validation photographs: input, output, original; None when none are asked for."""
        total = len(self.validation.photos)
        count = min(self.config.evaluation.samples, total)
        if count == 0:
            return None
        # Evenly spread over the names: neighbours by name are often of one place and one day.
        by_name = sorted(self.validation.photos, key=lambda photo: photo.name)
        chosen = [by_name[index * total // count] for index in range(count)]
        photos = [self.source.crops.evaluation(decode_known_photo(photo)) for photo in chosen]
        return side_by_side(panel_rows(self.colorizer(network), photos), titles=("Input", title, "Original"))

    def further(self, network: nn.Layer, inputs: Inputs, at_end: bool) -> dict[str, Evaluated]:
        """Run the protocol's own evaluators; those that take long only at the end."""
        crops = self.source.crops
        context = EvaluationContext(
            network=network,
            photos=lambda: ((photo.name, rgb) for photo, rgb in evaluation_photos(self.validation, crops)),
            make_batch=lambda rgb, names, rng: inputs(paddle.to_tensor(rgb), names, rng),
            batch_size=self.config.evaluation.batch_size,
            count=len(self.validation.photos),
            watch=self._watched,
        )
        evaluators = {name: build(node) for name, node in self.config.evaluation.evaluators.items()}
        return {name: e(context) for name, e in evaluators.items() if at_end or e.every_time}

    def _watched(self, items: Iterable, what: str, total: int) -> Iterator:
        """Show progress, and give a signal the chance to stop between two photographs."""
        for item in self.narrator.track(items, what, total):
            self.check()
            yield item


def panel_rows(colorizer: Colorizer, photos: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Make a row ``input, output, original`` (uint8 (H, W, 3)) of each photograph: true L, predicted ab."""
    lightness = [np.ascontiguousarray(rgb_to_lab(rgb)[..., 0]) for rgb in photos]
    return [
        [gray_rgb8(L), recolor(L, prediction.ab_hw2), rgb]
        for rgb, L, prediction in zip(photos, lightness, colorizer(lightness), strict=True)
    ]
