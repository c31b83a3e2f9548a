"""Scores weights once, or several times with settings that vary, and keeps the results beside the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from oldrestore.config.build import build
from oldrestore.config.compose import override_config
from oldrestore.config.plugins import used_by
from oldrestore.device import prepare_device, seed_everything
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy_table import AccuracyTable
from oldrestore.evaluation.evaluator import check_read
from oldrestore.evaluation.metric_table import shown_in
from oldrestore.evaluation.protocol import Protocol
from oldrestore.files import write_atomically
from oldrestore.narrator import Narrator
from oldrestore.records.identity import new_run_id
from oldrestore.records.named_values import ACCURACIES
from oldrestore.records.run import read_baselines
from oldrestore.records.run_folder import RunFolder
from oldrestore.scoring.baselines import baselines_of, beside_baselines
from oldrestore.scoring.judged import (
    build_judged,
    build_protocol,
    describe_judging,
    judge_of,
    judges_of,
    refuse_part_of_network,
)
from oldrestore.scoring.protocols import outdated, protocol_of
from oldrestore.scoring.scoring import Scorer, judged_values, record_evaluated, rows_of
from oldrestore.scoring.subject import Subject
from oldrestore.tables import explained_once

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of one checkpoint on one protocol."""

    folder: Path  # ``RUN/evaluations/ID``; of a weights file without a run, ``outputs/NAME/evaluations/ID``
    checkpoint: str  # its name in the run, or the path of the file
    iteration: int  # of training; 0 if a file does not say
    summary: dict[str, float]  # validation measures
    table: AccuracyTable | None
    protocol: Protocol
    of_evaluators: dict[str, Table] = field(default_factory=dict)  # by name
    baselines: list[Table] = field(default_factory=list)  # the figures beside those of what needs no network

    def listed(self) -> dict[str, float]:
        """Return the figures that stand in none of the tables."""
        return {name: v for name, v in self.summary.items() if name.partition("/")[0] not in self.of_evaluators}

    def tables(self) -> list[Table]:
        """Return the tables to print."""
        accuracy = [] if self.table is None else [self.table.render()]
        return explained_once([*accuracy, *self.of_evaluators.values(), *self.baselines])

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json`` and ``summary.json``."""
        return {
            "folder": str(self.folder),
            "checkpoint": self.checkpoint,
            "iteration": self.iteration,
            "protocol": {name: value for name, value in self.protocol.describe().items() if name != "settings"},
            "validation": self.summary,
            "accuracy": None if self.table is None else self.table.as_dicts(),
        }


@dataclass
class EvaluationSweep:
    """Evaluations of one checkpoint with settings that vary; ``evaluations.csv`` in `folder` has a row for each."""

    folder: Path
    results: list[tuple[dict[str, str], EvaluationResult]]  # each with its settings, as typed

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each evaluation: its settings, every measure, the accuracies, and its folder's name."""
        rows = []
        for settings, result in self.results:
            accuracy = result.table.as_dicts()[-1] if result.table is not None else {}
            accuracies = {name: accuracy.get(name) for name in ACCURACIES}
            rows.append({**settings, **result.summary, **accuracies, "evaluation": result.folder.name})
        return rows

    def shown(self) -> list[str]:
        """Return the columns for a table on a screen; the file has every measure."""
        rows = self.rows()
        varied = list(self.results[0][0]) if self.results else []
        measures = [*(metric.name for metric in shown_in("evaluate")), "n"]
        return varied + [name for name in measures if any(row.get(name) is not None for row in rows)]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        evaluations = [{"settings": settings, **result.to_json()} for settings, result in self.results]
        return {"folder": str(self.folder), "evaluations": evaluations}


