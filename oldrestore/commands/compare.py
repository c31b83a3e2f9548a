"""``oldrestore compare``: a table of runs with intervals, tests and the best designs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from oldrestore.commands.arguments import add_choice_of_runs, chosen_runs, difference, parser, with_scores
from oldrestore.errors import UserError
from oldrestore.terminal import columns, shows_bold

EPILOG = """\
RUN is a run folder, a run id or its beginning, RUN/evaluations/ID, the folder of a sweep, outputs/sweeps/NAME, which
stands for its jobs that are done, or a bundle: FILE for its runs, FILE#RUN for one. Runs that differ only in the seed
are one design. Reproductions and runs that were killed, failed or were extended after their end are left out, unless
they are named or --include names their kind.
Figures: iter_accuracy, orig_accuracy, gray_accuracy, gap_closed, gap_closed_probability, auc, auc_rebalanced, psnr,
colorfulness, colorfulness_difference, any other validation metric (ssim), SET/METRIC of per_image.csv, and a further
judge's after its name (squeezenet/iter_accuracy, squeezenet_agreement/kl).

examples:
  oldrestore compare 20261122-1107 20261122-1215
  oldrestore compare --experiment losses --figures auc_rebalanced,gap_closed,ssim
  oldrestore compare --where "experiment=quick*" --where model.width=0.25 --markdown > table.md
  oldrestore compare --experiment losses --metric iter_accuracy --detect 2%
  oldrestore compare --experiment losses --latex > table.tex
  oldrestore compare study.zip outputs/quickstart/RUN
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("compare", "Compares runs on the same photographs: intervals, the best, and its equals.", EPILOG)
    add_choice_of_runs(options)
    options.flag("--no-baselines", does="leave out what needs no network: gray, tints, originals")
    detect = "also print how many photographs or seeds would detect this difference: 0.02, 2%%"
    options.add_argument("--detect", type=difference, metavar="DIFFERENCE", help=detect)
    options.flag("--anyway", does="print incomparable runs in separate tables")
    form = options.add_mutually_exclusive_group()
    for name in ("JSON", "CSV", "Markdown"):
        form.add_argument(f"--{name.lower()}", action="store_true", help=f"print {name}")
    form.add_argument("--latex", action="store_true", help="print a LaTeX table (booktabs)")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.comparison.baselines import measure_missing
    from oldrestore.comparison.compare import compare_runs
    from oldrestore.comparison.latex import latex
    from oldrestore.comparison.power import needed_as_json, needed_in_words, power_in_words
    from oldrestore.comparison.rendering import (
        csv_text,
        differences_from_best,
        differences_from_floor,
        markdown,
        terminal,
        wrapped,
    )
    from oldrestore.comparison.sameness import comparable_groups, mismatch

    runs, _, _ = chosen_runs(chosen)
    figures = chosen.figures
    if figures and chosen.metric and chosen.metric not in figures:
        figures.append(chosen.metric)
    groups = comparable_groups(with_scores(runs) or runs) if chosen.anyway else [runs]
    beside = not chosen.no_baselines
    if beside:
        for group in groups:
            measure_missing(group)
    compared = [
        compare_runs(group, chosen.by == "run", figures, chosen.resamples, baselines=beside) for group in groups
    ]
    metrics = [figure_to_explain(one, chosen.metric) for one in compared]
    detect = [
        None if chosen.detect is None else difference_of(one, name, *chosen.detect)
        for one, name in zip(compared, metrics, strict=True)
    ]
    if chosen.json:
        values = [one.to_json() for one in compared]
        for value, one, metric, wanted in zip(values, compared, metrics, detect, strict=True):
            if wanted is not None:
                value["needed"] = needed_as_json(one, metric, wanted)
        print(json.dumps(values if chosen.anyway else values[0], indent=2))
        return 0
    for number, one in enumerate(compared):
        if len(compared) > 1:
            sign = "%" if chosen.latex else "#"
            why = mismatch(groups[0][0], groups[number][0])
            heading = f"{sign} {number + 1} of {len(compared)}: not to be compared with the others"
            print("\n" * (number > 0) + heading + (f" ({why})" if why else ""))
        if chosen.csv or chosen.markdown or chosen.latex:
            write = csv_text if chosen.csv else markdown if chosen.markdown else latex
            print(write(one).rstrip("\n"))
            continue
        print(terminal(one, shows_bold(), columns()))
        differences = differences_from_best(one, metrics[number])
        if differences:
            print(f"\n{differences}")
            measure = next(measure for measure in one.measures if measure.name == metrics[number])
            for line in power_in_words(one, measure):
                print(wrapped(line, columns()))
        if differences := differences_from_floor(one, metrics[number]):
            print(f"\n{differences}")
        if detect[number] is not None:
            print(f"\n{needed_in_words(one, metrics[number], detect[number])}")
    return 0


def figure_to_explain(compared, wanted: str | None) -> str:
    """Return the figure whose differences are listed: the wanted one, the rebalanced AuC or the first."""
    names = [measure.name for measure in compared.measures]
    if wanted is None:
        marked = [measure.name for measure in compared.measures if measure.better]
        return "auc_rebalanced" if "auc_rebalanced" in names else (marked or names)[0]
    if wanted not in names:
        raise UserError(f"'{wanted}' is not among the figures shown: choose one of {', '.join(names)}")
    return wanted


def difference_of(compared, name: str, value: float, in_percent: bool) -> float:
    """Return a difference in the unit of a figure: of shares in percent or below 1, of others never in percent."""
    measure = next(measure for measure in compared.measures if measure.name == name)
    if in_percent != (measure.form == "percent") and (in_percent or value >= 1):
        right = "in its unit, as 0.5" if in_percent else "as 0.02 or 2%"
        raise UserError(f"--detect takes a difference of {name} {right}")
    return value
