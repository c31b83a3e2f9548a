"""One composed configuration trained: checked, run or resumed, and how it ended printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from oldrestore import parallel, runtime
from oldrestore.config.compose import resolve_and_check
from oldrestore.errors import UserError
from oldrestore.narrator import Narrator
from oldrestore.records.run import Run
from oldrestore.run.outcome import Outcome, closing_lines, folder_as_typed

# Signals after which a Slurm job is requeued; Ctrl-C means stop.
REQUEUED_AFTER = ("SIGTERM", "SIGUSR1")


def train_one(
    composed: DictConfig,
    overrides: Sequence[str],
    resume: str | None = None,
    choices: Mapping[str, str] | None = None,
) -> int:
    """Check a composed configuration, start or resume its run, say how it ended and return the exit code.

    `resume` names the run to resume, or is ``auto``. `SystemExit` with 1 is raised if the run was killed.
    """
    runtime.prepare()  # again: a launcher may have started this job in a fresh process
    config = without_selectors(composed)
    if "search" in config:
        raise UserError("this sweep is a search, which `oldrestore sweep sweeps=NAME` runs")
    resumption = None
    if resume is not None:
        from oldrestore.run.resuming import plan_resume

        resumption = plan_resume(resume, config, overrides)
    if resumption is not None:
        runtime.restore_environment(resumption.environment)
        config = resumption.config
    runtime.quiet_import_of_paddle()
    try:
        config = resolve_and_check(config)
        if parallel.launched():
            from oldrestore.run.processes import launching

            launching.check(config)
            parallel.join()
            meant = parallel.gather(None if resumption is None else resumption.folder.name)
            if len(set(meant)) > 1:
                raise UserError("the processes do not see the same run to resume: name it by resume=RUN")
    except UserError:
        if resumption is not None:
            resumption.lock.close()
        raise

    from oldrestore.run.start import resume_run, start_run

    narrator = Narrator()
    if resumption is not None:
        outcome = resume_run(replace(resumption, config=config), narrator)
    else:
        if resume is not None:
            narrator.say("resume=auto found no run to resume: a new one begins")
        outcome = start_run(config, overrides, narrator, choices)
    if not parallel.is_first():
        return 0  # on any other code Paddle's launcher would end rank 0 before it says how the run ended
    conclude(outcome, config, narrator)
    if outcome.state == "killed":
        # Not an exception that a multirun would take for one job's: stopping a run stops all of it.
        raise SystemExit(1)
    return 0 if outcome.state == "finished" else 1


def without_selectors(composed: DictConfig) -> DictConfig:
    """Drop the groups that only select others: what they chose is in the rest."""
    nodes = OmegaConf.to_container(composed, resolve=False)
    return OmegaConf.create({name: nodes[name] for name in nodes if name not in ("experiments", "sweeps", "hydra")})


def conclude(outcome: Outcome, config: DictConfig, narrator: Narrator) -> None:
    """Print the final tables and the closing lines, which the run's log already holds."""
    for table in outcome.tables():
        narrator.say()
        narrator.show(table)
    narrator.say()
    ending = outcome.ending()
    if ending is not None:
        print(f"oldrestore: {ending}", file=sys.stderr)
    if outcome.state == "killed" and config.trainer.get("requeue", False):
        line = requeue(outcome.reason)
        if line is not None:
            narrator.say(line)
    for line in closing_lines(outcome, config, unsent=not all_sent(folder_as_typed(config))):
        narrator.say(line)


def all_sent(folder: Path) -> bool:
    """Say whether every tracker of a run has all of it."""
    sinks = Run(folder).status.get("sinks") or {}
    return all(sink.get("state") == "complete" for sink in sinks.values())


def requeue(reason: str | None) -> str | None:
    """Ask Slurm to run a job that stopped again, and return what happened as a line; None if it is not to run again."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or not any(name in (reason or "") for name in REQUEUED_AFTER):
        return None
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return None  # one process speaks for the job
    try:
        done = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, encoding="utf-8", errors="replace", timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"the job {job} could not be put back into the queue: {error}"
    if done.returncode != 0:
        words = " ".join(done.stderr.split()) or f"scontrol ended with {done.returncode}"
        return f"the job {job} could not be put back into the queue: {words}"
    return f"the job {job} is back in the queue, and goes on with resume=auto"
