"""The command line: finds the verb before it imports anything heavy."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from oldrestore import __version__
from oldrestore.config.plugins import for_one_command
from oldrestore.errors import UserError
from oldrestore.terminal import names_as_text, take_every_character

# Each verb lives in oldrestore/commands/VERB.py as run(arguments) -> exit code. These open the list of --help.
VERBS = {
    "train": "one run: compose a configuration, train, evaluate, log",
    "sweep": "many runs with a ledger: skips finished jobs, continues past failures",
    "evaluate": "score a run's checkpoint again, on any dataset and protocol",
    "compare": "compare runs: paired statistics, what differs, which are the best",
    "report": "one page of runs: verdict, table, charts, gallery, provenance; opens from disk",
    "reproduce": "run a logged run again: identical, within tolerance, or differs at iteration N",
    "restore": "restore old photographs: fill damage, mend tones, colour; files, folders, films",
    "colorize": "colour photographs at full resolution: files, folders, films",
    "studio": "a page on this machine: mend and colour photographs by hand",
    "runs": "list runs: filter by settings and measures, sort",
    "bundle": "pack runs into one file, to compare, report and reproduce them elsewhere",
    "sync": "send trackers what they missed of a run",
    "models": "list networks: parameters, cost, what they predict, which losses fit",
    "losses": "list losses: what they read and need, which models fit, their sources",
    "new": "write a loss, a metric or a dataset of your own from a template",
    "weights": "import published checkpoints; export to inference formats",
    "data": "describe a dataset, its colour prior; prepare photos_plus or photos_wide",
    "ui": "serve MLflow's and VisualDL's pages and the reports of these runs",
    "doctor": "what this machine has, what is slow or missing, and how to fix it",
}
DONE, FAILED, WRONG_REQUEST = 0, 1, 2


def all_verbs() -> dict[str, str]:
    """Return what each verb does: `VERBS`, then any other file in commands/ whose first line is ``oldrestore NAME``."""
    others = {}
    for path in sorted((Path(__file__).parent / "commands").glob("*.py")):
        begin = f'"""``oldrestore {path.stem}``: '
        with path.open(encoding="utf-8") as file:
            heading = file.readline().rstrip('".\n')
        if path.stem not in VERBS and heading.startswith(begin):
            others[path.stem] = heading.removeprefix(begin)
    return VERBS | others


def usage() -> str:
    """Return the text of ``oldrestore --help``."""
    verbs = all_verbs()
    width = max(map(len, verbs))
    lines = "\n".join(f"  {verb:<{width}}  {does}" for verb, does in verbs.items())
    return (
        "usage: oldrestore VERB ...\n\n"
        "Photo colorization and old-photo restoration research on PaddlePaddle.\n\n"
        f"verbs:\n{lines}\n\n"
        "start here:\n"
        "  oldrestore train experiments=quickstart     a few minutes on a CPU\n"
        "  oldrestore VERB --help                      the options of a verb\n\n"
        "exit codes: 0 done; 1 the job ran and failed; 2 the request was wrong"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code."""
    if arguments is None:
        names_as_text()
    take_every_character()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return DONE if arguments else WRONG_REQUEST
    if arguments[0] in ("-V", "--version"):
        print(f"oldrestore {__version__}")
        return DONE
    verb, *rest = arguments
    try:
        if verb not in all_verbs():
            raise UserError(f"there is no verb '{verb}': choose one of {', '.join(all_verbs())}")
        with for_one_command():
            return importlib.import_module(f"oldrestore.commands.{verb}").run(rest)
    except UserError as error:
        print(f"oldrestore: {error}", file=sys.stderr)
        return WRONG_REQUEST
    except KeyboardInterrupt as stop:
        print(f"oldrestore: {str(stop) or 'stopped'}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader of a pipe (head, less) has closed it.
        sys.stderr.close()
        return DONE
    except SystemExit as stop:
        # The same within rich, which exits with 1.
        if isinstance(stop.__context__, BrokenPipeError):
            return DONE
        raise
