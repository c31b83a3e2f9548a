"""What commands share: a parser whose errors are one sentence, argument types, common options and what they do."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from oldrestore import runtime
from oldrestore.config.location import at_home, unquoted
from oldrestore.config.plugins import VARIABLE, use_plugins
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

    def flag(self, *names: str, does: str) -> None:
        """Add an option without a value."""
        self.add_argument(*names, action="store_true", help=does)


def parser(verb: str, does: str, epilog: str | None = None) -> Parser:
    """Return the parser of a command, without options yet."""
    layout = argparse.RawDescriptionHelpFormatter
    return Parser(
        prog=f"oldrestore {verb}", description=does, epilog=epilog, formatter_class=layout, allow_abbrev=False
    )


def path(text: str) -> Path:
    """Read the name of a file or folder, which need not exist; a ``type`` for argparse.

    A leading ``~`` is the home folder: a shell does not expand it in ``--output=~/coloured``. An empty name, as from
    an unset shell variable, is refused (it would mean the working folder), and so is one that the system cannot look
    up: too long, in a folder without permission, a loop of links.
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
    """Read at least one name, separated by commas; a ``type`` for argparse."""
    listed = [name for name in text.split(",") if name]
    if not listed:
        raise argparse.ArgumentTypeError("takes names of figures, such as auc,psnr")
    return listed


def difference(text: str) -> tuple[float, bool]:
    """Read a difference between two figures, and whether it is in percent; a ``type`` for argparse."""
    value, in_percent = number(0.0)(text.removesuffix("%")), text.endswith("%")
    if not 0 < value < inf:
        raise argparse.ArgumentTypeError(f"must be above 0, not '{text}'")
    return (value / 100 if in_percent else value), in_percent


def kinds_of_runs(text: str) -> list[str]:
    """Read kinds of runs, separated by commas; a ``type`` for argparse."""
    from oldrestore.records.kinds import KINDS

    for name in (listed := text.split(",")):
        if name not in KINDS:
            raise argparse.ArgumentTypeError(f"'{name}' is no kind of run: choose from {', '.join(KINDS)}")
    return listed


def split_outputs(words: Sequence[str]) -> tuple[Path, list[str]]:
    """Separate ``outputs=FOLDER``, quoted or not, from other words; return the folder (default: outputs) and them."""
    outputs, others = "outputs", []
    for word in words:
        if not word.startswith("outputs="):
            others.append(word)
        elif word == "outputs=":
            raise UserError(f"'{word}' is not understood here: only outputs=FOLDER is")
        else:
            outputs = at_home(unquoted(word.removeprefix("outputs=")))
    return Path(outputs), others


def outputs_of(overrides: Sequence[str], must_exist: bool) -> Path:
    """Return the folder of ``outputs=FOLDER``, the only override that some commands take (default: outputs)."""
    outputs, others = split_outputs(overrides)
    if others:
        raise UserError(f"'{others[0]}' is not understood here: only outputs=FOLDER is")
    if must_exist and not (outputs.is_dir() or (outputs.is_file() and outputs.suffix == ".zip")):
        raise UserError(f"there is no outputs folder '{outputs}': train a run first, or name it with outputs=FOLDER")
    return outputs


class _Plugins(argparse.Action):
    """Admits a plugin as soon as it is read, for what follows and for processes that are started."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: str, *_: object) -> None:
        use_plugins(values)


def add_plugins(options: Parser) -> None:
    """Add the option that admits code outside the package."""
    does = f"package outside oldrestore to use: folder, or name if installed; may be repeated (or set {VARIABLE})"
    options.add_argument("--plugins", action=_Plugins, metavar="PATH", default=argparse.SUPPRESS, help=does)


def take_plugins(verb: str, arguments: Sequence[str]) -> list[str]:
    """Admit the plugins among the arguments of a command whose options are Hydra's, and return the others."""
    options = Parser(prog=f"oldrestore {verb}", allow_abbrev=False, add_help=False)
    add_plugins(options)
    return options.parse_known_args(arguments)[1]


def add_outputs(options: Parser) -> None:
    """Add the folder in which a command looks up run ids."""
    does = "folder in which run ids are looked up (default: outputs)"
    options.add_argument("--outputs", type=path, default=Path("outputs"), help=does)


def add_choice_of_runs(options: Parser) -> None:
    """Add the options that choose the runs to compare, and how they are compared."""
    options.add_argument("--experiment", metavar="NAME", help="every run of an experiment that has scores")
    options.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="as for oldrestore runs")
    kinds = "also runs of these kinds: reproduction, range_test, overfit, killed, failed, extended, archived"
    options.add_argument("--include", type=kinds_of_runs, default=[], metavar="A,B", help=kinds)
    options.add_argument("--figures", type=names, metavar="A,B", help="columns of the table")
    options.add_argument("--metric", metavar="NAME", help="figure that designs are ranked by (default: auc_rebalanced)")
    options.add_argument("--by", choices=("design", "run"), default="design", help="rows: designs (default) or runs")
    resamples = "number of resamples (default: 10000)"
    options.add_argument("--resamples", type=number(100), default=10000, metavar="N", help=resamples)
    does = "a run, a sweep's folder, or a bundle; or outputs=FOLDER, the root of the run folders"
    options.add_argument("runs", nargs="*", metavar="RUN", help=does)


