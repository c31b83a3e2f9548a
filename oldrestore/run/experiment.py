"""One training run from end to end in this process, new or resumed: components, folder, trackers, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from oldrestore import parallel
from oldrestore.config.build import build
from oldrestore.config.plugins import used_by
from oldrestore.device import prepare_device
from oldrestore.narrator import Narrator
from oldrestore.records.identity import new_run_id
from oldrestore.records.liveness import lock_run
from oldrestore.records.run_folder import RunFolder
from oldrestore.run import provenance
from oldrestore.run.components import Components, build_components
from oldrestore.run.outcome import Outcome
from oldrestore.run.progress import Progress, beginning, go_back_to_checkpoint, restore_last
from oldrestore.run.resuming import Resumption
from oldrestore.run.run_in_progress import RunInProgress, Unrecorded
from oldrestore.run.validation import check_monitor
from oldrestore.scoring.judged import describe_judging, judge_of
from oldrestore.scoring.protocols import protocol_of
from oldrestore.tracking.protocol import RunInfo, Sink
from oldrestore.tracking.tracker import Trackers
from oldrestore.training.schedules import RangeTest


def run_experiment(
    config: DictConfig, overrides: Sequence[str], narrator: Narrator, choices: Mapping[str, str] | None = None
) -> Outcome:
    """Train and evaluate what a resolved and checked configuration asks for, and record it in a run folder.

    The overrides as typed and the choice of each group are kept for the record. `UserError`, for a device, data or a
    component that cannot be used, comes before the folder exists.
    """
    device = prepare_device(config.trainer)
    if config.run_id is None:
        config.run_id = parallel.gather(new_run_id())[0]
    components = _build(config)
    progress = beginning(config.trainer.monitor_mode)
    if not parallel.is_first():
        return _train_unrecorded(config, components, progress)
    sinks = {name: build(node) for name, node in config.tracking.items()}
    recorded = {
        "overrides": list(overrides),
        "choices": dict(choices or {}),
        "provenance": _provenance(config, device),
        "data": describe_data(config, components),
    }
    folder = RunFolder.create(Path(config.outputs), config.experiment, config.run_id, parallel.folder_was_made())
    with lock_run(folder.path):
        narrator.record = folder.log
        return _train(config, components, progress, narrator, folder, sinks, recorded)


def resume_experiment(resumption: Resumption, narrator: Narrator) -> Outcome:
    """Continue a run, its configuration resolved and checked, from its last checkpoint, as if it had never stopped.

    Its folder then holds what an uninterrupted run would have written, times aside; what was trained beyond the
    checkpoint is kept in ``resumes/NNN/``, with what has changed since the run began. `UserError` comes before the
    folder is touched.
    """
    config = resumption.config
    with resumption.lock:
        device = prepare_device(config.trainer)
        components = _build(config)
        sinks = {name: build(node) for name, node in config.tracking.items()} if parallel.is_first() else {}
        now = _provenance(config, device)
        data = describe_data(config, components)
        progress, then, note = parallel.by_first(
            lambda: go_back_to_checkpoint(resumption, components.learner, data, now)
        )
        if not parallel.is_first():
            restore_last(resumption.folder, components.learner)
            return _train_unrecorded(config, components, progress)
        folder = RunFolder.open(resumption.folder, outputs=Path(config.outputs))
        narrator.record = folder.log
        narrator.say(f"resumed   {resumption.folder} at iteration {progress.iteration}")
        if note is not None:
            narrator.say(note)
        recorded = {
            "overrides": resumption.all_overrides(),
            "choices": resumption.choices,
            "provenance": then,
            "data": data,
        }
        return _train(config, components, progress, narrator, folder, sinks, recorded)


def _provenance(config: DictConfig, device: str) -> dict[str, Any]:
    return provenance.collect(config.seed, device, used_by(OmegaConf.to_container(config)))


def _build(config: DictConfig) -> Components:
    """Build what a run works with; if one of several processes cannot, none continues."""
    built: list[Components] = []

    def work() -> None:
        components = build_components(config)
        check_monitor(config, components)
        built.append(components)

    parallel.gathered(work)
    return built[0]


def _train(
    config: DictConfig,
    components: Components,
    progress: Progress,
    narrator: Narrator,
    folder: RunFolder,
    sinks: Mapping[str, Sink],
    recorded: Mapping[str, Any],
) -> Outcome:
    trackers = Trackers(folder, sinks)
    run = RunInProgress(config, components, folder, trackers, narrator, progress)
    trackers.start(
        RunInfo(
            folder=folder.path,
            outputs=folder.outputs,
            run_id=config.run_id,
            experiment=config.experiment,
            config=OmegaConf.to_container(config),
            config_yaml=OmegaConf.to_yaml(config),
            seed=config.seed,
            **recorded,
        )
    )
    kind = diagnostic_of(components.learner.schedule, config.trainer)
    if kind is not None:
        folder.update_status(diagnostic=kind)
    return run.carry_out()


def diagnostic_of(schedule: Any, trainer: DictConfig) -> str | None:
    """Return which of `oldrestore.records.kinds.DIAGNOSTICS` a run is; None if it is a run like others."""
    if isinstance(schedule, RangeTest):
        return "range_test"
    return "overfit" if trainer.get("overfit_batches") else None


def _train_unrecorded(config: DictConfig, components: Components, progress: Progress) -> Outcome:
    """Train as one of the processes that record and print nothing."""
    folder = Unrecorded(Path(config.outputs).absolute() / config.experiment / config.run_id)
    narrator = Narrator(console=Console(quiet=True))
    return RunInProgress(config, components, folder, None, narrator, progress).carry_out()


def describe_data(config: DictConfig, components: Components) -> dict[str, Any]:
    """Return what ``data.json`` records: every split, the judge, and the protocol."""
    c = components
    protocol = protocol_of(config, len(c.validation), judge_of(c.judged, c.evaluators), c.prior)
    return {
        "train": c.train.describe() | {"resizing": c.source.crops.describe_resizing()},
        "val": c.validation.describe(),
        **describe_judging(c.judged, c.evaluators),
        "protocol": protocol.describe(),
    }
