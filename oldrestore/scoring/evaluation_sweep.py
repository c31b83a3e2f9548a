"""Scores a checkpoint several times, with settings that vary, and keeps the results as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from oldrestore.config.compose import override_config
from oldrestore.evaluation.metric_table import shown_in
from oldrestore.narrator import Narrator
from oldrestore.records.identity import new_run_id
from oldrestore.records.run_folder import RunFolder
from oldrestore.scoring.evaluation import EvaluationResult, Subject, evaluate

ACCURACIES = ("iter_accuracy", "orig_accuracy", "gray_accuracy", "n")


@dataclass(frozen=True)
class EvaluationJob:
    """One evaluation that is to be made.

    Attributes
    ----------
    settings : dict of str
        What it varies, as typed.
    config : DictConfig
        The run's configuration with these settings, checked.
    """

    settings: dict[str, str]
    config: DictConfig


@dataclass
class EvaluationSweep:
    """Evaluations of one checkpoint with settings that vary.

    Attributes
    ----------
    folder : Path
        ``RUN/evaluations/ID``: ``evaluations.csv`` has a row for each evaluation.
    results : list of (EvaluationJob, EvaluationResult)
    """

    folder: Path
    results: list[tuple[EvaluationJob, EvaluationResult]]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each evaluation: what it varied, every measure, the accuracies, and its own folder's name."""
        rows = []
        for job, result in self.results:
            accuracy = result.table.as_dicts()[-1] if result.table is not None else {}
            accuracies = {name: accuracy.get(name) for name in ACCURACIES}
            rows.append({**job.settings, **result.summary, **accuracies, "evaluation": result.folder.name})
        return rows

    def shown(self) -> list[str]:
        """Columns for a table on a screen; the file has every measure."""
        rows = self.rows()
        varied = list(self.results[0][0].settings) if self.results else []
        measures = [*(metric.name for metric in shown_in("evaluate")), "n"]
        return varied + [name for name in measures if any(row.get(name) is not None for row in rows)]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        evaluations = [{"settings": job.settings, **result.to_json()} for job, result in self.results]
        return {"folder": str(self.folder), "evaluations": evaluations}


def plan_evaluations(subject: Subject, jobs: Sequence[Sequence[str]]) -> list[EvaluationJob]:
    """Change a run's configuration as each job says: all are checked before the first is carried out.

    Parameters
    ----------
    subject : Subject
        What is scored.
    jobs : sequence of sequence of str
        Overrides of each.

    Raises
    ------
    UserError
        On the first setting that is wrong.
    """
    given = [dict(text.split("=", 1) for text in job) for job in jobs]
    varied = [name for name in given[0] if len({settings[name] for settings in given}) > 1 or len(given) == 1]
    return [
        EvaluationJob({name: settings[name] for name in varied}, override_config(subject.config, job))
        for settings, job in zip(given, jobs, strict=True)
    ]


def evaluate_jobs(
    subject: Subject, jobs: Sequence[EvaluationJob], typed: Sequence[str], narrator: Narrator
) -> Iterator[EvaluationSweep]:
    """Carry out evaluations; yields the sweep after each of them, its table written.

    Parameters
    ----------
    subject : Subject
        What is scored.
    jobs : sequence of EvaluationJob
    typed : sequence of str
        Overrides as typed, to be kept beside the table.
    narrator : Narrator

    Raises
    ------
    UserError
        When checkpoint, data or judge are not there.
    """
    own: RunFolder | None = None
    sweep: EvaluationSweep | None = None
    for job in jobs:
        result = evaluate(subject, job.config, narrator)
        if own is None or sweep is None:
            # Made late, so that a request that fails at once leaves nothing behind.
            own = RunFolder.create(subject.folder, "evaluations", new_run_id())
            own.write_json("sweep.json", {"overrides": list(typed), "checkpoint": subject.checkpoint})
            sweep = EvaluationSweep(own.path, [])
        sweep.results.append((job, result))
        own.write_table("evaluations", sweep.rows())
        yield sweep
    if own is not None:
        own.close()
