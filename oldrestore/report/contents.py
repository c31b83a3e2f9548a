"""Everything a report says, computed from run folders: the page, the figures and the tables are drawn from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from oldrestore.comparison.baselines import NONE, Baselines, baselines_among, measure_missing
from oldrestore.comparison.columns import RESAMPLES, Cell
from oldrestore.comparison.compare import Compared, compare_runs
from oldrestore.comparison.measures import Measure, Table, chosen_measures, known_measures, table_of
from oldrestore.comparison.sameness import comparable_groups
from oldrestore.errors import UserError
from oldrestore.evaluation.metric_table import metric_of
from oldrestore.records.run import Run
from oldrestore.report.origin import Origin, origin_of
from oldrestore.report.pictures import Pictures, no_pictures, take_pictures
from oldrestore.report.searched import Searched
from oldrestore.report.series import Series, series_of
from oldrestore.report.words import Words, full_name, words_of

# Decides the verdict by default.
HEADLINE = "auc_rebalanced"
JUDGED_CURVE = "judged/iter_accuracy"


@dataclass(frozen=True)
class Group:
    """Designs that were measured alike, and all that a report says of them.

    Every part knows designs by their place in `names`, from 0.
    """

    compared: Compared  # its measures are those of the table; its cells also hold those of further
    further: list[Measure]  # all measures that have a figure, those of the table first
    headline: Measure  # decides the verdict
    words: Words
    by_seed: dict[str, list[list[float]]]  # for each measure and design, the figure of each run; NaN if a run has none
    losses: list[Series]  # training and validation loss
    over_iterations: list[Series]  # every other figure that was recorded more than once
    pictures: Pictures
    origins: list[Origin]  # in the order of designs and seeds

    @property
    def names(self) -> list[str]:
        """Names of the designs, no two alike."""
        return self.compared.names

    def cell(self, design: int, measure: str) -> Cell | None:
        """One figure of one design; None if it has none."""
        return self.compared.cells[design].get(measure)

    def baseline(self, title: str, measure: str) -> Cell | None:
        """One figure of what needs no network; None if it has none."""
        return self.compared.baselines.get(title, {}).get(measure)

    def measure(self, name: str) -> Measure | None:
        """A measure by its name; None if no design has it."""
        return next((measure for measure in self.further if measure.name == name), None)

    def measured(self, series: Series) -> Measure | None:
        """The measure that a curve shows; None for losses and for what was not scored photograph by photograph."""
        return self.measure(series.name.removeprefix("val/").removeprefix("judged/"))

    def title_of(self, series: Series) -> str:
        """Name of a curve in a sentence: its measure or loss."""
        measure = self.measured(series)
        if measure is not None:
            return full_name(measure)
        metric = metric_of(*series.name.split("/", 1)) if "/" in series.name else None
        return metric.title if metric is not None and metric.title else series.name.replace("_", " ")

    def one(self, name: str) -> Series | None:
        """A curve by its name; None if no run has it."""
        return next((series for series in (*self.losses, *self.over_iterations) if series.name == name), None)

    @property
    def judged(self) -> bool:
        """Whether a judge has scored recoloured, original and gray photographs."""
        accuracies = ("iter_accuracy", "orig_accuracy", "gray_accuracy")
        return all(self.measure(name) is not None for name in accuracies)

    @property
    def has_seeds(self) -> bool:
        """Whether any design has several seeds."""
        return any(len(design.runs) > 1 for design in self.compared.designs)

    @property
    def loss_differs(self) -> bool:
        """Whether the designs' losses are different functions, whose values cannot be compared."""
        return any(name == "loss" or name.startswith("loss.") for name in self.compared.differences)


@dataclass(frozen=True)
class Report:
    """A report; `groups` is one, or with ``--anyway`` one for each set of comparable runs."""

    title: str
    made: datetime  # in UTC
    groups: list[Group]
    notes: tuple[str, ...] = ()  # sentences that stand below the title
    searched: Searched | None = None  # the search that the runs are trials of

    @property
    def runs(self) -> int:
        """Number of runs in all groups, repeats left out."""
        return sum(len(group.origins) for group in self.groups)


