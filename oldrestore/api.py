"""What notebooks and scripts use: runs as objects, scores as pandas frames, comparisons.

from oldrestore.api import colorize, compare_runs, designs, load_run, load_runs
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oldrestore import runtime
from oldrestore.comparison.compare import Cell, Compared, compare_runs
from oldrestore.comparison.designs import designs_of, differences_between, names_of
from oldrestore.comparison.sameness import comparable_groups
from oldrestore.config.plugins import use_plugins
from oldrestore.errors import UserError
from oldrestore.records.finding import find_run_to_read
from oldrestore.records.listing import list_runs, read_condition
from oldrestore.records.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from oldrestore.photographs.coloring import Colored

__all__ = [
    "Cell",
    "Compared",
    "Run",
    "UserError",
    "colorize",
    "comparable_groups",
    "compare_runs",
    "designs",
    "load_run",
    "load_runs",
    "scores_frame",
    "use_plugins",
]


def load_run(run: str | Path, outputs: str | Path = "outputs") -> Run:
    """Load the one run that is meant: a folder, an id (under `outputs`) or its beginning, ``last``,
    ``RUN/evaluations/ID``, ``FILE#RUN`` of a bundle.
    """
    return Run(find_run_to_read(str(run), Path(outputs)))


def load_runs(*where: str, outputs: str | Path = "outputs", sort: str | None = None) -> list[Run]:
    """Load the runs under `outputs`, the root of the run folders or a bundle, that meet every condition, oldest first.

    Conditions are those of ``oldrestore runs --where``: ``"loss.name=focal"``, ``"val/auc>0.8"``, ``"state=finished"``.
    `sort` is a setting or measure, smallest first.
    """
    return list_runs(Path(outputs), [read_condition(text) for text in where], sort)


def scores_frame(runs: list[Run]) -> pd.DataFrame:
    """Scores of each photograph in the last validation of several runs: `run_id`, `seed`, and the columns of a run."""
    import pandas as pd

    frames = [run.scores.assign(run_id=run.run_id, seed=run.seed) for run in runs if not run.scores.empty]
    if not frames:
        raise UserError("none of the runs has scores of photographs")
    whole = pd.concat(frames, ignore_index=True)
    return whole[["run_id", "seed", *(name for name in whole.columns if name not in ("run_id", "seed"))]]


def designs(runs: Sequence[Run], by_run: bool = False) -> pd.DataFrame:
    """Scores of each photograph, as `scores_frame` has them, with the design that each run is of.

    In front stand `design`, its name as in ``oldrestore compare``; the choice of each group (`loss`, `model`,
    `dataset`, ...), or its class if a run does not say; and what else differs between the designs. Runs that differ
    only in the seed are one design unless `by_run`; repeats of a seed are left out.
    """
    found = designs_of([run for run in runs if not run.scores.empty], by_run)
    differences = differences_between(found, by_run)
    names = names_of(found, differences)
    frame = scores_frame([run for design in found for run in design.runs])
    groups = list(dict.fromkeys(group for design in found for run in design.runs for group in run.choices))
    described: dict[str, dict[str, Any]] = {}
    for index, design in enumerate(found):
        values = {name: column[index] for name, column in differences.items() if name not in (*groups, "seed")}
        for run in design.runs:
            described[run.run_id] = {"design": names[index], **{group: run.get(group) for group in groups}, **values}
    for place, name in enumerate(next(iter(described.values()))):
        frame.insert(place, name, frame["run_id"].map({run_id: values[name] for run_id, values in described.items()}))
    return frame


def colorize(
    rgb_hw3: np.ndarray,
    run: str | None = None,
    weights: str | Path | None = None,
    hints: Sequence[Mapping[str, Any]] = (),
    size: int | None = None,
    strength: float = 1.0,
    variants: int = 1,
    distance: float = 5.0,
    certainty: bool = False,
    outputs: str | Path = "outputs",
) -> Colored:
    """Colour a photograph, uint8 sRGB (H, W, 3), as ``oldrestore colorize --dynamic`` does, whose options these are.

    The network is that of a run, of a weights file, or the one shipped with oldrestore, and loaded at each call; hints
    are the points of a hint file. `UserError` says what cannot be done.
    """
    if rgb_hw3.dtype != "uint8" or rgb_hw3.ndim != 3 or rgb_hw3.shape[2] != 3 or not rgb_hw3.size:
        raise ValueError(f"a photograph is uint8 (H, W, 3), not {rgb_hw3.dtype} {rgb_hw3.shape}")
    if "paddle" not in sys.modules:  # its environment must be set before it is imported
        runtime.prepare()
        runtime.quiet_import_of_paddle()
    from oldrestore.engines.fast_network import Running
    from oldrestore.evaluation.prediction import lightness
    from oldrestore.photographs.color_options import ColorOptions
    from oldrestore.photographs.coloring import Coloring, coloring_networks, require_reading_hints
    from oldrestore.photographs.hint_file import check_bounds, read_points

    options = ColorOptions(strength, variants, distance, certainty)
    runs, files = [run] * (run is not None), [Path(weights)] if weights is not None else []
    networks = coloring_networks(runs, files, None, Path(outputs), None)
    points = read_points(hints, "the hints")
    if points:
        require_reading_hints(networks)
        check_bounds(points, *rgb_hw3.shape[:2], "the photograph")
    return Coloring(networks, size, Running(dynamic=True), options).colored(lightness(rgb_hw3), points)
