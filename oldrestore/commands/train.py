"""``oldrestore train``: composes a configuration and carries out the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from oldrestore import runtime
from oldrestore.errors import UserError

HELP = """\
usage: oldrestore train [OVERRIDES] [--multirun] [--cfg job|hydra|all] [--info] [--help]

Trains one run. What is not overridden comes from conf/.

  oldrestore train experiments=quickstart           a recorded experiment
  oldrestore train model.width=0.5 seed=1           settings
  oldrestore train loss=cross_entropy               another choice of a group
  oldrestore train -m seed=0,1,2                    several runs (Hydra's multirun)
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
    from oldrestore.config.location import configuration_root, user_root

    lines = []
    for group in GROUPS:
        folders = [configuration_root() / "conf" / group, configuration_root() / group]
        if user_root() is not None:
            folders.append(user_root() / group)
        names = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
        lines.append(f"  {group:<12}{', '.join(names) or '(none yet)'}")
    return HELP + "\n".join(lines)


def run_hydra(arguments: list[str]) -> int:
    """Let Hydra read its own flags and compose; the run itself is `train_one`.

    Raises
    ------
    UserError
        For whatever Hydra or the checks refuse.
    """
    from hydra._internal.utils import _run_hydra, get_args_parser

    from oldrestore.config.compose import CONFIG_NAME, HYDRA_ERRORS, check_choices, explain, register_search_path
    from oldrestore.config.location import configuration_root

    register_search_path()
    # Hydra would print a traceback of its own and exit with 1; with this it raises to us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    parser = get_args_parser()
    parser.prog = "oldrestore train"
    parser.error = refuse
    flags = parser.parse_args(arguments)
    check_choices(flags.overrides)
    codes: list[int] = []
    refusals: list[UserError] = []

    def task(composed) -> None:
        # Hydra prints a line of its own about a job that raises; and of several jobs, the others go on.
        try:
            codes.append(train_one(composed, typed_overrides()))
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
        raise UserError(explain(error)) from None
    for refusal in refusals[1:]:
        print(f"oldrestore: {refusal}", file=sys.stderr)
    if refusals:
        raise refusals[0]
    return max(codes, default=0)


def refuse(message: str) -> NoReturn:
    """Answer flags that Hydra does not have as every verb answers."""
    raise UserError(f"{message} (see oldrestore train --help)")


def typed_overrides() -> list[str]:
    """Return the overrides of the job under way, as typed (Hydra's own left out)."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task)


def train_one(composed, overrides: Sequence[str]) -> int:
    """Check one composed configuration, run it, and say how it ended; returns the exit code.

    Raises
    ------
    UserError
        Before a run folder exists.
    SystemExit
        With 1, when the run was killed.
    """
    from oldrestore.config.compose import resolve_and_check

    runtime.prepare()  # again: a launcher may have started this job in a fresh process
    config = without_selectors(composed)
    runtime.quiet_import_of_paddle()
    config = resolve_and_check(config)

    from oldrestore.runs.experiment import run_experiment
    from oldrestore.training.progress import Narrator

    narrator = Narrator()
    outcome = run_experiment(config, overrides, narrator)
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
    """Print the accuracy table, where the pictures are and what to type next; the folder comes last."""
    if outcome.table is not None:
        narrator.say()
        narrator.show(outcome.table.render())
    for table in outcome.further_tables.values():
        narrator.say()
        narrator.show(table)
    narrator.say()
    if outcome.state != "finished":
        print(f"oldrestore: the run {outcome.state}: {outcome.reason}", file=sys.stderr)
    # As the user named it: a relative path stays short, and can be typed from here.
    folder = Path(config.outputs) / config.experiment / config.run_id
    if (folder / "samples").is_dir():
        narrator.say(f"panels    {folder / 'samples'}")
    if (folder / "curves.png").is_file():
        narrator.say(f"curves    {folder / 'curves.png'}")
    narrator.say("next      oldrestore runs")
    if (folder / "checkpoints").is_dir():
        narrator.say(f"          oldrestore evaluate {folder}")
    narrator.say(f"          oldrestore ui outputs={config.outputs}")
    narrator.say(str(folder))
