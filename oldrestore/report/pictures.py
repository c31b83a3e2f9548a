"""Validation photographs as each run's network colours them, and the colours that it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from oldrestore import runtime
from oldrestore.comparison.designs import Design
from oldrestore.comparison.measures import Measure
from oldrestore.errors import UserError
from oldrestore.records.run import Run
from oldrestore.report.ab_plane import AbPlane, counts_of, plane_of
from oldrestore.report.choice import ImageScores, chosen_photographs, evenly_spread, image_scores

UNPICKED = 6  # photographs for the figures of papers, evenly spread over the names
PLANE_PHOTOGRAPHS = 36  # whose colours are counted, evenly spread over the names
ALL_SEEDS = 12  # with more runs than these, only the first seed of each design is coloured again


@dataclass(frozen=True)
class Photograph:
    """One validation photograph, in uint8 (S, S, 3) sRGB."""

    name: str
    original: np.ndarray  # as evaluation sees it
    gray: np.ndarray  # its lightness alone
    outputs: dict[str, np.ndarray]  # by run id: true lightness, predicted colour


@dataclass(frozen=True)
class PanelPicture:
    """The last sample panel that a run wrote while it trained."""

    run_id: str
    title: str
    path: Path


@dataclass(frozen=True)
class Pictures:
    """The pictures of a report."""

    # in the order of their names; empty if no run could colour any
    photographs: list[Photograph] = field(default_factory=list)
    total: int = 0  # validation photographs that they are chosen from
    # (run id, design, seed) of the runs that coloured them
    runs: list[tuple[str, int, int | None]] = field(default_factory=list)
    scores: list[ImageScores] = field(default_factory=list)  # of single photographs, the verdict's measure first
    plane: AbPlane | None = None
    panels: list[PanelPicture] = field(default_factory=list)  # of runs that are not in runs
    missing: dict[str, str] = field(default_factory=dict)  # by run id, why a run coloured nothing
    # evenly spread over all names, whatever their scores: for figures in papers
    unpicked: list[Photograph] = field(default_factory=list)


def no_pictures(designs: Sequence[Design], reason: str) -> Pictures:
    """Show the panels that the runs wrote while they trained, and say why there is no more."""
    runs = [run for design in designs for run in design.runs]
    return Pictures(panels=_panels(runs), missing={run.run_id: reason for run in runs})


def take_pictures(
    designs: Sequence[Design],
    measures: Sequence[Measure],
    headline: Measure,
    count: int,
    say: Callable[[str], None] = lambda text: None,
) -> Pictures:
    """Let each run's network colour `count` validation photographs again, as its figures were measured.

    The photographs are those of the run's validation set, if they are available and unchanged. They are the same for
    every run: the worst and the best by each measure, first by `headline`, those the designs disagree on, and others
    evenly spread.
    """
    runs = [run for design in designs for run in design.runs]
    design_of = {run.run_id: index for index, design in enumerate(designs) for run in design.runs}
    seeds = runs if len(runs) <= ALL_SEEDS else [design.runs[0] for design in designs]
    if not any(_colors(run) for run in runs):
        return no_pictures(designs, "it predicts no colour")
    missing = {run.run_id: "another seed of its design was coloured" for run in runs if run not in seeds}
    scores = image_scores(designs, [headline, *(m for m in measures if m.name != headline.name)])

    # Known before anything is loaded, so that a report of folders without weights needs no Paddle.
    reasons = {run.run_id: reason for run in seeds if (reason := _cannot(run)) is not None}
    missing |= reasons
    able = [run for run in seeds if run.run_id not in reasons]
    if not able:
        return Pictures(panels=_panels(runs), missing=missing)
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    from oldrestore.report.recoloring import Recolorer

    recolorer, coloured = Recolorer(), {}
    for run in able:
        say(f"colouring with {run.run_id}")
        try:
            names = recolorer.names(run)
            shown = chosen_photographs(names, scores, count)
            counted = set(evenly_spread(names, PLANE_PHOTOGRAPHS))
            spread = evenly_spread(names, UNPICKED)
            coloured[run.run_id] = recolorer.recolor(run, set(shown) | counted | set(spread))
        except UserError as problem:
            missing[run.run_id] = str(problem)
    if not coloured:
        return Pictures(panels=_panels(runs), missing=missing)
    first = next(iter(coloured))
    photographs, unpicked = (
        [
            Photograph(name, *coloured[first].originals[name], {run: of.outputs[name] for run, of in coloured.items()})
            for name in chosen
        ]
        for chosen in (shown, spread)
    )
    counted = sorted(counted)
    counts = {run: counts_of(map(recolored.outputs.get, counted)) for run, recolored in coloured.items()}
    by_design = [[counts[run.run_id] for run in design.runs if run.run_id in counts] for design in designs]
    truth = counts_of(coloured[first].originals[name][0] for name in counted)
    plane = plane_of(truth, by_design, len(counted))
    return Pictures(
        photographs,
        len(names),
        [(run.run_id, design_of[run.run_id], run.seed) for run in able if run.run_id in coloured],
        scores,
        plane,
        _panels([run for run in runs if run.run_id in missing and run.run_id not in coloured and run in seeds]),
        missing,
        unpicked,
    )


def _colors(run: Run) -> bool:
    return bool((run.config.get("evaluation") or {}).get("color", True))


def _cannot(run: Run) -> str | None:
    """Why a run cannot colour photographs, as far as its folder tells."""
    if not _colors(run):
        return "it predicts no colour"
    folder = run.folder.absolute().parent.parent if run.is_evaluation else run.folder
    weights = [run.weights_file] if run.weights_file is not None else (folder / "checkpoints").glob("*.safetensors")
    if not any(file.is_file() for file in weights):
        return "its weights are not there"
    if not (run.data.get("val") or {}).get("fingerprint"):
        return "its folder does not say which photographs it was measured on"
    return None


def _panels(runs: Sequence[Run]) -> list[PanelPicture]:
    panels = []
    for run in runs:
        samples = run.folder / "samples"
        files = sorted(samples.glob("validation-*.png")) or sorted(samples.glob("*.png"))
        if files:
            panels.append(PanelPicture(run.run_id, files[-1].stem, files[-1]))
    return panels
