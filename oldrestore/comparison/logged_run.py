"""A run read from its folder: settings, curves, scores of single photographs, as pandas frames."""

from __future__ import annotations

import io
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oldrestore.config.roles import settings_that_count
from oldrestore.errors import UserError
from oldrestore.files import whole_text
from oldrestore.records.reader import (
    Curve,
    read_accuracy,
    read_choices,
    read_config,
    read_data,
    read_metrics,
    read_overrides,
    read_status,
    state_in_words,
)
from oldrestore.records.run_values import RunValues

if TYPE_CHECKING:
    import pandas as pd


class LoggedRun:
    """One run, or one further evaluation of a run (``RUN/evaluations/ID``); each file is read when it is asked for.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    UserError
        It is not a run folder; later, a file that is asked for is missing or damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.yaml").is_file():
            raise UserError(f"'{folder}' is not a run folder: it has no config.yaml")

    def __repr__(self) -> str:
        return f"LoggedRun({str(self.folder)!r})"

    @property
    def run_id(self) -> str:
        """Name of the folder; of an evaluation, the run's name and its own."""
        own = self.folder.absolute()
        return f"{own.parent.parent.name}/{own.name}" if self.is_evaluation else own.name

    @property
    def is_evaluation(self) -> bool:
        """Whether this is a later evaluation of a run."""
        return self.folder.absolute().parent.name == "evaluations"

    @cached_property
    def weights_file(self) -> Path | None:
        """The weights file that was evaluated, if that stands in no run folder."""
        typed = read_overrides(self.folder) if self.is_evaluation else []
        files = [text.partition("=")[2] for text in typed if text.startswith("weights=")]
        return Path(files[-1]) if files else None

    @property
    def experiment(self) -> str:
        """Name that the run was started under."""
        return str(self.config.get("experiment", self.folder.absolute().parent.name))

    @property
    def seed(self) -> int | None:
        """Seed of the run."""
        return self.config.get("seed")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as plain dicts and lists."""
        return read_config(self.folder)

    @cached_property
    def choices(self) -> dict[str, str]:
        """What each group chose: ``{"loss": "focal"}``; empty where the folder does not say."""
        return read_choices(self.folder)

    @cached_property
    def data(self) -> dict[str, Any]:
        """``data.json``: count and fingerprint of each split, the judge."""
        return read_data(self.folder)

    @cached_property
    def status(self) -> dict[str, Any]:
        """``status.json``; a later evaluation has none, and is finished."""
        return {"state": "finished"} if self.is_evaluation else read_status(self.folder)

    @property
    def state(self) -> str:
        """State in words: ``finished``, ``running``, ``failed``, ``killed`` ..."""
        return state_in_words(self.status)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings by dotted name that results depend on; not the seed, and not where photographs stand."""
        return settings_that_count(self.config)

    def get(self, name: str) -> Any:
        """Return a setting or measure by name, as ``oldrestore runs --where`` knows them; None where there is none."""
        return RunValues(self.folder).get(name)

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Every scalar by name: iterations, values and seconds as NumPy arrays."""
        return read_metrics(self.folder)

    @property
    def metrics(self) -> pd.DataFrame:
        """Every scalar as rows: `name`, `iteration`, `value`, `seconds`."""
        import pandas as pd

        columns = ["name", "iteration", "value", "seconds"]
        parts = [
            pd.DataFrame({"name": name, "iteration": c.iterations, "value": c.values, "seconds": c.seconds})
            for name, c in self.curves.items()
        ]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    @property
    def accuracy(self) -> pd.DataFrame:
        """``accuracy.csv``: a row for each so many photographs judged."""
        import pandas as pd

        return pd.DataFrame(read_accuracy(self.folder))

    @cached_property
    def per_image(self) -> pd.DataFrame:
        """Scores of single photographs at every validation.

        Columns: `trained_iterations`, `set` (``val``, ``judged``, or an evaluator's name), `image`, `metric`, `value`,
        `weight`. The figure of a set is sum(weight * value) / sum(weight).
        """
        import pandas as pd

        path = self.folder / "per_image.csv"
        text = whole_text(path)
        if not text.strip():
            names = ["trained_iterations", "set", "image", "metric", "value", "weight"]
            return pd.DataFrame({name: pd.Series(dtype=object) for name in names})
        try:
            # As text first: a photograph may be called NA, and values come back to the bit.
            frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_filter=False)
            frame["trained_iterations"] = frame["trained_iterations"].map(int)
            for name in ("value", "weight"):
                frame[name] = frame[name].map(lambda cell: float(cell or "nan")).astype("float64")
            return frame
        except (ValueError, KeyError) as error:
            raise UserError(f"{path} is damaged: {' '.join(str(error).split())}") from None

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Rows of `per_image` of each set's last validation."""
        frame = self.per_image
        if frame.empty:
            return frame
        last = frame.groupby("set")["trained_iterations"].transform("max")
        return frame[frame["trained_iterations"] == last].reset_index(drop=True)

    def network(self, checkpoint: str = "best"):
        """Build the network with the weights of a checkpoint (``best``, ``last`` or a kept one), to be evaluated."""
        from oldrestore import runtime
        from oldrestore.records.loading import load_network, load_run_config

        if "paddle" not in sys.modules:  # what Paddle reads when it is imported is settled otherwise
            runtime.prepare()
            runtime.quiet_import_of_paddle()
        return load_network(self.folder, load_run_config(self.folder), checkpoint)
