"""``oldrestore runs``: lists runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oldrestore.commands.arguments import number, outputs_of, parser
from oldrestore.errors import UserError
from oldrestore.tables import aligned
from oldrestore.terminal import shows_bold

EPILOG = """\
names: settings as config.yaml has them (optimizer.learning_rate), measures (val/auc, judged/iter_accuracy), state,
run_id, experiment, started, protocol; and GROUP.name, the choice of a group or its class.

examples:
  oldrestore runs --where loss.name=focal --sort val/auc
  oldrestore runs --where "val/auc>0.8" --where state=finished --sort val/auc --descending --limit 5
  oldrestore runs --where "experiment=quick*" --json
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("runs", "Lists the runs under the outputs folder, oldest first.", EPILOG)
    options.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="condition; also !=, <, <=, >, >=; may be repeated",
    )
    options.add_argument("--sort", metavar="NAME", help="sort by a setting or measure, smallest first")
    options.add_argument("--descending", action="store_true", help="largest (or newest) first")
    options.add_argument("--limit", type=number(1), metavar="N", help="at most N runs; without --sort, the newest N")
    options.add_argument("--json", action="store_true", help="print a JSON list")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.listing import list_runs, read_condition, summary_of

    outputs = Path(outputs_of(chosen.overrides))
    if chosen.overrides and not outputs.is_dir():
        raise UserError(f"there is no outputs folder '{outputs}': train a run first, or name it with outputs=FOLDER")
    where = [read_condition(text) for text in chosen.where]
    runs = list_runs(outputs, where, chosen.sort, chosen.descending, chosen.limit)
    names = list(dict.fromkeys([condition.name for condition in where] + ([chosen.sort] if chosen.sort else [])))
    if chosen.json:
        print(json.dumps([summary_of(run, names) for run in runs], indent=2))
    elif runs:
        show([summary_of(run, names) for run in runs])
        if chosen.sort is not None and all(run.get(chosen.sort) is None for run in runs):
            print(f"note: not sorted, because none of these runs has '{chosen.sort}'", file=sys.stderr)
    elif where:
        print(f"no runs under {outputs} with {', '.join(chosen.where)}{unknown(outputs, where)}")
    else:
        print(f"no runs under {outputs}: make one with oldrestore train experiments=quickstart")
    return 0


def unknown(outputs: Path, where) -> str:
    """Name in brackets the conditions that have no value in any run, such as mistyped ones; else return ""."""
    from oldrestore.records.listing import list_runs

    runs = list_runs(outputs)
    names = list(dict.fromkeys(condition.name for condition in where))
    lacking = [name for name in names if all(run.get(name) is None for run in runs)]
    return f" (no run has a {' or a '.join(lacking)})" if runs and lacking else ""


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """Print the table at its full width, since a run id that is cut short cannot be copied."""
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
    # Narrow gaps between the accuracies and n, so that the table fits into 80 columns.
    gaps = [2, 2, 2, 1, 1, 1, *([2] * len(asked))]
    print(aligned([headings, *rows], words=3, gaps=gaps, bold=shows_bold()))


def cell(value: Any) -> str:
    """Format a value for the table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent(share: float | None) -> str:
    """Format a share with one decimal; an empty text if missing."""
    return "" if share is None else f"{100 * share:.1f}%"
