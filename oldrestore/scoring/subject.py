"""Weights that are scored after training: a checkpoint of a run or a weights file, and what they were trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf
from paddle import nn

from oldrestore.config.build import build
from oldrestore.config.location import at_home
from oldrestore.config.roles import is_place_of_photographs
from oldrestore.data.prior import dataset_prior
from oldrestore.data.sources.source import PhotoSource, Split
from oldrestore.engines.weights_file import config_of_file, load_file
from oldrestore.errors import UserError
from oldrestore.evaluation.judge import Judge
from oldrestore.models.weights_header import read_header
from oldrestore.narrator import Narrator
from oldrestore.plain import flatten
from oldrestore.records.finding import find_checkpoint, is_weights_file
from oldrestore.records.run import Run
from oldrestore.records.trained_network import without_weights
from oldrestore.scoring.judged import refuse_taught_by_judge, refuse_trained_on
from oldrestore.training.checkpoint import iteration_of, load_checkpoint


@dataclass(frozen=True)
class Subject:
    """Weights that are scored: a checkpoint of a run, or a weights file without a run."""

    folder: Path  # evaluations go into its ``evaluations/``: the run folder, or ``outputs/NAME`` of a file
    weights: Path
    checkpoint: str  # its name in the run, or the path of the file
    config: DictConfig  # for scoring, unless something else is asked for: the run's configuration
    trained: DictConfig | None  # the configuration of training; None if a file does not say
    alone: bool = False  # whether it is a file without a run

    def network(self, config: DictConfig) -> nn.Layer:
        """Build the network of a configuration with these weights, in evaluation mode."""
        if not self.alone:
            return Run(self.folder).network(self.checkpoint, config)
        return load_file(self.weights, without_weights(config.model), described=read_header(self.weights) is not None)

    def iteration(self) -> int:
        """Return the iteration of training; 0 if a file does not say."""
        if self.alone:
            return iteration_of(self.weights) or 0
        return int(load_checkpoint(self.weights).state["iteration"])

    def recorded(self) -> str:
        """Return which weights these are, for the overrides of an evaluation."""
        return f"weights={self.weights.absolute()}" if self.alone else f"checkpoint={self.checkpoint}"

    def training_photographs(self, config: DictConfig) -> tuple[PhotoSource, Split]:
        """Return what the weights were trained on: from its place then, or from where `config` has the same now."""
        try:
            source = build(self.trained.dataset)
            return source, source.split("train")
        except UserError:
            now = OmegaConf.create(OmegaConf.to_container(self.trained))
            for name, value in flatten(OmegaConf.to_container(config)).items():
                if is_place_of_photographs(name) and value not in (None, OmegaConf.select(now, name, default=value)):
                    OmegaConf.update(now, name, value, merge=False)
            source = build(now.dataset)
            train = source.split("train")
            if train.fingerprint != Run(self.folder).data.get("train", {}).get("fingerprint"):
                raise
            return source, train

    def training_split(self, config: DictConfig) -> Split | None:
        """Return the photographs that the weights were trained on; None if they are unknown or missing."""
        if self.trained is None:
            return None
        with contextlib.suppress(UserError):
            return self.training_photographs(config)[1]
        return None

    def prior_of_training(self, config: DictConfig) -> np.ndarray:
        """Return the colour prior of the training photographs; `UserError` if they are unknown or missing."""
        if self.trained is None:
            raise UserError(
                f"'{self.weights}' does not say what it was trained on: take evaluation.rebalancing=measured"
            )
        source, train = self.training_photographs(config)
        return dataset_prior(train, source.crops.of_protocols())

    def refuse_trained_on(self, config: DictConfig, splits: Sequence[Split], narrator: Narrator) -> None:
        """Refuse photographs that the weights were trained on; print a note if that cannot be checked."""
        note = "the file does not say what it was trained on"
        if self.trained is not None:
            try:
                _, train = self.training_photographs(config)
            except UserError:
                note = "the photographs that this run was trained on are not here"
            else:
                for split in splits:
                    refuse_trained_on(split, train)
                return
        narrator.say(f"note: {note}, so nobody checked for overlap")

    def refuse_taught_by(self, judges: Sequence[Judge], narrator: Narrator) -> None:
        """Refuse judges whose features the loss trained on; print a note if that cannot be checked."""
        if not judges:
            return
        loss = None
        if self.trained is not None:
            with contextlib.suppress(UserError):
                loss = build(self.trained.loss)
        if loss is not None:
            for judge in judges:
                refuse_taught_by_judge(loss, judge)
        else:
            what = "the files of this run's loss are not here"
            narrator.say(f"note: {what}, so nobody checked that the judge did not teach")


def subject_named(name: str, outputs: Path, checkpoint: str | None, overrides: Sequence[str]) -> Subject:
    """Find the weights to score: those of a run, as `find_checkpoint` does, or of a weights file.

    The overrides name the network of a file that does not.
    """
    if any(text.startswith("model.weights=") for text in overrides):
        raise UserError("evaluate takes the weights in place of a run: oldrestore evaluate FILE, without model.weights")
    if is_weights_file(name):
        if checkpoint is not None:
            raise UserError(f"'{name}' is one weights file: leave --checkpoint out")
        path = Path(at_home(name))
        config = config_of_file(path, outputs, [text for text in overrides if text.startswith("model=")])
        header = read_header(path)
        trained = config if header is not None and header.trained else None
        return Subject(outputs / path.stem.lstrip("."), path, name, config, trained, alone=True)
    folder, checkpoint = find_checkpoint(name, outputs, checkpoint)
    Run(folder).require_plugins()
    config = Run(folder).composed
    return Subject(folder, folder / "checkpoints" / f"{checkpoint}.safetensors", checkpoint, config, config)