def gather(
    runs: Sequence[Run],
    *,
    title: str | None = None,
    anyway: bool = False,
    by_run: bool = False,
    measures: Sequence[str] | None = None,
    headline: str | None = None,
    resamples: int = RESAMPLES,
    photographs: int = 24,
    baselines: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    """Gather a report from run folders, by default under the name of the experiment, if all runs have the same.

    With `anyway`, incomparable runs are separate groups; otherwise `UserError` is raised, as by `compare_runs`. The
    measure `headline` decides the verdict: by default the rebalanced AuC, else the first column with a better
    direction. `baselines` stand beside the designs, as in `compare_runs`. Every run's best network colours so many
    validation `photographs` again (which imports Paddle).
    """
    scored = [run for run in runs if not run.scores.empty] or list(runs)
    sets = comparable_groups(scored) if anyway else [list(runs)]
    if headline is not None and measures is not None and headline not in measures:
        measures = [*measures, headline]
    groups = [_group(each, by_run, measures, headline, resamples, photographs, baselines, say) for each in sets]
    return Report(title or _title(runs), datetime.now(UTC), groups)


def _group(
    runs: Sequence[Run],
    by_run: bool,
    measures: Sequence[str] | None,
    headline: str | None,
    resamples: int,
    photographs: int,
    baselines: bool,
    say: Callable[[str], None],
) -> Group:
    say(f"comparing {len(runs)} runs")
    if baselines:
        measure_missing(runs)
    beside = baselines_among([run for run in runs if not run.scores.empty]) if baselines else NONE
    shown, every = _measures([beside.joined(table_of(run)) for run in runs if not run.scores.empty], measures, headline)
    compared = compare_runs(runs, by_run, every, resamples, baselines=baselines)
    further = compared.measures
    compared = replace(compared, measures=[m for m in further if m.name in shown])
    chosen = _headline(compared.measures, headline)
    losses, over_iterations = series_of(compared.designs)
    if photographs > 0:
        pictures = take_pictures(compared.designs, compared.measures, chosen, photographs, say)
    else:
        pictures = no_pictures(compared.designs, "no photographs were asked for")
    return Group(
        compared,
        further,
        chosen,
        words_of(compared, compared.names, chosen),
        _by_seed(compared, further, beside),
        losses,
        over_iterations,
        pictures,
        [origin_of(run, design) for design, held in enumerate(compared.designs) for run in held.runs],
    )


def _measures(
    tables: Sequence[Table], wanted: Sequence[str] | None, headline: str | None
) -> tuple[list[str], list[str]]:
    """Names of the measures of the table, and of all measures, those of the table first."""
    if not tables:
        return [], []
    shown = chosen_measures(tables, wanted)
    if headline is not None and headline not in [measure.name for measure in shown]:
        shown = [*shown, *chosen_measures(tables, [headline])]
    available = dict.fromkeys(key for table in tables for key in table)
    usual, further = known_measures(available)
    # What a judge said of single versions is in its accuracies; the originals' colour is no design's own.
    rest = [
        metric if set_name == "val" else f"{set_name}/{metric}"
        for set_name, metric in available
        if (set_name, "iter_correct") not in available and not metric.endswith("_original")
    ]
    every = dict.fromkeys([*(m.name for m in (*shown, *usual, *further)), *rest])
    return [measure.name for measure in shown], list(every)


def _by_seed(compared: Compared, measures: Sequence[Measure], beside: Baselines) -> dict[str, list[list[float]]]:
    tables = {run.folder: beside.joined(table_of(run)) for design in compared.designs for run in design.runs}
    figures: dict[str, list[list[float]]] = {}
    for measure in measures:
        scored = [[measure.of(tables[run.folder]) for run in design.runs] for design in compared.designs]
        figures[measure.name] = [[math.nan if one is None else one.value for one in row] for row in scored]
    return figures


def _headline(measures: Sequence[Measure], wanted: str | None) -> Measure:
    if wanted is not None:
        chosen = next((measure for measure in measures if measure.name == wanted), None)
        if chosen is None:
            offered = ", ".join(measure.name for measure in measures)
            raise UserError(f"'{wanted}' is not among the figures shown: choose one of {offered}")
        return chosen
    usual = next((measure for measure in measures if measure.name == HEADLINE), None)
    return usual or next((measure for measure in measures if measure.better), measures[0])


def _title(runs: Sequence[Run]) -> str:
    experiments = list(dict.fromkeys(run.experiment for run in runs))
    if len(experiments) == 1:
        return experiments[0]
    return f"{len(runs)} runs of {len(experiments)} experiments"
