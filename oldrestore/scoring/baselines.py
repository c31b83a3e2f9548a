"""Baselines of a protocol and its photographs: measured once, kept in the cache, and copied to each run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from oldrestore.data.loading.loader import decode_known_photo, evaluation_photos, in_content_order
from oldrestore.data.prior import dataset_prior
from oldrestore.data.sources.photo import Photo
from oldrestore.data.sources.source import Split
from oldrestore.errors import UserError
from oldrestore.evaluation.agreement import Agreement
from oldrestore.evaluation.baseline_scores import CEILINGS_IN_WORDS, TITLES, BaselineScore, cache_path, figures_of
from oldrestore.evaluation.baselines import best_tints, score_colors
from oldrestore.evaluation.baselines_judged import score_agreement, score_judged
from oldrestore.evaluation.evaluator import spread
from oldrestore.evaluation.further_judge import FurtherJudge
from oldrestore.evaluation.metric_table import AGREEMENT, JUDGED, Metric, metric_of, shown_in
from oldrestore.evaluation.reference_colors import mean_color
from oldrestore.files import write_atomically
from oldrestore.tables import csv_table, percent, plain_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from rich.table import Table

    from oldrestore.narrator import Narrator
    from oldrestore.records.run import Run
    from oldrestore.scoring.scoring import Scorer

AVERAGED = 256  # training photographs, evenly spread over content hashes, whose mean colour is taken
CHOSEN_ON = 12  # of these, photographs that tints are chosen on
# Of each further judge, beside baselines.
OF_JUDGES = [metric_of(*key) for key in ((JUDGED, "iter_accuracy"), (JUDGED, "iter_probability"), (AGREEMENT, "kl"))]


def baselines_of(scorer: Scorer, train: Split | None, data: Mapping[str, Any]) -> str:
    """Return the scores of every baseline as the CSV text of ``baselines.csv``, from the cache if they are kept there.

    Without training photographs there is neither a mean colour nor a tint. `data` is what ``data.json`` says.
    """
    path = cache_path(data, train and train.fingerprint, "agreement" in scorer.evaluators)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
        if text.endswith("\n"):
            return text
    rows = [score._asdict() for score in measured_baselines(scorer, train)]
    text = csv_table(rows, BaselineScore._fields)
    # A cache that cannot be written only costs time.
    with contextlib.suppress(OSError):
        write_atomically(path, text)
    return text


def measure_baselines_of(run: Run, narrator: Narrator) -> None:
    """Measure the baselines of a run that lacks them and keep them in the cache; `UserError` if that is impossible.

    Needs the run's photographs, unchanged, and Paddle if they are judged.
    """
    from oldrestore.config.build import build
    from oldrestore.scoring.judged import build_judged, build_protocol
    from oldrestore.scoring.scoring import Scorer

    config = run.composed
    source = build(config.dataset)
    validation = source.split("val" if "val" in source.split_names else source.split_names[0])
    judged = build_judged(config, source)
    trained = run.training.composed.dataset
    trained_on = source if trained == config.dataset else build(trained)
    train = trained_on.split("train")
    found = {"val": validation, "train": train, **({} if judged is None else {"judged": judged.split})}
    for name, split in found.items():
        recorded = (run.training if name == "train" else run).data.get(name) or {}
        if split.fingerprint != recorded.get("fingerprint"):
            raise UserError(f"the {name} photographs of '{run.run_id}' have changed since")
    crops = trained_on.crops.of_protocols()
    evaluators, prior = build_protocol(config, judged, lambda: dataset_prior(train, crops))
    scorer = Scorer(config, source, validation, judged, narrator, evaluators=evaluators, prior=prior)
    baselines_of(scorer, train, run.data)


def measured_baselines(scorer: Scorer, train: Split | None) -> list[BaselineScore]:
    """Measure every baseline on a protocol's photographs, and by every judge of it."""
    evaluators, size = scorer.evaluators.items(), scorer.config.evaluation.batch_size
    agreeing = {name: e.judge for name, e in evaluators if isinstance(e, Agreement)}
    further = {name: e.judge for name, e in evaluators if isinstance(e, FurtherJudge)}
    judged = {} if scorer.judged is None else {"judged": scorer.judged.judge, **further}
    mean, tints = None, {}
    if train is not None:
        part = spread_by_content(train, AVERAGED)
        averaged = [scorer.crops.evaluation(decode_known_photo(photo)) for photo in part]
        mean = mean_color(averaged)
        chosen_on = [averaged[place] for place in spread(len(averaged), CHOSEN_ON)]
        tints = best_tints(chosen_on, scorer.prior, judged, agreeing, scorer.watched)
    split, crops = scorer.validation, scorer.crops

    def photos(what: str) -> Iterator[tuple[str, np.ndarray]]:
        named = ((photo.name, rgb) for photo, rgb in evaluation_photos(split, crops))
        return scorer.watched(named, what, len(split))

    scores = list(score_colors(photos("baselines"), mean, tints, scorer.prior))
    if agreeing:
        scores += score_agreement(photos("baselines, agreement"), agreeing, mean, tints, size)
    if judged:
        labelled = scorer.judged.split.photos
        decoded = ((photo.name, decode_known_photo(photo), photo.classes) for photo in labelled)
        watched = scorer.watched(decoded, "baselines judged", len(labelled))
        scores += score_judged(watched, judged, mean, tints, size)
    return scores


def beside_baselines(summary: Mapping[str, float], scores: pd.DataFrame) -> list[Table]:
    """Lay out a network's figures (``val/auc``, ...) beside those of every baseline, for the terminal (80 columns).

    The first table has colour and the first judge; each further judge has one of its own.
    """
    metrics = {metric.key: metric for metric in shown_in("evaluate")}
    tables = [_beside("beside what needs no network", metrics, summary, scores)]
    tables[0].caption = (
        f"{TITLES['tint']}: for each figure, the constant colour that does best by it on training photographs\n"
        f"{CEILINGS_IN_WORDS}"
    )
    sets = dict.fromkeys(name.partition("/")[0].removesuffix(f"_{AGREEMENT}") for name in summary if "/" in name)
    for judge in sets:
        of_judge = {f"{judge}/{metric.name}": metric for metric in OF_JUDGES if metric.family == JUDGED}
        of_judge |= {f"{judge}_{AGREEMENT}/{metric.name}": metric for metric in OF_JUDGES if metric.family == AGREEMENT}
        if judge != JUDGED and of_judge.keys() & summary.keys():
            tables.append(_beside(f"the same by the judge {judge}", of_judge, summary, scores))
    return tables


def _beside(title: str, metrics: Mapping[str, Metric], summary: Mapping[str, float], scores: pd.DataFrame) -> Table:
    measured = {key: metric for key, metric in metrics.items() if key in summary}
    table = plain_table(title, texts=("",), numbers=[metric.short or metric.name for metric in measured.values()])
    for row, figures in {"network": summary, **figures_of(scores)}.items():
        cells = (_written(figures.get(key), metric) for key, metric in measured.items())
        table.add_row(row, *cells)
    return table


def _written(value: float | None, metric: Metric) -> str:
    if value is None:
        return ""
    return percent(value) if metric.format.endswith("%") else f"{value:{metric.format}}"


def spread_by_content(split: Split, count: int) -> list[Photo]:
    """Return at most so many photographs of a split, evenly spread over their content hashes."""
    ordered = in_content_order(split)
    return [ordered[place] for place in spread(len(ordered), count)]
