"""``oldrestore train``: composes a configuration and carries out the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from oldrestore import parallel, runtime
from oldrestore.errors import UserError

HELP = """\
usage: oldrestore train [OVERRIDES] [resume=RUN|auto] [--multirun] [--cfg job|hydra|all] [--info] [--help]

Trains one run. What is not overridden comes from conf/.

  oldrestore train experiments=quickstart           a recorded experiment
  oldrestore train model.width=0.5 seed=1           settings
  oldrestore train loss=cross_entropy               another choice of a group
  oldrestore train -m seed=0,1,2                    several runs (Hydra's multirun)
  oldrestore train resume=RUN                       go on with a run: its folder, its id or 'last'
  oldrestore train experiments=NAME resume=auto     go on with the newest that is not finished, or begin one
  oldrestore train trainer.processes=2              one run, trained by two processes
  oldrestore train --cfg job                        print the configuration, run nothing

choices:
"""
GROUPS = (
    "model",
    "loss",
    "dataset",
    "inputs",
    "trainer",
    "optimizer",
    "schedule",
    "evaluation",
    "judge",
    "tracking",
    "experiments",
    "sweeps",
)


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(help_text())
        return 0
    runtime.prepare()
    return run_hydra(list(arguments))


def help_text() -> str:
    """Usage, and the choices of every group as they are on disk."""
    from oldrestore.config.location import choices_of

    return HELP + "\n".join(f"  {group:<12}{', '.join(choices_of(group)) or '(none yet)'}" for group in GROUPS)


def run_hydra(arguments: list[str]) -> int:
    """Let Hydra read its own flags and compose; the run itself is `train_one`.

    Raises
    ------
    UserError
        For whatever Hydra or the checks refuse.
    """
    from hydra import version
    from hydra._internal.utils import _run_hydra, get_args_parser

    from oldrestore.config.compose import CONFIG_NAME, HYDRA_ERRORS, check_choices, explain, resolved
    from oldrestore.config.folders import register_search_path
    from oldrestore.config.location import configuration_root
    from oldrestore.config.multirun import refuse_evaluation

    register_search_path()
    version.setbase("1.3")
    arguments, resume = take_resume(arguments)
    # Hydra would print a traceback of its own and exit with 1; with this it raises to us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    parser = get_args_parser()
    parser.prog = "oldrestore train"
    parser.error = refuse
    flags = parser.parse_args(arguments)
    check_flags(flags)
    # A sweep is several runs by itself: its file says so.
    several = flags.multirun or any(text.startswith(("sweeps=", "hydra.mode=")) for text in flags.overrides)
    flags.overrides = check_choices(flags.overrides, several)
    refuse_evaluation(flags.overrides)
    if flags.multirun and resume not in (None, "auto"):
        raise UserError("several runs cannot go on from one: take resume=auto, by which each goes on from its own")
    codes: list[int] = []
    refusals: list[UserError] = []
    own_process = os.getpid()

    def task(composed) -> None:
        # Hydra prints a line of its own about a job that raises; and of several jobs, the others go on.
        if os.getpid() != own_process:
            carry_out_for_launcher(composed, resume)
            return
        try:
            resolved(composed)  # what was typed is told with its references resolved
            codes.append(train_one(composed, typed_overrides(), resume, chosen()))
        except UserError as refusal:
            refusals.append(refusal)

    try:
        _run_hydra(
            args=flags,
            args_parser=parser,
            task_function=task,
            config_path=str(configuration_root() / "conf"),
            config_name=CONFIG_NAME,
        )
    except HYDRA_ERRORS as error:
        raise UserError(explain(error, flags.overrides)) from None
    except JobFailedError as failure:
        print(f"oldrestore: a job {failure}", file=sys.stderr)
        return 1
    first, *others = dict.fromkeys(map(str, refusals)) or [None]
    for refusal in others:
        print(f"oldrestore: {refusal}", file=sys.stderr)
    if first is not None:
        raise UserError(first)
    return max(codes, default=0)


def check_flags(flags) -> None:
    """Refuse flags of Hydra that would be ignored here, or that exclude each other.

    Raises
    ------
    UserError
        Naming them.
    """
    for name in ("config_path", "config_name", "experimental_rerun", "shell_completion"):
        if getattr(flags, name):
            refuse(f"unrecognized arguments: --{name.replace('_', '-')}")
    modes = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if getattr(flags, name)]
    if len(modes) > 1:
        refuse(f"{' and '.join(modes)} exclude each other: give one of them")
    if (flags.package or flags.resolve) and not flags.cfg:
        refuse("--package and --resolve say how a configuration is printed: give --cfg job too")


class JobFailedError(Exception):
    """A job that a launcher carried out in another process has not finished; the message is the end of a sentence."""


def carry_out_for_launcher(composed, resume: str | None) -> None:
    """Train one job in a process that a launcher of Hydra started, where only an exception tells how it ended.

    Raises
    ------
    JobFailedError
        The run failed, or was stopped. The launcher has it raised once every job has ended.
    UserError
        Before a run folder exists.
    """
    from oldrestore.config.compose import resolved

    resolved(composed)
    try:
        code = train_one(composed, typed_overrides(), resume, chosen())
    except SystemExit:
        raise JobFailedError(f"was stopped ({' '.join(typed_overrides())})") from None
    if code:
        raise JobFailedError(f"failed ({' '.join(typed_overrides())}): see oldrestore runs")


def refuse(message: str) -> NoReturn:
    """Answer flags that Hydra does not have as every verb answers."""
    raise UserError(f"{message} (see oldrestore train --help)")


def typed_overrides() -> list[str]:
    """Return the overrides of the job under way, as typed (Hydra's own left out)."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task)


def take_resume(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Take ``resume=RUN`` out of the arguments: it names a run and is no setting of one.

    Raises
    ------
    UserError
        When it names none, or several.
    """
    from oldrestore.config.location import unquoted

    given = [unquoted(text.partition("=")[2]) for text in arguments if text.startswith("resume=")]
    if len(given) > 1 or "" in given or "null" in given:
        raise UserError("resume takes one run: a run folder, a run id, 'last', or 'auto'")
    return [text for text in arguments if not text.startswith("resume=")], given[0] if given else None


def chosen() -> dict[str, str]:
    """Return what the job under way chose of each group."""
    from hydra.core.hydra_config import HydraConfig

    from oldrestore.records.asked_settings import group_choices

    return group_choices(HydraConfig.get().runtime.choices)


def train_one(composed, overrides: Sequence[str], resume: str | None = None, choices=None) -> int:
    """Check one composed configuration, run it or go on with a run, and say how it ended; returns the exit code.

    Parameters
    ----------
    composed : DictConfig
    overrides : sequence of str
        As typed.
    resume : str, optional
        A run to go on with, or ``auto``.
    choices : mapping of str to str, optional
        What was chosen of each group.

    Raises
    ------
    UserError
        Before a run folder exists, or before the one to go on with is touched.
    SystemExit
        With 1, when the run was killed.
    """
    from oldrestore.config.compose import resolve_and_check

    runtime.prepare()  # again: a launcher may have started this job in a fresh process
    config = without_selectors(composed)
    if "search" in config:
        raise UserError("this sweep is a search, which `oldrestore sweep sweeps=NAME` carries out")
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
                raise UserError("the processes do not see the same run to go on with: name it by resume=RUN")
    except UserError:
        if resumption is not None:
            resumption.lock.release()
        raise

    from oldrestore.narrator import Narrator
    from oldrestore.run.start import resume_run, start_run

    narrator = Narrator()
    if resumption is not None:
        outcome = resume_run(replace(resumption, config=config), narrator)
    else:
        if resume is not None:
            narrator.say("resume=auto found no run to go on with: a new one begins")
        outcome = start_run(config, overrides, narrator, choices)
    if not parallel.is_first():
        return 0  # on anything else Paddle's launcher would end rank 0, which says how the run ended
    conclude(outcome, config, narrator)
    if outcome.state == "killed":
        # Not an exception that a multirun would take for one job's: whoever stops a run means all of it.
        raise SystemExit(1)
    return 0 if outcome.state == "finished" else 1


def without_selectors(composed):
    """Drop the groups that only select others: what they chose is in the rest."""
    from omegaconf import OmegaConf, open_dict

    config = OmegaConf.create(OmegaConf.to_container(composed, resolve=False))
    with open_dict(config):
        for selector in ("experiments", "sweeps", "hydra"):
            config.pop(selector, None)
    return config


def conclude(outcome, config, narrator) -> None:
    """Print the accuracy table, where the pictures are and what to type next; the folder comes last.

    The run's log has had all of this since before its trackers were closed, so that they have it too.
    """
    from oldrestore.run.closing import closing_lines, ending, folder_as_typed

    for table in outcome.tables():
        narrator.say()
        narrator.show(table)
    narrator.say()
    how = ending(outcome)
    if how is not None:
        print(f"oldrestore: {how}", file=sys.stderr)
    if outcome.state == "killed" and config.trainer.get("requeue", False):
        from oldrestore.run.slurm import requeue

        line = requeue(outcome.reason)
        if line is not None:
            narrator.say(line)
    for line in closing_lines(outcome, config, unsent=not all_sent(folder_as_typed(config))):
        narrator.say(line)


def all_sent(folder: Path) -> bool:
    """Say whether every tracker of a run has all of it."""
    from oldrestore.records.run import Run

    sinks = Run(folder).status.get("sinks") or {}
    return all(sink.get("state") == "complete" for sink in sinks.values())
