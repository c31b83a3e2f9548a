"""``oldrestore runs``: lists runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oldrestore.commands.arguments import outputs_of, parser
from oldrestore.errors import UserError

EPILOG = """\
names: settings as config.yaml has them (optimizer.learning_rate), measures (val/auc, judged/iter_accuracy), state,
run_id, experiment, started, protocol; and GROUP.name, what was chosen of a group: the choice or its class.

examples:
  oldrestore runs --where loss.name=focal --sort val/auc
  oldrestore runs --where "val/auc>0.8" --where state=finished --sort val/auc --descending --limit 5
  oldrestore runs --where "experiment=quick*" --json
"""


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("runs", "Lists the runs under the outputs folder, oldest first.", EPILOG)
    options.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="keep these; also !=, <, <=, >, >=; repeatable",
    )
    options.add_argument("--sort", metavar="NAME", help="by a setting or measure, the smallest first")
    options.add_argument("--descending", action="store_true", help="the largest (or the newest) first")
    options.add_argument("--limit", metavar="N", help="at most N runs; without --sort, the newest N")
    options.add_argument("--json", action="store_true", help="print a JSON list")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.conditions import read_condition
    from oldrestore.records.listing import list_runs, summary_of

    outputs = Path(outputs_of(chosen.overrides))
    if chosen.overrides and not outputs.is_dir():
        raise UserError(f"there is no outputs folder '{outputs}': train a run first, or name it with outputs=FOLDER")
    limit = None if chosen.limit is None else count(chosen.limit)
    where = [read_condition(text) for text in chosen.where]
    runs = list_runs(outputs, where, chosen.sort, chosen.descending, limit)
    names = list(dict.fromkeys([condition.name for condition in where] + ([chosen.sort] if chosen.sort else [])))
    if chosen.json:
        print(json.dumps([summary_of(run, names) for run in runs], indent=2))
    elif runs:
        show([summary_of(run, names) for run in runs])
        if chosen.sort is not None and all(run.get(chosen.sort) is None for run in runs):
            print(f"note: none of these runs has '{chosen.sort}', by which they were to be sorted", file=sys.stderr)
    elif where:
        print(f"no runs under {outputs} with {', '.join(chosen.where)}{unknown(outputs, where)}")
    else:
        print(f"no runs under {outputs}: make one with oldrestore train experiments=quickstart")
    return 0


def unknown(outputs: Path, where) -> str:
    """Say in brackets which names of conditions have no value in any run, as mistyped ones have none; else nothing."""
    from oldrestore.records.listing import list_runs

    runs = list_runs(outputs)
    names = list(dict.fromkeys(condition.name for condition in where))
    lacking = [name for name in names if all(run.get(name) is None for run in runs)]
    return f" (no run has a {' or a '.join(lacking)})" if runs and lacking else ""


def count(text: str) -> int:
    """Read a number of runs, at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"--limit takes a number of runs, at least 1, not '{text}'")
    return int(text)


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """Print the table: never narrower than its content, since a run id that is cut short cannot be copied."""
    from rich.cells import cell_len

    asked = [name for name in runs[0]["values"] if name not in ("state", "run_id", "experiment")]
    headings = ["run", "experiment", "state", "iter", "orig", "gray", "n", *asked]
    rows = [
        [
            *(run[name] for name in ("run_id", "experiment", "state")),
            *(percent(run[name]) for name in ("iter_accuracy", "orig_accuracy", "gray_accuracy")),
            str(run["n"] or ""),
            *(cell(run["values"][name]) for name in asked),
        ]
        for run in runs
    ]
    # A Chinese sign takes two columns of a terminal.
    widths = [max(map(cell_len, column)) for column in zip(headings, *rows, strict=True)]
    # The accuracies and n belong together, and a terminal of 80 columns has no room for more between them.
    gaps = ["", "  ", "  ", "  ", " ", " ", " ", *(["  "] * len(asked))]
    words = 3  # columns of words stand to the left, those of numbers to the right
    # (When a run started is in its id.)
    for number, row in enumerate([headings, *rows]):
        blanks = (" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        cells = (c + b if i < words else b + c for i, (c, b) in enumerate(zip(row, blanks, strict=True)))
        line = "".join(gap + cell for gap, cell in zip(gaps, cells, strict=True)).rstrip()
        print(f"\033[1m{line}\033[0m" if number == 0 and _knows_bold() else line)


def _knows_bold() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def cell(value: Any) -> str:
    """A value as the table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent(share: float | None) -> str:
    """One decimal, or nothing."""
    return "" if share is None else f"{100 * share:.1f}%"
