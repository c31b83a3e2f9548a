"""One training run from end to end in this process, new or resumed: components, folder, trackers, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from oldrestore import parallel
from oldrestore.config.build import build
from oldrestore.device import set_device
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
from oldrestore.scoring.protocols import protocol_of
from oldrestore.tracking.protocol import RunInfo
from oldrestore.tracking.tracker import Trackers


def run_experiment(
    config: DictConfig, overrides: Sequence[str], narrator: Narrator, choices: Mapping[str, str] | None = None
) -> Outcome:
    """Train and evaluate what a configuration asks for, and record it in a run folder.

    Parameters
    ----------
    config : DictConfig
        Resolved and checked (`oldrestore.config.compose.resolve_and_check`).
    overrides : sequence of str
        What the user typed, for the record.
    narrator : Narrator
    choices : mapping of str to str, optional
        The choice of each group, for the record.

    Raises
    ------
    UserError
        Before a run folder exists: the data, the device or a component cannot be used.
    """
    device = set_device(config.trainer.device)
    if config.run_id is None:
        config.run_id = parallel.gather(new_run_id())[0]
    components = _build(config)
    progress = beginning(config.trainer.monitor_mode)
    if not parallel.is_first():
        return _train_unrecorded(config, components, progress)
    sinks = {name: build(node) for name, node in config.tracking.items()}
    recorded = provenance.collect(seed=config.seed, device=device)
    folder = RunFolder.create(Path(config.outputs), config.experiment, config.run_id, parallel.folder_was_made())
    with lock_run(folder.path):
        run = RunInProgress(config, components, folder, Trackers(folder, sinks), narrator, progress)
        narrator.record = folder.log
        info = _run_info(config, folder, overrides, choices or {}, recorded, describe_data(config, components))
        run.tracker.start(info)
        return run.carry_out()


def resume_experiment(resumption: Resumption, narrator: Narrator) -> Outcome:
    """Continue a run from its last checkpoint, as if it had never stopped.

    Its folder then holds what an uninterrupted run would have written, times aside; what was trained beyond the
    checkpoint is kept in ``resumes/NNN/``, with what has changed since the run began.

    Parameters
    ----------
    resumption : Resumption
        Its configuration resolved and checked.
    narrator : Narrator

    Raises
    ------
    UserError
        Before the run folder is touched: other photographs, or a checkpoint that cannot be read.
    """
    config = resumption.config
    with resumption.lock:
        device = set_device(config.trainer.device)
        components = _build(config)
        sinks = {name: build(node) for name, node in config.tracking.items()} if parallel.is_first() else {}
        now = provenance.collect(seed=config.seed, device=device)
        data = describe_data(config, components)
        back = parallel.by_first(lambda: go_back_to_checkpoint(resumption, components.learner, data, now))
        if not parallel.is_first():
            restore_last(resumption.folder, components.learner)
            return _train_unrecorded(config, components, back.progress)
        folder = RunFolder.open(resumption.folder, outputs=Path(config.outputs))
        run = RunInProgress(config, components, folder, Trackers(folder, sinks), narrator, back.progress)
        narrator.record = folder.log
        narrator.say(f"resumed   {resumption.folder} at iteration {back.progress.iteration}")
        if back.differences:
            narrator.say(back.in_words())
        info = _run_info(config, folder, resumption.all_overrides(), resumption.choices, back.provenance, data)
        run.tracker.start(info)
        return run.carry_out()


def _build(config: DictConfig) -> Components:
    """Build what a run works with; if one of several processes cannot, none continues."""
    built: list[Components] = []

    def work() -> None:
        components = build_components(config)
        check_monitor(config, components)
        built.append(components)

    parallel.gathered(work)
    return built[0]


def _train_unrecorded(config: DictConfig, components: Components, progress: Progress) -> Outcome:
    """Train as one of the processes that record and print nothing."""
    folder = Unrecorded(Path(config.outputs).absolute() / config.experiment / config.run_id)
    narrator = Narrator(console=Console(quiet=True))
    return RunInProgress(config, components, folder, None, narrator, progress).carry_out()


def describe_data(config: DictConfig, components: Components) -> dict[str, Any]:
    """Return what ``data.json`` records: every split, the judge, and the protocol."""
    data = {"train": components.train.describe(), "val": components.validation.describe()}
    judge = None
    if components.judged is not None:
        judge = components.judged.judge
        data["judged"] = components.judged.split.describe()
        data["judge"] = {"name": judge.name, "fingerprint": judge.fingerprint}
    data["protocol"] = protocol_of(config, len(components.validation), judge, components.prior).describe()
    return data


def _run_info(
    config: DictConfig,
    folder: RunFolder,
    overrides: Sequence[str],
    choices: Mapping[str, str],
    recorded: dict[str, Any],
    data: dict[str, Any],
) -> RunInfo:
    return RunInfo(
        folder=folder.path,
        outputs=folder.outputs,
        run_id=config.run_id,
        experiment=config.experiment,
        config=OmegaConf.to_container(config),
        config_yaml=OmegaConf.to_yaml(config),
        overrides=list(overrides),
        provenance=recorded,
        data=data,
        seed=config.seed,
        choices=dict(choices),
    )
