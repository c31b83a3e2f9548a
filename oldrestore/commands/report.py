"""``oldrestore report``: one page with the results of runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from oldrestore.commands.arguments import (
    add_choice_of_runs,
    add_plugins,
    chosen_runs,
    number,
    parser,
    path,
    with_scores,
    without_scores,
)
from oldrestore.errors import UserError

EPILOG = """\
RUN is a run folder, a run id or its beginning, RUN/evaluations/ID, the folder of a sweep, outputs/sweeps/NAME, which
stands for its jobs that are done, or a bundle: FILE for its runs, FILE#RUN for one. Runs that differ only in the seed
are one design. Reproductions and runs that were killed, failed or were extended after their end are left out, unless
they are named or --include names their kind.
Figures are named as for oldrestore compare, whose help lists them.
The page opens from disk and needs no network. Without -o it is written to outputs/reports/.

examples:
  oldrestore report --experiment losses -o losses.html
  oldrestore report --experiment losses --paper paper/figures
  oldrestore report 20261122-1107 20261122-1215 -o report.html
  oldrestore report --where "experiment=quick*" --metric psnr --photographs 0 -o quick.html
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("report", "Writes a page on runs: verdict, table, charts, gallery, provenance.", EPILOG)
    page = "the page (default: outputs/reports/NAME.html)"
    options.add_argument("-o", "--output", type=path, metavar="FILE", help=page)
    add_choice_of_runs(options)
    gallery = "number of photographs in the gallery, at most 60 (default: 24)"
    options.add_argument("--photographs", type=number(0, 60), default=24, metavar="N", help=gallery)
    options.add_argument("--title", metavar="TEXT", help="title of the page (default: the experiment's name)")
    paper = "also write charts (PDF, PNG) and tables for papers"
    options.add_argument("--paper", type=path, metavar="DIR", help=paper)
    add_plugins(options)
    options.flag("--no-baselines", does="leave out what needs no network: gray, tints, originals")
    options.flag("--anyway", does="show incomparable runs as separate groups")
    chosen = options.parse_intermixed_args(arguments)
    if chosen.output is not None and chosen.output.is_dir():
        raise UserError(f"'{chosen.output}' is a folder: name a file, such as {chosen.output / 'report.html'}")
    if chosen.paper is not None and chosen.paper.exists() and not chosen.paper.is_dir():
        raise UserError(f"--paper takes a folder, and '{chosen.paper}' is a file")

    from oldrestore.report.contents import gather
    from oldrestore.report.figures import write_figures
    from oldrestore.report.page import write_page
    from oldrestore.report.shelf import report_path, write_index

    runs, outputs, left_out = chosen_runs(chosen)
    if chosen.anyway:
        scored = with_scores(runs) or runs
        left_out += [without_scores(run) for run in runs if run not in scored]
        runs = scored

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    report = gather(
        runs,
        title=chosen.title,
        anyway=chosen.anyway,
        by_run=chosen.by == "run",
        measures=chosen.figures,
        headline=chosen.metric,
        resamples=chosen.resamples,
        photographs=chosen.photographs,
        baselines=not chosen.no_baselines,
        say=say,
    )
    report = replace(report, notes=tuple(left_out))
    for group in report.groups:
        say(group.words.headline)
    page = chosen.output or report_path(outputs, report.title)
    size = write_page(report, page)
    if chosen.output is None:
        write_index(outputs)
    say(f"{size / 1e6:.1f} MB")
    if chosen.paper is not None:
        write_figures(report, chosen.paper, say)
    print(page)
    return 0
