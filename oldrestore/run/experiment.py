"""One training run, end to end, in this process: components, folder, trackers, and the run itself; new or resumed."""

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
from oldrestore.records.run_folder import RunFolder
from oldrestore.records.run_lock import RunLock
from oldrestore.run import provenance
from oldrestore.run.components import Components, build_components
from oldrestore.run.monitor import check_monitor
from oldrestore.run.outcome import Outcome
from oldrestore.run.processes.unrecorded import Unrecorded
from oldrestore.run.progress import Progress, beginning
from oldrestore.run.resuming import Resumption, go_back_to_checkpoint, take_checkpoint
from oldrestore.run.run_in_progress import RunInProgress
from oldrestore.scoring.protocols import protocol_of
from oldrestore.tracking.protocol import RunInfo
from oldrestore.tracking.tracker import Trackers

__all__ = ["Outcome", "resume_experiment", "run_experiment"]


def run_experiment(
    config: DictConfig, overrides: Sequence[str], narrator: Narrator, choices: Mapping[str, str] | None = None
) -> Outcome:
    """Train and evaluate what a configuration asks for, and record it in a run folder.

    Parameters
    ----------
    config : DictConfig
        Resolved and checked (`oldrestore.config.compose.resolve_and_check`).
    overrides : sequence of str
        What the user typed, kept for the record.
    narrator : Narrator
    choices : mapping of str to str, optional
        What was chosen of each group, kept for the record.

    Returns
    -------
    Outcome

    Raises
    ------
    UserError
        Before a run folder exists: on anything that a user can mend.
    """
    device = set_device(config.trainer.device)
    if config.run_id is None:
        config.run_id = parallel.gather(new_run_id())[0]
    components = _built(config)
    if not parallel.is_first():
        return _follow(config, components, beginning(config.trainer.monitor_mode))
    sinks = {name: build(node) for name, node in config.tracking.items()}
    recorded = provenance.collect(seed=config.seed, device=device)
    folder = RunFolder.create(Path(config.outputs), config.experiment, config.run_id, parallel.folder_was_made())
    with RunLock(folder.path):
        progress = beginning(config.trainer.monitor_mode)
        run = RunInProgress(config, components, folder, Trackers(folder, sinks), narrator, progress)
        narrator.record = folder.log
        info = _run_info(config, folder, overrides, choices or {}, recorded, describe_data(config, components))
        run.tracker.start(info)
        return run.carry_out()


def resume_experiment(resumption: Resumption, narrator: Narrator) -> Outcome:
    """Go on with a run from its last checkpoint, as if it had never stopped.

    Its folder then holds what an uninterrupted run would have written, times aside; what was trained beyond the
    checkpoint stands in ``resumes/NNN/``, with what differed from the run's beginning.

    Parameters
    ----------
    resumption : Resumption
        Of `oldrestore.run.resuming.plan_resume`, with a resolved and checked configuration.
    narrator : Narrator

    Raises
    ------
    UserError
        Before the run folder is touched: the photographs are others, or the checkpoint cannot be read.
    """
    config = resumption.config
    with resumption.lock:
        device = set_device(config.trainer.device)
        components = _built(config)
        sinks = {name: build(node) for name, node in config.tracking.items()} if parallel.is_first() else {}
        now = provenance.collect(seed=config.seed, device=device)
        data = describe_data(config, components)
        back = parallel.by_first(lambda: go_back_to_checkpoint(resumption, components.learner, data, now))
        if not parallel.is_first():
            take_checkpoint(resumption.folder, components.learner)
            return _follow(config, components, back.progress)
        folder = RunFolder.open(resumption.folder, outputs=Path(config.outputs))
        run = RunInProgress(config, components, folder, Trackers(folder, sinks), narrator, back.progress)
        narrator.record = folder.log
        narrator.say(f"resumed   {resumption.folder} at iteration {back.progress.iteration}")
        if back.differences:
            narrator.say(back.in_words())
        info = _run_info(config, folder, resumption.all_overrides(), resumption.choices, back.provenance, data)
        run.tracker.start(info)
        return run.carry_out()


def _built(config: DictConfig) -> Components:
    """Build what a run works with; where one of several processes cannot, none goes on."""

    def make() -> list[Components]:
        components = build_components(config)
        check_monitor(config, components)
        made.append(components)
        return []  # nobody else wants it

    made: list[Components] = []
    parallel.gathered(make)
    return made[0]


def _follow(config: DictConfig, components: Components, progress: Progress) -> Outcome:
    """Train with the others as one of the processes that write nothing down."""
    unrecorded = Unrecorded(Path(config.outputs).absolute() / config.experiment / config.run_id)
    # What it would say, rank 0 says.
    narrator = Narrator(console=Console(quiet=True))
    return RunInProgress(config, components, unrecorded, unrecorded, narrator, progress).carry_out()


def describe_data(config: DictConfig, components: Components) -> dict[str, Any]:
    """Return what ``data.json`` records: every split, the judge, and the protocol."""
    data = {"train": components.train.describe(), "val": components.validation.describe()}
    if components.judged is not None:
        data["judged"] = components.judged.split.describe()
        data["judge"] = {
            "name": components.judged.judge.name,
            "fingerprint": components.judged.judge.fingerprint,
        }
    judge = components.judged.judge if components.judged is not None else None
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
