"""Scores a checkpoint of a run again, or a weights file, and keeps the result beside the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from paddle import nn

from oldrestore.config.build import build
from oldrestore.config.location import at_home
from oldrestore.data.prior import dataset_prior
from oldrestore.data.sources.source import Split
from oldrestore.device import seed_everything, set_device
from oldrestore.engines.weights_file import config_of_file, load_file, standing_folder
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.protocol import Protocol
from oldrestore.models.weights_header import read_header
from oldrestore.narrator import Narrator
from oldrestore.records.finding import find_checkpoint, is_weights_file
from oldrestore.records.identity import new_run_id
from oldrestore.records.run import Run, without_weights
from oldrestore.records.run_folder import RunFolder
from oldrestore.scoring.judged import build_judged, build_protocol, refuse_taught_by_judge, refuse_trained_on
from oldrestore.scoring.protocols import outdated, protocol_of
from oldrestore.scoring.score_rows import rows_of
from oldrestore.scoring.scoring import Scorer
from oldrestore.scoring.training_photographs import training_photographs
from oldrestore.training.checkpoint import iteration_of, load_checkpoint


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of one checkpoint on one protocol.

    Attributes
    ----------
    folder : Path
        ``RUN/evaluations/ID``; of a weights file without a run, ``outputs/NAME/evaluations/ID``.
    checkpoint : str
        Its name in the run; of a file without a run, its path.
    summary : dict of float
        Validation measures.
    table : AccuracyTable or None
    protocol : Protocol
    """

    folder: Path
    checkpoint: str
    summary: dict[str, float]
    table: AccuracyTable | None
    protocol: Protocol

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json`` and ``summary.json``."""
        accuracy = None if self.table is None else self.table.as_dicts()
        return {
            "folder": str(self.folder),
            "checkpoint": self.checkpoint,
            "protocol": {name: value for name, value in self.protocol.describe().items() if name != "settings"},
            "validation": self.summary,
            "accuracy": accuracy,
        }


@dataclass(frozen=True)
class Subject:
    """Weights that are scored: a checkpoint of a run, or a file that stands alone.

    Attributes
    ----------
    folder : Path
        ``evaluations/`` is made in it: the run folder, or ``outputs/NAME`` of a file.
    weights : Path
    checkpoint : str
        Its name in the run; of a file, its path.
    config : DictConfig
        Under which it is scored unless something else is asked for: the run's configuration.
    trained : DictConfig or None
        Under which it was trained; None where a file does not say it.
    alone : bool
        Whether it is a file without a run.
    """

    folder: Path
    weights: Path
    checkpoint: str
    config: DictConfig
    trained: DictConfig | None
    alone: bool = False

    def network(self, config: DictConfig) -> nn.Layer:
        """Build the network of a configuration with these weights, in evaluation mode."""
        if not self.alone:
            return Run(self.folder).network(self.checkpoint, config)
        return load_file(self.weights, without_weights(config.model), described=read_header(self.weights) is not None)

    def iteration(self) -> int:
        """Return the iteration that they were trained to; 0 where a file does not say it."""
        if self.alone:
            return iteration_of(self.weights) or 0
        return int(load_checkpoint(self.weights).state["iteration"])

    def recorded(self) -> str:
        """Which weights these are, for the overrides of an evaluation."""
        return f"weights={self.weights.absolute()}" if self.alone else f"checkpoint={self.checkpoint}"


def subject_named(name: str, outputs: Path, checkpoint: str | None, overrides: Sequence[str]) -> Subject:
    """Find what is to be scored.

    Parameters
    ----------
    name : str
        A run (`oldrestore.records.finding.find_run`), the file of one of its checkpoints, or a weights file.
    outputs : Path
        Root of the run folders.
    checkpoint : str, optional
        Of a run: ``best`` (also where it is not given), ``last`` or a kept one.
    overrides : sequence of str
        What the user typed; it says which network a file is of that does not say it itself.

    Raises
    ------
    UserError
        When there is none, or a setting of another kind is typed.
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
        return Subject(standing_folder(path, outputs), path, name, config, trained, alone=True)
    folder, checkpoint = find_checkpoint(name, outputs, checkpoint)
    config = Run(folder).composed
    return Subject(folder, folder / "checkpoints" / f"{checkpoint}.safetensors", checkpoint, config, config)


