"""``oldrestore train``: composes a configuration and runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from oldrestore import runtime
from oldrestore.commands.arguments import take_plugins
from oldrestore.errors import UserError

HELP = """\
usage: oldrestore train [OVERRIDES] [resume=RUN|auto] [--plugins PATH] [--multirun] [--cfg job|hydra|all] [--info]
                        [--help]

Trains one run. Settings that are not overridden come from conf/.

  oldrestore train experiments=quickstart           a recorded experiment
  oldrestore train model.width=0.5 seed=1           settings
  oldrestore train loss=cross_entropy               another choice of a group
  oldrestore train -m seed=0,1,2                    several runs (Hydra's multirun)
  oldrestore train resume=RUN                       resume a run: its folder, its id or 'last'
  oldrestore train experiments=NAME resume=auto     resume the newest unfinished run, or start one
  oldrestore train trainer.processes=2              one run in two processes
  oldrestore train schedule=range_test              find a learning rate
  oldrestore train trainer.overfit_batches=1        can this network learn one batch by heart?
  oldrestore train --plugins my_losses loss=mine    a class and a choice outside oldrestore (docs/plugins.md)
  oldrestore train --cfg job                        print the configuration, run nothing

choices:
"""
GROUPS = ("model", "loss", "dataset", "inputs", "trainer", "optimizer", "schedule")
GROUPS += ("evaluation", "judge", "tracking", "experiments", "sweeps")


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    arguments = take_plugins("train", arguments)
    if any(argument in ("-h", "--help") for argument in arguments):
        from oldrestore.config.location import choices_of

        print(HELP + "\n".join(f"  {group:<12}{', '.join(choices_of(group)) or '(none yet)'}" for group in GROUPS))
        return 0
    runtime.prepare()
    return run_hydra(arguments)


def run_hydra(arguments: Sequence[str]) -> int:
    """Let Hydra read its own flags and compose; `train_one` does the rest."""
    from hydra import version
    from hydra._internal.utils import _run_hydra, get_args_parser

    from oldrestore.config.compose import CONFIG_NAME, HYDRA_ERRORS, check_choices, explain
    from oldrestore.config.folders import register_search_path
    from oldrestore.config.location import configuration_root
    from oldrestore.config.multirun import refuse_evaluation, refuse_sweep
    from oldrestore.config.overrides import readable

    register_search_path()
    version.setbase("1.3")
    arguments, resume = take_resume(arguments)
    # Without this, Hydra prints its own traceback and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    parser = get_args_parser()
    parser.prog = "oldrestore train"
    parser.error = refuse
    flags = parser.parse_args(arguments)
    check_flags(flags)
    # A sweep means several runs without --multirun.
    several = flags.multirun or any(text.startswith(("sweeps=", "hydra.mode=")) for text in flags.overrides)
    typed = readable(flags.overrides, several)
    flags.overrides = check_choices(typed, several)
    refuse_evaluation(flags.overrides)
    if not (flags.multirun or flags.cfg or flags.info or any(t.startswith("hydra.mode=") for t in flags.overrides)):
        refuse_sweep(flags.overrides)
    if flags.multirun and resume not in (None, "auto"):
        raise UserError("several runs cannot resume a single one: use resume=auto, which resumes each run's own")
    if resume not in (None, "auto"):
        flags.overrides = [*choices_of_run(resume, typed), *flags.overrides]
    codes: list[int] = []
    refusals: list[UserError] = []
    own_process = os.getpid()

    def task(composed) -> None:
        # Collected, not raised: Hydra would print a line about the job and stop the others.
        if os.getpid() != own_process:
            run_for_launcher(composed, resume)
            return
        try:
            codes.append(train_composed(composed, resume, None if several else typed))
        except UserError as refusal:
            refusals.append(refusal)

    try:
        _run_hydra(flags, parser, task, str(configuration_root() / "conf"), CONFIG_NAME)
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
    """Refuse flags of Hydra that would be ignored here or that exclude each other."""
    for name in ("config_path", "config_name", "experimental_rerun", "shell_completion"):
        if getattr(flags, name):
            refuse(f"unrecognized arguments: --{name.replace('_', '-')}")
    modes = [f"--{name}" for name in ("run", "multirun", "cfg", "info") if getattr(flags, name)]
    if len(modes) > 1:
        refuse(f"{' and '.join(modes)} exclude each other: give one of them")
    if (flags.package or flags.resolve) and not flags.cfg:
        refuse("--package and --resolve say how a configuration is printed: give --cfg job too")


class JobFailedError(Exception):
    """A job in a launcher's process failed or was stopped; the message completes the sentence "a job ..."."""


def run_for_launcher(composed, resume: str | None) -> None:
    """Train one job in a process of a Hydra launcher, where only an exception reports how it ended."""
    from hydra.core.hydra_config import HydraConfig

    overrides = " ".join(HydraConfig.get().overrides.task)
    try:
        code = train_composed(composed, resume)
    except SystemExit:
        raise JobFailedError(f"was stopped ({overrides})") from None
    if code:
        raise JobFailedError(f"failed ({overrides}): see oldrestore runs")


def train_composed(composed, resume: str | None, typed: Sequence[str] | None = None) -> int:
    """Train the current job of Hydra, with its overrides (or what was `typed`) and its choice in each group."""
    from hydra.core.hydra_config import HydraConfig

    from oldrestore.config.compose import resolved
    from oldrestore.records.asked_settings import group_choices
    from oldrestore.run.one_run import train_one

    resolved(composed)  # so that errors show references as they resolve
    job = HydraConfig.get()
    overrides = list(job.overrides.task if typed is None else typed)
    return train_one(composed, overrides, resume, group_choices(job.runtime.choices))


def refuse(message: str) -> NoReturn:
    """Refuse flags in the form that all commands use."""
    raise UserError(f"{message} (see oldrestore train --help)")


def choices_of_run(name: str, overrides: Sequence[str]) -> list[str]:
    """Return the choices of a run to resume in the groups that typed settings are of."""
    from oldrestore.config.compose import compose_unchecked, resolved
    from oldrestore.records.asked_settings import choices_meant
    from oldrestore.records.finding import find_run
    from oldrestore.records.run import Run

    outputs = resolved(compose_unchecked([text for text in overrides if text.startswith("outputs=")]))["outputs"]
    return choices_meant(Run(find_run(name, Path(outputs))).choices, overrides)


def take_resume(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Separate ``resume=RUN``, which names one run and is not a setting, from the arguments."""
    from oldrestore.config.location import unquoted

    named = [unquoted(text.partition("=")[2]) for text in arguments if text.startswith("resume=")]
    if len(named) > 1 or "" in named or "null" in named:
        raise UserError("resume names one run: a run folder, a run id, 'last', or 'auto'")
    return [text for text in arguments if not text.startswith("resume=")], named[0] if named else None
