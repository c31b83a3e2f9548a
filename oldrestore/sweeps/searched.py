"""What a report shows of a search: its completed trials on the axes of their settings, and Optuna's importances."""

from __future__ import annotations

import math
import warnings
from typing import Any

from oldrestore.report.searched import Axis, Searched
from oldrestore.sweeps.search import Choices, Range, SearchSettings


def searched_of(study: Any, settings: SearchSettings) -> Searched | None:
    """Read the trials of a study; None if none is completed."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        return None
    states = [trial.state.name for trial in trials]
    values = [trial.value for trial in complete]
    best = (min if settings.direction == "minimize" else max)(range(len(values)), key=values.__getitem__)
    return Searched(
        [trial.number for trial in complete],
        [_axis(name, space, [trial.params[name] for trial in complete]) for name, space in settings.space.items()],
        _metric(settings, values),
        best,
        _importances(optuna, study),
        states.count("PRUNED"),
        states.count("FAIL"),
    )


def _axis(name: str, space: Range | Choices, values: list[Any]) -> Axis:
    texts = [_text(value) for value in values]
    if isinstance(space, Choices):
        places = [number / (len(space.choices) - 1) for number in range(len(space.choices))]
        marks = {place: _text(choice) for place, choice in zip(places, space.choices, strict=True)}
        return Axis(name, [places[space.choices.index(value)] for value in values], texts, marks)
    scale = math.log if space.log else float
    low, high = scale(space.low), scale(space.high)
    places = [(scale(value) - low) / (high - low) for value in values]
    return Axis(name, places, texts, {0.0: _text(space.low), 1.0: _text(space.high)})


def _metric(settings: SearchSettings, values: list[float]) -> Axis:
    worst, best = (max, min) if settings.direction == "minimize" else (min, max)
    begin, end = worst(values), best(values)
    places = [(value - begin) / (end - begin) if end != begin else 1.0 for value in values]
    marks = {1.0: _text(end)} | ({0.0: _text(begin)} if end != begin else {})
    return Axis(settings.metric, places, [_text(value) for value in values], marks)


def _importances(optuna: Any, study: Any) -> dict[str, float]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):  # too few trials, or all alike
        return {}
    # Optuna calls all settings equal if it cannot know.
    return {name: float(value) for name, value in found.items()} if len(set(found.values())) > 1 else {}


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
