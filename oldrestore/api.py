"""What notebooks and scripts use: runs as objects, scores as pandas frames, comparisons.

from oldrestore.api import compare_runs, load_run, load_runs
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oldrestore.comparison.compare import Cell, Compared, compare_runs
from oldrestore.errors import UserError
from oldrestore.records.finding import find_run
from oldrestore.records.listing import list_runs, read_condition
from oldrestore.records.run import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cell", "Compared", "Run", "UserError", "compare_runs", "load_run", "load_runs", "scores_frame"]


def load_run(run: str | Path, outputs: str | Path = "outputs") -> Run:
    """Load one run.

    Parameters
    ----------
    run : str or Path
        A run folder, a run id, the beginning of one, or ``last``; also ``RUN/evaluations/ID``, a later evaluation.
    outputs : str or Path
        Root of the run folders, where an id is looked for.

    Raises
    ------
    UserError
        No run, or more than one, is meant.
    """
    return Run(find_run(str(run), Path(outputs)))


def load_runs(*where: str, outputs: str | Path = "outputs", sort: str | None = None) -> list[Run]:
    """Load the runs under an outputs folder for which every condition holds, oldest first.

    Parameters
    ----------
    *where : str
        As ``oldrestore runs --where`` takes them: ``"loss.name=focal"``, ``"val/auc>0.8"``, ``"state=finished"``.
    outputs : str or Path
        Root of the run folders.
    sort : str, optional
        A setting or measure, the smallest first.

    Raises
    ------
    UserError
        A condition cannot be read.
    """
    return list_runs(Path(outputs), [read_condition(text) for text in where], sort)


def scores_frame(runs: list[Run]) -> pd.DataFrame:
    """Scores of single photographs of several runs, of each set's last validation, as one frame.

    Columns: `run_id`, `seed`, and those of `Run.per_image`.
    """
    import pandas as pd

    frames = [run.scores.assign(run_id=run.run_id, seed=run.seed) for run in runs if not run.scores.empty]
    if not frames:
        raise UserError("none of the runs has scores of photographs")
    whole = pd.concat(frames, ignore_index=True)
    return whole[["run_id", "seed", *(name for name in whole.columns if name not in ("run_id", "seed"))]]