def evaluate(subject: Subject, config: DictConfig, narrator: Narrator) -> EvaluationResult:
    """Score weights as a configuration says: on its dataset's validation photographs and its judged ones."""
    prepare_device(config.trainer)
    seed_everything(config.seed, config.trainer.deterministic)
    source = build(config.dataset)
    # A set without a validation split (labelled photographs) is measured whole.
    validation = source.split("val" if "val" in source.split_names else source.split_names[0])
    judged = build_judged(config, source)
    splits = [validation] if judged is None else [validation, judged.split]
    subject.refuse_trained_on(config, splits, narrator)
    evaluators, prior = build_protocol(config, judged, lambda: subject.prior_of_training(config))
    judge, judges = judge_of(judged, evaluators), judges_of(judged, evaluators)
    subject.refuse_taught_by(judges, narrator)
    network = subject.network(config)
    for judge in judges:
        refuse_part_of_network(network, judge)
    if config.evaluation.color and not hasattr(network, "decode"):
        raise UserError(
            f"{type(network).__name__} predicts no colour to be measured: take evaluation=holes inputs=holes, or "
            "evaluation=detection inputs=damage_detection"
        )
    check_read(evaluators, network)
    protocol = protocol_of(config, len(validation), judge, prior)
    if (note := outdated(config)) is not None:
        narrator.say(note)
    scorer = Scorer(config, source, validation, judged, narrator, evaluators=evaluators, prior=prior)
    result = scorer.validate(network) if config.evaluation.color else None
    table = scorer.judge(network) if config.evaluation.color and judged is not None else None
    further = scorer.further(network, build(config.inputs), at_end=True)
    summary = dict(result.summary) if result is not None else {}

    folder = RunFolder.create(subject.folder, "evaluations", new_run_id())
    folder.write_config(OmegaConf.to_yaml(config), [subject.recorded()])
    plugins = used_by(OmegaConf.to_container(config))
    if plugins:
        folder.write_json("provenance.json", {"plugins": plugins})
    judging = describe_judging(judged, evaluators)
    data = {"val": validation.describe(), **judging, "protocol": protocol.describe()}
    folder.write_json("data.json", data)
    iteration = subject.iteration()
    if result is not None:
        folder.per_image(rows_of(result.per_image, iteration, "val"))
        if (panel := scorer.panel(network, title=type(network).__name__)) is not None:
            folder.panel("validation", iteration, panel)
    summary |= record_evaluated(further, folder, iteration, narrator)
    if table is not None:
        folder.accuracy(table.as_dicts(), iteration)
        folder.per_image(rows_of(table.per_image(), iteration, "judged"))
    beside = []
    if result is not None:
        write_atomically(folder.path / "baselines.csv", baselines_of(scorer, subject.training_split(config), data))
        figures = {f"val/{name}": value for name, value in result.summary.items()}
        figures |= summary | ({} if table is None else judged_values(table))
        beside = beside_baselines(figures, read_baselines(folder.path / "baselines.csv"))
    tables = {name: each.table for name, each in further.items() if each.table is not None}
    evaluated = EvaluationResult(folder.path, subject.checkpoint, iteration, summary, table, protocol, tables, beside)
    folder.write_json("summary.json", evaluated.to_json())
    folder.close()
    return evaluated


def plan_evaluations(subject: Subject, jobs: Sequence[Sequence[str]]) -> list[tuple[dict[str, str], DictConfig]]:
    """Return what varies and the checked configuration for the overrides of each job."""
    given = [dict(text.split("=", 1) for text in job) for job in jobs]
    varied = [name for name in given[0] if len({settings[name] for settings in given}) > 1 or len(given) == 1]
    return [
        ({name: settings[name] for name in varied}, override_config(subject.config, job))
        for settings, job in zip(given, jobs, strict=True)
    ]


def evaluate_jobs(
    subject: Subject, jobs: Sequence[tuple[dict[str, str], DictConfig]], typed: Sequence[str], narrator: Narrator
) -> Iterator[EvaluationSweep]:
    """Carry out evaluations; yields the sweep after each of them, its table and the typed overrides written."""
    results: list[tuple[dict[str, str], EvaluationResult]] = []
    for settings, config in jobs:
        results.append((settings, evaluate(subject, config, narrator)))
        if len(results) == 1:
            # Created late, so that a request that fails at once leaves nothing behind.
            folder = RunFolder.create(subject.folder, "evaluations", new_run_id())
            folder.write_json("sweep.json", {"overrides": list(typed), "checkpoint": subject.checkpoint})
        sweep = EvaluationSweep(folder.path, results)
        folder.write_table("evaluations", sweep.rows())
        yield sweep