def chosen_runs(chosen: argparse.Namespace) -> tuple[list[Run], Path, list[str]]:
    """Return the runs chosen by `add_choice_of_runs`, the root of the run folders, and sentences on what is left out.

    By conditions, these are the runs with scores that are equals of one another (see `kind_of`) or are to be included;
    the sentences are printed on stderr too.
    """
    from oldrestore.records.finding import find_runs
    from oldrestore.records.listing import Condition, list_runs, read_condition
    from oldrestore.records.run import Run

    outputs, named = split_outputs(chosen.runs)
    if named and (chosen.experiment or chosen.where):
        raise UserError("give either runs, or --experiment and --where: not both")
    if named:
        # A run has the scores of its last validation; another checkpoint has scores once it has been evaluated.
        evaluation = ", or the folder of an evaluation that `oldrestore evaluate CHECKPOINT` makes"
        return [Run(folder) for name in named for folder in find_runs(name, outputs, evaluation)], outputs, []
    # The name is taken literally: a quotation mark may be part of it.
    conditions = [Condition("experiment", "=", chosen.experiment)] if chosen.experiment else []
    conditions += [read_condition(text) for text in chosen.where]
    if not conditions:
        raise UserError("name the runs, or give --experiment NAME or --where NAME=VALUE (--help says more)")
    runs = list_runs(outputs, conditions)
    scored = with_scores(runs)
    if not scored:
        what = f"{len(runs)} runs, none with scores," if runs else "no runs"
        experiment = [f"experiment={chosen.experiment}"] if chosen.experiment else []
        raise UserError(f"there are {what} under {outputs} with {', '.join([*experiment, *chosen.where])}")
    equals = [run for run in scored if run.kind is None or run.kind.name in chosen.include]
    kinds = ",".join(dict.fromkeys(run.kind.name for run in scored if run not in equals))
    left_out = []
    for run in runs:
        if run not in scored:
            left_out.append(without_scores(run))
        elif run not in equals:
            left_out.append(f"{run.run_id} {run.kind.words}: left out (--include {run.kind.name})")
            print(f"oldrestore: {left_out[-1]}", file=sys.stderr)
    if not equals:
        raise UserError(f"every run with scores is left out: add --include {kinds}, or name the runs")
    return equals, outputs, left_out


def without_scores(run: Run) -> str:
    """Say that a run is left out because it has no scores."""
    words = run.kind.words if run.kind is not None else f"is {run.state}"
    return f"{run.run_id} {words}: left out, for it has no scores"


def with_scores(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that have scores; if only some have, print a line on stderr for each of the others."""
    scored = [run for run in runs if not run.scores.empty]
    for run in runs if scored else ():
        if run.scores.empty:
            print(f"oldrestore: {without_scores(run)}", file=sys.stderr)
    return scored


def add_networks(options: Parser, does: str = "") -> None:
    """Add the options that choose the networks that colour."""
    runs = f"{does}run folder, run id or 'last'; may be repeated"
    options.add_argument("--run", action="append", default=[], help=runs)
    options.add_argument("--checkpoint", help="of the runs: best (default), last or a kept one")
    add_outputs(options)
    weights = f"{does}safetensors file; may be repeated"
    options.add_argument("--weights", action="append", default=[], type=path, metavar="FILE", help=weights)
    add_model(options)
    add_plugins(options)


def add_model(options: Parser) -> None:
    """Add the option that says which network a weights file belongs to."""
    options.add_argument("--model", help="network of FILE if FILE does not name it: NAME or NAME,width=0.5")


def add_processing(options: Parser) -> None:
    """Add how networks are run, what happens to existing outputs, and how the summary is printed."""
    options.flag("--half", does="half precision: faster; bfloat16 on CPUs that have it, float16 on a GPU")
    options.flag("--dynamic", does="run networks as in training, without Paddle Inference: slower on a CPU")
    options.flag("--overwrite", does="replace existing outputs")
    options.flag("--skip-existing", does="skip photographs with outputs of the same content; resumes after a stop")
    options.flag("--no-label", does="do not state in outputs that they were altered, by which network and when")
    options.flag("--json", does="print JSON")


def process_photographs(
    chosen: argparse.Namespace,
    photos: Sequence[Path],
    prepare: Callable[[Sequence[InputFile], Running], Verb],
    never: Sequence[Path] = (),
    with_parts: bool = True,
) -> int:
    """Process files and folders as the options of `add_processing` say, print the summary and return the exit code.

    `prepare` loads the networks and builds the stages, once the photographs have been listed and Paddle is imported;
    `never` are other inputs, neither photographs nor to be overwritten; `with_parts` writes masks and the pictures of
    single stages. On Ctrl-C or SIGTERM, `Stopped` is raised after the summary of what is done.
    """
    from oldrestore.photographs.output_names import name_outputs
    from oldrestore.photographs.photo_list import find_photographs
    from oldrestore.photographs.stopping import paddle_imported_and_sigterm_as_ctrl_c

    if chosen.model is not None and not chosen.weights:
        raise UserError("--model says what --weights FILE holds: give both, or choose a run with --run")
    if chosen.overwrite and chosen.skip_existing:
        raise UserError("--overwrite and --skip-existing contradict each other: leave one of them out")
    existing = "replace" if chosen.overwrite else "skip" if chosen.skip_existing else "refuse"
    passed_over: Counter[str] = Counter()
    listed = find_photographs(photos, never, passed_over)  # before Paddle is imported, so that errors come at once
    runtime.prepare()
    with paddle_imported_and_sigterm_as_ctrl_c():
        from oldrestore.device import set_device
        from oldrestore.engines.fast_network import Running
        from oldrestore.narrator import Narrator
        from oldrestore.photographs.verb import Stopped, day

        set_device("auto")
        narrator = Narrator(on_stderr=chosen.json)
        verb = prepare(listed, Running(chosen.half, chosen.dynamic, narrator.say))
        verb.outcome.passed_over = passed_over
        verb.label_date = None if chosen.no_label else day()
        parts = verb.restorer.parts if with_parts else {}
        tasks = name_outputs(listed, chosen.output, verb.labels, existing != "refuse", verb.mark, parts, never)
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
