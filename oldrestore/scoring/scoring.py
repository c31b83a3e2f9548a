"""Scores a network on a run's protocol: validation measures, sample panels and the accuracy table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import paddle
from omegaconf import DictConfig
from paddle import nn

from oldrestore import parallel
from oldrestore.color.lab import gray_rgb8, rgb_to_lab
from oldrestore.data.cropping.crops import Crops, EvaluationCrops
from oldrestore.data.inputs.colors import Inputs
from oldrestore.data.loading.loader import decode_known_photo, evaluation_photos
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.evaluation.accuracy import accuracy_table, judge_photos
from oldrestore.evaluation.accuracy_table import AccuracyTable, JudgedPhoto
from oldrestore.evaluation.batching import own_share, shared
from oldrestore.evaluation.colorizer import Colorizer, ColorNetwork
from oldrestore.evaluation.evaluator import Evaluated, EvaluationContext, Evaluator
from oldrestore.evaluation.prediction import recolor
from oldrestore.evaluation.scores import ImageScore
from oldrestore.evaluation.validation import MeasuredPhoto, ValidationResult, measure_photos, summarize_validation
from oldrestore.narrator import Narrator
from oldrestore.panels import side_by_side, wide
from oldrestore.records.run_folder import RunFolder
from oldrestore.scoring.judged import Judged


@dataclass
class Scorer:
    """Measures networks on a protocol's photographs.

    Several processes that train together each measure a part of the photographs, and all have the whole result.
    """

    config: DictConfig
    source: PhotoSource
    validation: Split
    judged: Judged | None
    narrator: Narrator
    check: Callable[[], None] = lambda: None
    evaluators: dict[str, Evaluator] = field(default_factory=dict)
    prior: np.ndarray | None = None

    @property
    def crops(self) -> Crops | EvaluationCrops:
        """How photographs are cropped: as the protocol says, or else as the dataset does."""
        return crops_of(self.config, self.source)

    def colorizer(self, network: ColorNetwork) -> Colorizer:
        """Return what colours photographs with a network as the protocol says."""
        evaluation = self.config.evaluation
        return Colorizer(network, evaluation.size, evaluation.fit, evaluation.batch_size)

    def validate(self, network: ColorNetwork) -> ValidationResult:
        """Measure colour on the validation photographs; one score per photograph and metric."""
        size = self.config.evaluation.batch_size

        def measure() -> list[MeasuredPhoto]:
            part = own_photos(self.validation, size)
            photos = ((photo.name, rgb) for photo, rgb in evaluation_photos(part, self.crops))
            watched = self.watched(photos, "validation", len(part))
            return measure_photos(self.colorizer(network), watched, batch_size=size)

        return summarize_validation(shared(measure, size), self.prior)

    def judge(self, network: ColorNetwork) -> AccuracyTable:
        """Let the judge classify original, recolored and gray photographs (needs `judged`)."""
        size, judge = self.config.evaluation.batch_size, self.judged.judge

        def look() -> list[list[JudgedPhoto]]:
            part = own_share(self.judged.split.photos, size)
            photos = ((p.name, decode_known_photo(p), p.classes) for p in part)
            watched = self.watched(photos, f"judging by {judge.name}", len(part))
            return judge_photos(self.colorizer(network), watched, judge, batch_size=size)

        return accuracy_table(judge, shared(look, size), self.config.evaluation.every)

    def panel(self, network: ColorNetwork, title: str) -> np.ndarray | None:
        """Draw input, output and original of some validation photographs; None if no samples are wanted."""
        total = len(self.validation.photos)
        count = min(self.config.evaluation.samples, total)
        if count == 0:
            return None
        # Evenly spread over the names: neighbours by name often show one place on one day.
        by_name = sorted(self.validation.photos, key=lambda photo: photo.name)
        chosen = [by_name[index * total // count] for index in range(count)]
        photos = [self.crops.evaluation(decode_known_photo(photo)) for photo in chosen]
        return side_by_side(*wide(panel_rows(self.colorizer(network), photos), ["Input", title, "Original"]))

    def further(self, network: nn.Layer, inputs: Inputs, at_end: bool) -> dict[str, Evaluated]:
        """Run the protocol's own evaluators; the slow ones only at the end."""
        crops = self.crops
        context = EvaluationContext(
            network=network,
            photos=lambda: ((photo.name, rgb) for photo, rgb in evaluation_photos(self.validation, crops)),
            make_batch=lambda rgb, names, rng: inputs(paddle.to_tensor(rgb), names, rng),
            batch_size=self.config.evaluation.batch_size,
            count=len(self.validation.photos),
            watch=self.watched,
            colorize=self.colorizer(network),
            judged=None if self.judged is None else self.judged.split,
        )
        return {name: e(context) for name, e in self.evaluators.items() if at_end or e.every_time}

    def watched(self, items: Iterable, what: str, total: int) -> Iterator:
        """Show progress, and give a signal the chance to stop between two photographs."""
        for item in self.narrator.track(items, what, total):
            self.check()
            yield item


def own_photos(split: Split, batch_size: int) -> Split:
    """Return this process's share of a split's photographs, by batches in the order of names."""
    if parallel.size() == 1:
        return split
    by_name = sorted(range(len(split)), key=lambda index: split.photos[index].name)
    part = own_share(by_name, batch_size)
    hashes = tuple(split.hashes[index] for index in part) if split.hashes else ()
    return replace(split, photos=tuple(split.photos[index] for index in part), hashes=hashes)


def crops_of(config: DictConfig, source: PhotoSource) -> Crops | EvaluationCrops:
    """Return how a configuration's protocol crops the photographs of a source."""
    crops = config.evaluation.get("crops")
    return source.crops if crops is None else EvaluationCrops(**crops)


def panel_rows(colorizer: Colorizer, photos: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Return a row ``input, output, original`` (uint8 (H, W, 3)) for each photograph: true L, predicted ab."""
    lightness = [np.ascontiguousarray(rgb_to_lab(rgb)[..., 0]) for rgb in photos]
    return [
        [gray_rgb8(L), recolor(L, prediction.ab_hw2), rgb]
        for rgb, L, prediction in zip(photos, lightness, colorizer(lightness), strict=True)
    ]


def rows_of(scores: Iterable[ImageScore], trained_iterations: int, set_name: str) -> list[dict[str, Any]]:
    """Return rows of ``per_image.csv``."""
    return [{"trained_iterations": trained_iterations, "set": set_name, **score._asdict()} for score in scores]


def judged_values(table: AccuracyTable) -> dict[str, float]:
    """Return the last row of an accuracy table as scalars."""
    return {f"judged/{name}": value for name, value in table.values().items()}


def record_evaluated(
    results: Mapping[str, Evaluated], folder: RunFolder, iteration: int, narrator: Narrator
) -> dict[str, float]:
    """Write down what a protocol's own evaluators return; returns their figures as ``EVALUATOR/FIGURE``."""
    values: dict[str, float] = {}
    for name, result in results.items():
        for note in result.notes:
            narrator.say(f"note: {note}")
        values |= {f"{name}/{figure}": value for figure, value in result.values.items()}
        folder.per_image(rows_of(result.per_image, iteration, name))
        for picture, rgb in result.panels.items():
            folder.panel(f"{name}-{picture}", iteration, rgb)
        if result.rows:
            folder.write_table(name, result.rows)
    return values
