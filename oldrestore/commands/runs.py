"""``oldrestore runs``: lists runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from oldrestore.commands.arguments import outputs_of, parser


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("runs", "Lists the runs under the outputs folder, oldest first.")
    options.add_argument("--json", action="store_true", help="print a JSON list")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.runs.listing import list_runs

    outputs = Path(outputs_of(chosen.overrides))
    runs = list_runs(outputs)
    if chosen.json:
        print(json.dumps([run.to_json() for run in runs], indent=2))
    elif not runs:
        print(f"no runs under {outputs}: make one with oldrestore train experiments=quickstart")
    else:
        show(runs)
    return 0


def show(runs) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("run", "experiment", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("iter", "orig", "gray", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        accuracies = [percent(a) for a in (run.iter_accuracy, run.orig_accuracy, run.gray_accuracy)]
        table.add_row(run.run_id, run.experiment, run.state, *accuracies, str(run.n or ""))
    # Never narrower than its content: a run id that is cut short cannot be copied. (When a run started is in its id.)
    console = Console()
    width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console = Console(width=width)
    console.print(table)


def percent(share: float | None) -> str:
    """One decimal, or nothing."""
    return "" if share is None else f"{100 * share:.1f}%"
