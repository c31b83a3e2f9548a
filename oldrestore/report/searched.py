"""What the page of a sweep says of its search: each trial's settings, and how much each setting matters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A setting, or what is searched for: where each trial stands on it, and what it has there."""

    title: str
    places: list[float]  # 0..1, of each trial; on a logarithmic axis, of the logarithm
    texts: list[str]
    marks: dict[float, str]  # texts of some places, such as both ends


@dataclass(frozen=True)
class Searched:
    """The completed trials of a search, all in the same order."""

    numbers: list[int]
    axes: list[Axis]  # of the settings
    metric: Axis  # its places are 1 for the best trial and 0 for the worst
    best: int  # place of the best trial
    importances: dict[str, float]  # of each setting, the most important first; sum to 1; empty if not known
    pruned: int  # trials that were stopped
    failed: int
