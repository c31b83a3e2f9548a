"""``oldrestore compare``: runs beside one another, with what is sure and what is not."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from oldrestore.commands.arguments import add_choice_of_runs, outputs_of, parser
from oldrestore.errors import UserError

EPILOG = """\
RUN is a run folder, a run id or its beginning, or RUN/evaluations/ID. Runs alike but for the seed are one design.
Figures: iter_accuracy, orig_accuracy, gray_accuracy, gap_closed, gap_closed_probability, auc, auc_rebalanced, psnr,
colorfulness, colorfulness_difference, any other validation metric (ssim), and SET/METRIC of per_image.csv.

examples:
  oldrestore compare 20261122-1107 20261122-1215
  oldrestore compare --experiment losses --figures auc_rebalanced,gap_closed,ssim
  oldrestore compare --where "experiment=quick*" --where model.width=0.25 --markdown > table.md
  oldrestore compare --experiment losses --latex > table.tex
"""


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("compare", "Compares runs on the same photographs: intervals, the best, and its equals.", EPILOG)
    add_choice_of_runs(options)
    options.add_argument("--figures", metavar="A,B", help="columns to show")
    options.add_argument("--metric", metavar="NAME", help="figure whose differences from the best are listed")
    options.add_argument("--resamples", default="10000", metavar="N", help="of bootstrap and test (default 10000)")
    options.add_argument("--anyway", action="store_true", help="print what cannot be compared apart")
    form = options.add_mutually_exclusive_group()
    forms = {"json": "JSON", "csv": "CSV", "markdown": "Markdown", "latex": "a LaTeX table (booktabs)"}
    for name, printed in forms.items():
        form.add_argument(f"--{name}", action="store_true", help=f"print {printed}")
    options.add_argument("runs", nargs="*", metavar="RUN", help="and outputs=FOLDER, the root of the run folders")
    chosen = options.parse_intermixed_args(arguments)

    settings = [text for text in chosen.runs if text.startswith("outputs=")]
    outputs = Path(outputs_of(settings))
    if not chosen.resamples.isdigit() or int(chosen.resamples) < 100:
        raise UserError(f"--resamples takes a whole number, at least 100, not '{chosen.resamples}'")
    figures = None if chosen.figures is None else [name for name in chosen.figures.split(",") if name]
    if figures == []:
        raise UserError("--figures takes names of figures, such as --figures auc,psnr")

    from oldrestore.comparison.compare import compare_runs
    from oldrestore.comparison.latex import latex
    from oldrestore.comparison.rendering import csv_text, differences_from_best, markdown, terminal
    from oldrestore.comparison.sameness import comparable_groups, mismatch

    runs = wanted_runs([r for r in chosen.runs if r not in settings], chosen.experiment, chosen.where, outputs)
    if figures and chosen.metric and chosen.metric not in figures:
        figures.append(chosen.metric)
    groups = comparable_groups(with_scores(runs) or runs) if chosen.anyway else [runs]
    found = [compare_runs(group, chosen.by == "run", figures, int(chosen.resamples)) for group in groups]
    if chosen.json:
        values = [one.to_json() for one in found]
        print(json.dumps(values if chosen.anyway else values[0], indent=2))
        return 0
    listed = [metric_of(one, chosen.metric) for one in found]
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for number, one in enumerate(found):
        if len(found) > 1:
            sign = "%" if chosen.latex else "#"
            apart = f"{sign} {number + 1} of {len(found)}: not to be compared with the others"
            why = mismatch(groups[0][0], groups[number][0])
            apart += f" ({why})" if why else ""
            print(apart if number == 0 else f"\n{apart}")
        if chosen.csv or chosen.markdown or chosen.latex:
            write = csv_text if chosen.csv else markdown if chosen.markdown else latex
            print(write(one).rstrip("\n"))
            continue
        print(terminal(one, bold, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
        differences = differences_from_best(one, listed[number])
        if differences:
            print(f"\n{differences}")
    return 0


def wanted_runs(names: Sequence[str], experiment: str | None, where: Sequence[str], outputs: Path) -> list:
    """Runs by name, or those of an experiment or with settings that have scores.

    Raises
    ------
    UserError
        None is named, or none is there.
    """
    from oldrestore.records.conditions import Condition, read_condition
    from oldrestore.records.finding import find_run
    from oldrestore.records.listing import list_runs
    from oldrestore.records.run import Run

    if names and (experiment or where):
        raise UserError("give either runs, or --experiment and --where: not both")
    if names:
        # Its scores are those of a run's last validation: another checkpoint has scores once it was evaluated.
        evaluation = ", or the folder of an evaluation that `oldrestore evaluate CHECKPOINT` makes"
        return [Run(find_run(name, outputs, evaluation)) for name in names]
    # A name is taken as it is: a quotation mark may be part of it.
    conditions = [Condition("experiment", "=", experiment)] if experiment else []
    conditions += [read_condition(text) for text in where]
    if not conditions:
        raise UserError("name the runs, or give --experiment NAME or --where NAME=VALUE (--help says more)")
    found = list_runs(outputs, conditions)
    scored = with_scores(found)
    if not scored:
        what = "runs" if not found else f"{len(found)} runs, none with scores,"
        asked = ", ".join([*([f"experiment={experiment}"] if experiment else []), *where])
        raise UserError(f"there are {'no ' if not found else ''}{what} under {outputs} with {asked}")
    return scored


def with_scores(runs: Sequence) -> list:
    """Those runs that have scores; where only some have, a line on stderr for each of the others."""
    scored = [run for run in runs if not run.scores.empty]
    if scored:
        for run in runs:
            if run.scores.empty:
                print(f"oldrestore: {run.run_id} is {run.state} and has no scores: left out", file=sys.stderr)
    return scored


def metric_of(compared, asked: str | None) -> str:
    """Name of the figure whose differences are listed: the one asked for, else the rebalanced AuC, else the first."""
    names = [measure.name for measure in compared.measures]
    if asked is None:
        marked = [measure.name for measure in compared.measures if measure.better]
        return "auc_rebalanced" if "auc_rebalanced" in names else (marked or names)[0]
    if asked not in names:
        raise UserError(f"'{asked}' is not among the figures shown: choose of {', '.join(names)}")
    return asked