def evaluate(subject: Subject, config: DictConfig, narrator: Narrator) -> EvaluationResult:
    """Score weights as a configuration says: its dataset's validation photographs and its judged ones.

    Parameters
    ----------
    subject : Subject
    config : DictConfig
        The subject's own, changed as the user asks.
    narrator : Narrator

    Raises
    ------
    UserError
        When checkpoint, data or judge are not there.
    """
    set_device(config.trainer.device)
    seed_everything(config.seed, config.trainer.deterministic)
    source = build(config.dataset)
    # A set without a validation split (labelled photographs) is measured whole.
    validation = source.split("val" if "val" in source.split_names else source.split_names[0])
    judged = build_judged(config, source)
    refuse_run_trained_on(subject, config, [validation] + ([judged.split] if judged is not None else []), narrator)
    if judged is not None:
        refuse_run_taught_by(subject, judged.judge, narrator)
    evaluators, prior = build_protocol(config, lambda: prior_of_training(subject, config))
    network = subject.network(config)
    if config.evaluation.color and not hasattr(network, "decode"):
        raise UserError(
            f"{type(network).__name__} predicts no colour to be measured: take evaluation=holes inputs=holes, or "
            "evaluation=detection inputs=damage_detection"
        )
    protocol = protocol_of(config, len(validation), judged.judge if judged is not None else None, prior)
    old = outdated(config)
    if old is not None:
        narrator.say(old)
    scorer = Scorer(config, source, validation, judged, narrator, evaluators=evaluators, prior=prior)
    result = scorer.validate(network) if config.evaluation.color else None
    table = scorer.judge(network) if config.evaluation.color and judged is not None else None
    further = scorer.further(network, build(config.inputs), at_end=True)
    summary = dict(result.summary) if result is not None else {}

    own = RunFolder.create(subject.folder, "evaluations", new_run_id())
    own.write_config(OmegaConf.to_yaml(config), [subject.recorded()])
    data = {"val": validation.describe()}
    if judged is not None:
        data["judged"] = judged.split.describe()
        data["judge"] = {"name": judged.judge.name, "fingerprint": judged.judge.fingerprint}
    data["protocol"] = protocol.describe()
    own.write_data(data)
    iteration = subject.iteration()
    if result is not None:
        own.per_image(rows_of(result.per_image, iteration, "val"))
        panel = scorer.panel(network, title=type(network).__name__)
        if panel is not None:
            own.panel("validation", iteration, panel)
    for name, found in further.items():
        for note in found.notes:
            narrator.say(f"note: {note}")
        summary |= {f"{name}/{figure}": value for figure, value in found.values.items()}
        own.per_image(rows_of(found.per_image, iteration, name))
        for picture, rgb in found.panels.items():
            own.panel(f"{name}-{picture}", iteration, rgb)
        if found.rows:
            own.write_table(name, found.rows)
    if table is not None:
        own.accuracy(table.as_dicts(), iteration)
        own.per_image(rows_of(table.per_image(), iteration, "judged"))
    evaluated = EvaluationResult(
        folder=own.path, checkpoint=subject.checkpoint, summary=summary, table=table, protocol=protocol
    )
    own.write_json("summary.json", evaluated.to_json())
    own.close()
    return evaluated


def prior_of_training(subject: Subject, config: DictConfig) -> np.ndarray:
    """Return the colour prior of the photographs that weights were trained on.

    Parameters
    ----------
    subject : Subject
    config : DictConfig
        Says where they are now, if they were moved.

    Raises
    ------
    UserError
        When they are not here, or nobody knows which they are.
    """
    if subject.trained is None:
        raise UserError(
            f"'{subject.weights}' does not say what it was trained on: take evaluation.rebalancing=measured"
        )
    source, train = training_photographs(subject.trained, config, subject.folder)
    return dataset_prior(train, source.crops)


def refuse_run_trained_on(subject: Subject, config: DictConfig, splits: Sequence[Split], narrator: Narrator) -> None:
    """Refuse to score weights on photographs that they were trained on; say so where that cannot be known here.

    Raises
    ------
    UserError
        Naming the first such photograph.
    """
    if subject.trained is None:
        narrator.say("note: the file does not say what it was trained on, so nobody checked for overlap")
        return
    try:
        _, train = training_photographs(subject.trained, config, subject.folder)
    except UserError:
        narrator.say("note: the photographs that this run was trained on are not here, so nobody checked for overlap")
        return
    for split in splits:
        refuse_trained_on(split, train)


def refuse_run_taught_by(subject: Subject, judge: Judge, narrator: Narrator) -> None:
    """Refuse a judge whose features the loss trained on; say so where that cannot be known here.

    Raises
    ------
    UserError
        Naming the judge.
    """
    try:
        loss = build(subject.trained.loss) if subject.trained is not None else None
    except UserError:
        loss = None
    if loss is None:
        narrator.say("note: the files of this run's loss are not here, so nobody checked that the judge did not teach")
        return
    refuse_taught_by_judge(loss, judge)
