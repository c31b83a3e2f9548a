"""``oldrestore runs``: lists runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from oldrestore.commands.arguments import number, outputs_of, parser
from oldrestore.records.design_names import shortened
from oldrestore.tables import aligned, percent, setting
from oldrestore.terminal import columns, shows_bold

LEAST = 12  # characters of a design's name

EPILOG = """\
names: settings as config.yaml has them (optimizer.learning_rate), measures (val/auc, judged/iter_accuracy), state,
run_id, experiment, design, started, protocol, plugins; GROUP.name, the choice of a group or its class; and kind, which
is null, or reproduction, range_test, overfit, killed, failed or extended (resumed after its end): compare and report
leave those out.

examples:
  oldrestore runs --where loss.name=focal --sort val/auc
  oldrestore runs --where "val/auc>0.8" --where state=finished --sort val/auc --descending --limit 5
  oldrestore runs --where "experiment=quick*" --json
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("runs", "Lists the runs under the outputs folder, oldest first.", EPILOG)
    where = "condition; also !=, <, <=, >, >=; may be repeated"
    options.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help=where)
    options.add_argument("--sort", metavar="NAME", help="sort by a setting or measure, smallest first")
    options.flag("--descending", does="largest (or newest) first")
    options.add_argument("--limit", type=number(1), metavar="N", help="at most N runs; without --sort, the newest N")
    options.flag("--json", does="print a JSON list")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders, or a bundle")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.records.listing import list_runs, read_condition, summary_of

    outputs = outputs_of(chosen.overrides, must_exist=bool(chosen.overrides))
    conditions = [read_condition(text) for text in chosen.where]
    names = [condition.name for condition in conditions]
    runs = list_runs(outputs, conditions, chosen.sort, chosen.descending, chosen.limit)
    values = list(dict.fromkeys([*names, *([chosen.sort] if chosen.sort else [])]))
    if chosen.json:
        print(json.dumps([summary_of(run, values) for run in runs], indent=2))
    elif runs:
        show([summary_of(run, values) for run in runs])
        if chosen.sort is not None and all(run.get(chosen.sort) is None for run in runs):
            print(f"note: not sorted, because none of these runs has '{chosen.sort}'", file=sys.stderr)
    elif names:
        every = list_runs(outputs)
        unknown = [name for name in dict.fromkeys(names) if all(run.get(name) is None for run in every)]
        hint = f" (no run has a {' or a '.join(unknown)})" if every and unknown else ""  # it may be mistyped
        print(f"no runs under {outputs} with {', '.join(chosen.where)}{hint}")
    else:
        print(f"no runs under {outputs}: make one with oldrestore train experiments=quickstart")
    return 0


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """Print the table, of which only the names of designs are cut: a run id that is cut short cannot be copied."""
    extra = [name for name in runs[0]["values"] if name not in ("state", "run_id", "experiment", "design", "kind")]
    # What state does not say: of which run another is a reproduction, and what was extended.
    notes = ["" if run["kind"] in (None, "killed", "failed") else run["note"] for run in runs]
    headings = ["run", "experiment", "design", "state", "iter", "orig", "gray", "n", *extra]
    headings += ["note"] if any(notes) else []
    shares = ("iter_accuracy", "orig_accuracy", "gray_accuracy")
    rows = [
        [
            *(run[name] for name in ("run_id", "experiment", "design", "state")),
            *("" if run[name] is None else percent(run[name]) for name in shares),
            str(run["n"] or ""),
            *("" if (value := run["values"][name]) is None else setting(value) for name in extra),
            *([note] if any(notes) else []),
        ]
        for run, note in zip(runs, notes, strict=True)
    ]
    # Narrow gaps between the accuracies and n, for a narrow table.
    gaps = [2, 2, 2, 2, 1, 1, 1, *([2] * (len(headings) - 8))]
    if (width := columns()) is not None:
        others = [[*row[:2], "", *row[3:]] for row in (headings, *rows)]
        room = max(LEAST, width - max(map(cell_len, aligned(others, words=4, gaps=gaps).splitlines())))
        rows = [[*row[:2], shortened(row[2], room), *row[3:]] for row in rows]
    print(aligned([headings, *rows], words=4, gaps=gaps, bold=shows_bold()))
