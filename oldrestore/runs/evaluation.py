"""Scores a checkpoint of a run again and keeps the result beside the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from oldrestore.config.build import build
from oldrestore.data.prior import dataset_prior
from oldrestore.data.source import Split
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.protocol import Protocol
from oldrestore.runs.components import (
    build_judged,
    build_protocol,
    refuse_taught_by_judge,
    refuse_trained_on,
    seed_everything,
    set_device,
)
from oldrestore.runs.identity import new_run_id
from oldrestore.runs.loading import load_network, load_run_config
from oldrestore.runs.moved_photographs import training_photographs
from oldrestore.runs.protocols import outdated, protocol_of
from oldrestore.runs.score_rows import rows_of
from oldrestore.runs.scoring import Scorer
from oldrestore.tracking.run_folder import RunFolder
from oldrestore.training.checkpoint import load_checkpoint
from oldrestore.training.progress import Narrator


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of one checkpoint on one protocol.

    Attributes
    ----------
    folder : Path
        ``RUN/evaluations/ID``.
    checkpoint : str
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


def evaluate_run(folder: Path, config: DictConfig, checkpoint: str, narrator: Narrator) -> EvaluationResult:
    """Score a checkpoint as a configuration says: its dataset's validation photographs and its judged ones.

    Parameters
    ----------
    folder : Path
        Run folder.
    config : DictConfig
        The run's configuration, changed as the user asks.
    checkpoint : str
        ``best``, ``last`` or a kept one.
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
    refuse_run_trained_on(folder, config, [validation] + ([judged.split] if judged is not None else []), narrator)
    if judged is not None:
        refuse_run_taught_by(folder, judged.judge, narrator)
    evaluators, prior = build_protocol(config, lambda: prior_of_training(folder, config))
    network = load_network(folder, config, checkpoint)
    protocol = protocol_of(config, len(validation), judged.judge if judged is not None else None, prior)
    old = outdated(config)
    if old is not None:
        narrator.say(old)
    scorer = Scorer(config, source, validation, judged, narrator, evaluators=evaluators, prior=prior)
    result = scorer.validate(network) if config.evaluation.color else None
    table = scorer.judge(network) if config.evaluation.color and judged is not None else None
    further = scorer.further(network, build(config.inputs), at_end=True)
    summary = dict(result.summary) if result is not None else {}

    own = RunFolder.create(folder, "evaluations", new_run_id())
    own.write_config(OmegaConf.to_yaml(config), [f"checkpoint={checkpoint}"])
    data = {"val": validation.describe()}
    if judged is not None:
        data["judged"] = judged.split.describe()
        data["judge"] = {"name": judged.judge.name, "fingerprint": judged.judge.fingerprint}
    data["protocol"] = protocol.describe()
    own.write_data(data)
    iteration = int(load_checkpoint(folder / "checkpoints" / f"{checkpoint}.safetensors").state["iteration"])
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
        folder=own.path, checkpoint=checkpoint, summary=summary, table=table, protocol=protocol
    )
    own.write_json("summary.json", evaluated.to_json())
    own.close()
    return evaluated


def prior_of_training(folder: Path, config: DictConfig) -> np.ndarray:
    """Return the colour prior of the photographs that a run was trained on.

    Parameters
    ----------
    folder : Path
    config : DictConfig
        Names their place where they were moved.

    Raises
    ------
    UserError
        When they are not here.
    """
    source, train = training_photographs(load_run_config(folder), config, folder)
    return dataset_prior(train, source.crops)


def refuse_run_trained_on(folder: Path, config: DictConfig, splits: Sequence[Split], narrator: Narrator) -> None:
    """Refuse to score a run on photographs that it was trained on; say so where that cannot be known here.

    Raises
    ------
    UserError
        Naming the first such photograph.
    """
    try:
        _, train = training_photographs(load_run_config(folder), config, folder)
    except UserError:
        narrator.say("note: the photographs that this run was trained on are not here, so nobody checked for overlap")
        return
    for split in splits:
        refuse_trained_on(split, train)


def refuse_run_taught_by(folder: Path, judge: Judge, narrator: Narrator) -> None:
    """Refuse a judge whose features the run's loss trained on; say so where that cannot be known here.

    Raises
    ------
    UserError
        Naming the judge.
    """
    try:
        loss = build(load_run_config(folder).loss)
    except UserError:
        narrator.say("note: the files of this run's loss are not here, so nobody checked that the judge did not teach")
        return
    refuse_taught_by_judge(loss, judge)
