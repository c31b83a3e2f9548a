"""What commands have in common on the command line: errors in one sentence, types, shared options and what they do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from oldrestore import runtime
from oldrestore.config.location import at_home, unquoted
from oldrestore.errors import UserError, in_words

if TYPE_CHECKING:
    from oldrestore.engines.fast_network import Running
    from oldrestore.photographs.photo_list import InputFile
    from oldrestore.photographs.verb import Verb
    from oldrestore.records.run import Run

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `UserError`, so that all commands fail alike."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage and exiting."""
        raise UserError(f"{message} (see {self.prog} --help)")


def parser(verb: str, does: str, epilog: str | None = None) -> Parser:
    """Make the parser of a command."""
    return Parser(
        prog=f"oldrestore {verb}",
        description=does,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def path(text: str) -> Path:
    """Read an argument that names a file or folder, which need not exist; a ``type`` for argparse.

    A leading ``~`` is the home folder: a shell does not expand it in ``--output=~/coloured``.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is empty, like an unset variable of a shell, and would be the working folder; or if the system cannot
        look it up: a name that is too long, a folder without permission, a loop of links.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty: name a file or folder ('.' is this one)")
    named = Path(at_home(text))
    try:
        named.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise argparse.ArgumentTypeError(f"'{text}' cannot be looked up ({in_words(error)})") from None
    return named


def number(low: Number, high: Number | None = None) -> Callable[[str], Number]:
    """Return a ``type`` for argparse: a number from `low` to `high`, whole if `low` is an int."""
    kind = type(low)
    bounds = f", at least {low}" if high is None else f" from {low} to {high}"

    def read(text: str) -> Number:
        try:
            value = kind(text) if text.isascii() and "_" not in text else None
        except ValueError:
            value = None
        if value is None or not (low <= value if high is None else low <= value <= high):
            raise argparse.ArgumentTypeError(f"must be a {'whole ' * (kind is int)}number{bounds}, not '{text}'")
        return value

    return read


def names(text: str) -> list[str]:
    """Read names separated by commas; a ``type`` for argparse.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is none.
    """
    found = [name for name in text.split(",") if name]
    if not found:
        raise argparse.ArgumentTypeError("takes names of figures, such as auc,psnr")
    return found


def outputs_of(overrides: Sequence[str]) -> str:
    """Read ``outputs=FOLDER``, quoted or not, from a command's overrides; ``outputs`` by default.

    Raises
    ------
    UserError
        If there are other overrides.
    """
    outputs = "outputs"
    for override in overrides:
        name, _, value = override.partition("=")
        if name != "outputs" or not value:
            raise UserError(f"'{override}' is not understood here: only outputs=FOLDER is")
        outputs = at_home(unquoted(value))
    return outputs


def split_outputs(words: Sequence[str]) -> tuple[Path, list[str]]:
    """Separate ``outputs=FOLDER`` from the other words of a command; return the folder and the others."""
    others = [word for word in words if not word.startswith("outputs=")]
    return Path(outputs_of([word for word in words if word.startswith("outputs=")])), others


def add_outputs(options: Parser) -> None:
    """Add the folder in which a command looks up run ids."""
    options.add_argument(
        "--outputs", type=path, default=Path("outputs"), help="folder in which run ids are looked up (default: outputs)"
    )


def add_choice_of_runs(options: Parser) -> None:
    """Add the options that choose the runs to compare, and how they are compared."""
    options.add_argument("--experiment", metavar="NAME", help="every run of an experiment that has scores")
    options.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="as for oldrestore runs")
    options.add_argument("--by", choices=("design", "run"), default="design", help="rows: designs (default) or runs")
    options.add_argument(
        "--resamples", type=number(100), default=10000, metavar="N", help="number of resamples (default: 10000)"
    )
    options.add_argument("runs", nargs="*", metavar="RUN", help="also outputs=FOLDER, the root of the run folders")


def runs_chosen(chosen: argparse.Namespace) -> tuple[list[Run], Path]:
    """Find the runs that `add_choice_of_runs` lets a user choose: by name, or those that meet conditions.

    Returns
    -------
    list of Run
        Those chosen by conditions have scores.
    Path
        The root of the run folders.

    Raises
    ------
    UserError
        If no run is named or found.
    """
    from oldrestore.records.finding import find_run
    from oldrestore.records.listing import Condition, list_runs, read_condition
    from oldrestore.records.run import Run

    outputs, named = split_outputs(chosen.runs)
    if named and (chosen.experiment or chosen.where):
        raise UserError("give either runs, or --experiment and --where: not both")
    if named:
        # A run has the scores of its last validation; another checkpoint has scores once it has been evaluated.
        evaluation = ", or the folder of an evaluation that `oldrestore evaluate CHECKPOINT` makes"
        return [Run(find_run(name, outputs, evaluation)) for name in named], outputs
    # The name is taken literally: a quotation mark may be part of it.
    conditions = [Condition("experiment", "=", chosen.experiment)] if chosen.experiment else []
    conditions += [read_condition(text) for text in chosen.where]
    if not conditions:
        raise UserError("name the runs, or give --experiment NAME or --where NAME=VALUE (--help says more)")
    found = list_runs(outputs, conditions)
    scored = with_scores(found)
    if not scored:
        what = "runs" if not found else f"{len(found)} runs, none with scores,"
        asked = ", ".join([*([f"experiment={chosen.experiment}"] if chosen.experiment else []), *chosen.where])
        raise UserError(f"there are {'no ' if not found else ''}{what} under {outputs} with {asked}")
    return scored, outputs


def with_scores(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that have scores; if only some have, print a line on stderr for each of the others."""
    scored = [run for run in runs if not run.scores.empty]
    if scored:
        for run in runs:
            if run.scores.empty:
                print(f"oldrestore: {run.run_id} is {run.state} and has no scores: left out", file=sys.stderr)
    return scored


def add_networks(options: Parser, does: str = "") -> None:
    """Add the options that choose the networks that colour."""
    options.add_argument(
        "--run", action="append", default=[], help=f"{does}run folder, run id or 'last'; may be repeated"
    )
    options.add_argument("--checkpoint", default=None, help="of the runs: best (default), last or a kept one")
    add_outputs(options)
    options.add_argument(
        "--weights",
        action="append",
        default=[],
        type=path,
        metavar="FILE",
        help=f"{does}safetensors file; may be repeated",
    )
    add_model(options)


def add_model(options: Parser) -> None:
    """Add the option that says what a weights file is of."""
    options.add_argument(
        "--model", default=None, help="network of FILE if FILE does not name it: NAME or NAME,width=0.5"
    )


def add_journey(options: Parser) -> None:
    """Add how networks are run, what happens to existing outputs, and how the summary is printed."""
    options.add_argument(
        "--half", action="store_true", help="half precision: faster; bfloat16 on CPUs that have it, float16 on a GPU"
    )
    options.add_argument(
        "--dynamic", action="store_true", help="run networks as in training, without Paddle Inference: slower on a CPU"
    )
    options.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    options.add_argument(
        "--skip-existing", action="store_true", help="skip photographs whose outputs exist; resumes after a stop"
    )
    options.add_argument("--json", action="store_true", help="print JSON")


def treat_photographs(
    chosen: argparse.Namespace,
    photos: Sequence[Path],
    prepare: Callable[[Sequence[InputFile], Running], Verb],
    never: Sequence[Path] = (),
    with_parts: bool = True,
) -> int:
    """Find photographs, make their outputs as the options of `add_journey` say, and print the summary.

    Parameters
    ----------
    photos : sequence of Path
        Files and folders.
    prepare : callable
        Loads the networks and builds the stages, once photographs have been found and Paddle is imported.
    never : sequence of Path
        Inputs of another kind: neither photographs nor to be overwritten.
    with_parts : bool
        Whether to write masks and the pictures of single stages.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Stopped
        On Ctrl-C or SIGTERM, after the summary of what is done.
    """
    from oldrestore.photographs.photo_list import find_photographs, name_outputs
    from oldrestore.photographs.stopping import paddle_imported_and_sigterm_as_ctrl_c

    if chosen.model is not None and not chosen.weights:
        raise UserError("--model says what --weights FILE holds: give both, or choose a run with --run")
    if chosen.overwrite and chosen.skip_existing:
        raise UserError("--overwrite and --skip-existing contradict each other: leave one of them out")
    existing = "replace" if chosen.overwrite else "skip" if chosen.skip_existing else "refuse"
    found = find_photographs(photos, chosen.output, never)  # before Paddle is imported, so that errors come at once
    runtime.prepare()
    with paddle_imported_and_sigterm_as_ctrl_c():
        from rich.console import Console

        from oldrestore.device import set_device
        from oldrestore.engines.fast_network import Running
        from oldrestore.narrator import Narrator
        from oldrestore.photographs.verb import Stopped

        set_device("auto")
        narrator = Narrator(console=Console(stderr=chosen.json, highlight=False, soft_wrap=True))
        verb = prepare(found, Running(chosen.half, chosen.dynamic, narrator.say))
        parts = verb.restorer.parts if with_parts else {}
        tasks = name_outputs(found, chosen.output, verb.labels, existing != "refuse", verb.mark, parts, never)
        stopped = None
        try:
            verb.run(tasks, chosen.output, narrator, existing)
        except Stopped as stop:
            stopped = stop
        if chosen.json:
            print(json.dumps({"folder": str(chosen.output), **verb.facts(), **vars(verb.outcome)}, indent=2))
        else:
            for line in (*verb.summary(), str(chosen.output)):
                narrator.say(line)
        if stopped is not None:
            raise stopped
        return 1 if verb.outcome.failed else 0
