"""The search of a sweep: its trials across all settings, and which settings matter."""

from __future__ import annotations

from oldrestore.report.look import SCREEN
from oldrestore.report.search_charts import importances, parallel
from oldrestore.report.searched import Searched
from oldrestore.report.section import ChartWords, Section, View


def search(view: View) -> Section | None:
    """Make the section, if the page is that of a search."""
    searched = view.searched
    if searched is None:
        return None
    specs = {"search-trials": parallel(searched, SCREEN)}
    matter = None
    if searched.importances:
        specs["search-importances"] = importances(searched, SCREEN)
        matter = _importance_words(searched)
    body = view.render("search", trials=_trial_words(searched), importances=matter, settings=len(searched.axes))
    return Section("search", "The search", body, link="Search", specs=specs)


def _trial_words(searched: Searched) -> ChartWords:
    count = len(searched.numbers)
    others = [
        f"{searched.pruned} pruned" if searched.pruned else "",
        f"{searched.failed} failed" * bool(searched.failed),
    ]
    left_out = " and ".join(text for text in others if text)
    note = (
        f"A line for each of {count} completed {'trial' if count == 1 else 'trials'}, across its settings to its "
        f"{searched.metric.title}, the best on top: the stronger, the better, the best in orange."
    )
    note += f" Not drawn: {left_out}." if left_out else ""
    order = sorted(range(count), key=lambda trial: -searched.metric.places[trial])
    axes = [searched.metric, *searched.axes]
    rows = [[str(searched.numbers[trial]), *(axis.texts[trial] for axis in axes)] for trial in order]
    best = ", ".join(f"{axis.title} {axis.texts[searched.best]}" for axis in axes)
    description = f"Settings of {count} trials and what they reached. The best, trial {rows[0][0]}: {best}."
    return ChartWords("Trials", note, description, ["trial", *(axis.title for axis in axes)], rows)


def _importance_words(searched: Searched) -> ChartWords:
    rows = [[name, f"{value:.1%}"] for name, value in searched.importances.items()]
    note = (
        "Optuna's estimate of how much each setting matters within the searched ranges; the shares sum to 100%. From "
        f"{len(searched.numbers)} trials, drawn mostly where results were good, it is rough."
    )
    listed = ", ".join(f"{name} {share}" for name, share in rows)
    return ChartWords(
        "Which settings matter", note, f"Importance of each setting: {listed}.", ["setting", "share"], rows
    )
