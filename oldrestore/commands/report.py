"""``oldrestore report``: one page that says and shows what runs found."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from oldrestore.commands.arguments import add_choice_of_runs, outputs_of, parser, path
from oldrestore.errors import UserError

EPILOG = """\
RUN is a run folder, a run id or its beginning, or RUN/evaluations/ID. Runs alike but for the seed are one design.
The page opens from disk and asks the network for nothing. Without -o it is written to outputs/reports/.

examples:
  oldrestore report --experiment losses -o losses.html
  oldrestore report --experiment losses --figures paper/figures
  oldrestore report 20261122-1107 20261122-1215 -o report.html
  oldrestore report --where "experiment=quick*" --metric psnr --photographs 0 -o quick.html
"""


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("report", "Makes a page of runs: verdict, table, charts, gallery, provenance.", EPILOG)
    options.add_argument(
        "-o", "--output", type=path, metavar="FILE", help="the page (default: outputs/reports/NAME.html)"
    )
    add_choice_of_runs(options)
    options.add_argument("--columns", metavar="A,B", help="of the table, as --figures of oldrestore compare")
    options.add_argument("--metric", metavar="NAME", help="figure that the verdict goes by (default: auc_rebalanced)")
    options.add_argument("--resamples", default="10000", metavar="N", help="of bootstrap and test (default 10000)")
    options.add_argument("--photographs", default="24", metavar="N", help="of the gallery, at most 60 (default 24)")
    options.add_argument("--title", metavar="TEXT", help="of the page (default: the experiment's name)")
    options.add_argument("--figures", type=path, metavar="DIR", help="figures for papers too, PDF and PNG, and tables")
    options.add_argument("--anyway", action="store_true", help="show what cannot be compared as groups apart")
    options.add_argument("runs", nargs="*", metavar="RUN", help="and outputs=FOLDER, the root of the run folders")
    chosen = options.parse_intermixed_args(arguments)

    settings = [text for text in chosen.runs if text.startswith("outputs=")]
    outputs = Path(outputs_of(settings))
    resamples = _number("--resamples", chosen.resamples, 100, 10_000_000)
    photographs = _number("--photographs", chosen.photographs, 0, 60)
    columns = None if chosen.columns is None else [name for name in chosen.columns.split(",") if name]
    if columns == []:
        raise UserError("--columns takes names of figures, such as --columns auc,psnr")
    if chosen.output is not None and chosen.output.is_dir():
        raise UserError(f"'{chosen.output}' is a folder: name a file, such as {chosen.output / 'report.html'}")
    if chosen.figures is not None and chosen.figures.exists() and not chosen.figures.is_dir():
        raise UserError(f"--figures takes a folder, and '{chosen.figures}' is a file")

    from oldrestore.commands.compare import wanted_runs, with_scores
    from oldrestore.report.contents import gather
    from oldrestore.report.figures import write_figures
    from oldrestore.report.page import write_page

    runs = wanted_runs([r for r in chosen.runs if r not in settings], chosen.experiment, chosen.where, outputs)
    if chosen.anyway:
        runs = with_scores(runs) or runs
    report = gather(
        runs,
        title=chosen.title,
        anyway=chosen.anyway,
        by_run=chosen.by == "run",
        measures=columns,
        headline=chosen.metric,
        resamples=resamples,
        photographs=photographs,
        say=lambda text: print(text, file=sys.stderr),
    )
    for group in report.groups:
        print(group.words.headline, file=sys.stderr)
    page = chosen.output or outputs / "reports" / f"{file_name(report.title)}.html"
    size = write_page(report, page)
    print(f"{size / 1e6:.1f} MB", file=sys.stderr)
    if chosen.figures is not None:
        write_figures(report, chosen.figures, lambda text: print(text, file=sys.stderr))
    print(page)
    return 0


def file_name(title: str) -> str:
    """Name a file after a title: letters, digits, dots, dashes and underscores are kept."""
    return re.sub(r"[^\w.-]+", "-", title).strip("-.")[:80] or "report"


def _number(option: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise UserError(f"{option} takes a whole number, {least} to {most}, not '{text}'")
    return int(text)
