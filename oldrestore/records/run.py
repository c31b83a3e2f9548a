"""One run, read from its folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oldrestore.config import plugins
from oldrestore.config.aliases import with_current_targets
from oldrestore.config.roles import Role, role_of, settings_that_count
from oldrestore.errors import UserError
from oldrestore.records.design_names import name_of_run, shortened
from oldrestore.records.kinds import Kind, kind_of
from oldrestore.records.liveness import is_alive, state_in_words
from oldrestore.records.named_values import NamedValues
from oldrestore.records.notes import Notes, read_notes
from oldrestore.records.parsing import read_choices, read_config, read_json, read_overrides, read_table
from oldrestore.records.recorded import (
    ACCURACY_KINDS,
    BASELINE_KINDS,
    PER_IMAGE_KINDS,
    Curve,
    Panel,
    Scalars,
    curves_of,
    panel_iteration,
    read_panel,
    read_scalars,
)
from oldrestore.records.trained_network import TrainedNetwork

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig


class Run(NamedValues, TrainedNetwork):
    """One run, or one later evaluation of a run (``RUN/evaluations/ID``).

    Each file is read when an attribute first needs it; one that is missing or damaged raises `UserError`, which names
    it. Files that grow can be read while the run goes on: a half-written line is left out.
    """

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def run_id(self) -> str:
        """Name of the folder; of an evaluation, the run's name and its own."""
        own = self.folder.absolute()
        return f"{own.parent.parent.name}/{own.name}" if self.is_evaluation else own.name

    @cached_property
    def is_evaluation(self) -> bool:
        """Whether this is a later evaluation, which has no status; a run of an experiment of that name has one."""
        return self.folder.absolute().parent.name == "evaluations" and not (self.folder / "status.json").exists()

    @cached_property
    def training(self) -> Run:
        """The run itself; of an evaluation, the run that was evaluated (no run if a `weights_file` was)."""
        return Run(self.folder.absolute().parent.parent) if self.is_evaluation else self

    @property
    def evaluations(self) -> list[Run]:
        """Later evaluations of the run, oldest first."""
        return [Run(path.parent) for path in sorted(self.folder.glob("evaluations/*/config.yaml"))]

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as plain dicts and lists; classes that moved since have their current paths."""
        return with_current_targets(self._logged_config)

    @cached_property
    def _logged_config(self) -> dict[str, Any]:
        return read_config(self.folder)

    @property
    def composed(self) -> DictConfig:
        """The resolved configuration as it was logged, a new copy from which the code of then and of now can build.

        An interpolation raises `UserError`: a run logs values, and anyone may have written one since, to read this
        machine's environment.
        """
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        from oldrestore.config.build import refuse_interpolations

        config = self._logged_config
        try:
            refuse_interpolations(config)
            return OmegaConf.create(config)
        except (UserError, OmegaConfBaseException) as error:
            path, reason = self.folder / "config.yaml", " ".join(str(error).split())
            raise UserError(f"'{path}' was not written by a run: {reason}") from None

    @cached_property
    def choices(self) -> dict[str, str]:
        """The choice of each group: ``{"loss": "focal"}``; empty if the folder does not say."""
        return read_choices(self.folder)

    @cached_property
    def overrides(self) -> list[str]:
        """What the user typed."""
        return read_overrides(self.folder)

    def typed(self, name: str) -> str | None:
        """Return what the user typed last for a setting or group; None if nothing."""
        values = [text.partition("=")[2] for text in self.overrides if text.startswith(f"{name}=")]
        return values[-1] if values else None

    @property
    def experiment(self) -> str:
        """Name that the run was started under."""
        return str(self.config.get("experiment", self.folder.absolute().parent.name))

    @property
    def design(self) -> str:
        """Name of its design: chosen, or made from what was typed; see `oldrestore.records.design_names`."""
        began = self.training.overrides if self.is_evaluation else []
        return name_of_run(self.config, self.choices, [*began, *self.overrides])

    @property
    def chosen_design(self) -> str | None:
        """Name of its design that a person or a sweep chose; None if nobody did."""
        design = self.config.get("design")
        return None if design is None else shortened(str(design))

    @property
    def seed(self) -> int | None:
        """Seed of the run."""
        return self.config.get("seed")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings by dotted name that weights or scores depend on, without the seed and the places of photographs."""
        counted = settings_that_count(self.config)
        return {name: value for name, value in counted.items() if Role.SHOWN not in role_of(name)}

    @cached_property
    def status(self) -> dict[str, Any]:
        """``status.json`` and `alive`, as `is_alive` says; an evaluation has none, and is finished."""
        if self.is_evaluation:
            return {"state": "finished", "alive": False}
        status = read_json(self.folder / "status.json")
        return {**status, "alive": is_alive(status)}

    @property
    def state(self) -> str:
        """State in words, as `state_in_words` gives it."""
        return state_in_words(self.status)

    @cached_property
    def kind(self) -> Kind | None:
        """Why the run is no equal of others, as `kind_of` says; None if it is one, as an evaluation is."""
        return None if self.is_evaluation else kind_of(self.folder, self.status)

    @cached_property
    def notes(self) -> Notes:
        """What a person wrote about the run: tags, a note, and whether it is archived."""
        return read_notes(self.folder)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """``provenance.json``: code, packages and machine."""
        return read_json(self.folder / "provenance.json")

    @property
    def environment(self) -> dict[str, str | None]:
        """Environment variables that the run's numbers depend on; empty if not recorded."""
        return dict(self.provenance.get("environment") or {})

    @property
    def plugins(self) -> list[dict[str, Any]]:
        """Name, version and hash of each plugin that it used; of an evaluation, those of the training come first.

        Empty if that cannot be read.
        """
        try:
            own = self.provenance
        except UserError:  # an evaluation need not have one
            own = {}
        return [*(self.training.plugins if self.is_evaluation else []), *plugins.recorded_in(own)]

    def require_plugins(self, section: str | None = None) -> None:
        """Raise `UserError` if a plugin that the configuration, or a section of it, names is not admitted."""
        node = self.config if section is None else self.config.get(section)
        if plugins.lacking(node):  # else what is recorded, which may be damaged, is not needed
            plugins.require(self.plugins, node)

    @cached_property
    def data(self) -> dict[str, Any]:
        """``data.json``: count and fingerprint of each split, the judge, the protocol."""
        return read_json(self.folder / "data.json")

    def scalars(self) -> Iterator[Scalars]:
        """Yield the lines of ``metrics.jsonl``."""
        return read_scalars(self.folder / "metrics.jsonl")

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Every scalar by name, in the order in which the names first appear."""
        return curves_of(self.scalars())

    @property
    def metrics(self) -> pd.DataFrame:
        """Every scalar as rows: `name`, `iteration`, `value`, `seconds`."""
        import pandas as pd

        points = (
            (name, *point)
            for name, curve in self.curves.items()
            for point in zip(curve.iterations, curve.values, curve.seconds, strict=True)
        )
        return pd.DataFrame(points, columns=["name", "iteration", "value", "seconds"])

    @cached_property
    def accuracy_rows(self) -> list[dict[str, Any]]:
        """Rows of ``accuracy.csv``: counts as int, the rest as float, empty cells as None."""
        return read_table(self.folder / "accuracy.csv", ACCURACY_KINDS, float)

    @property
    def accuracy(self) -> pd.DataFrame:
        """``accuracy.csv``: a row after every so many judged photographs."""
        import pandas as pd

        return pd.DataFrame(self.accuracy_rows)

    @property
    def per_image_rows(self) -> list[dict[str, Any]]:
        """Rows of ``per_image.csv``."""
        return read_table(self.folder / "per_image.csv", PER_IMAGE_KINDS, str)

    @cached_property
    def per_image(self) -> pd.DataFrame:
        """Scores of single photographs at every validation, as in ``per_image.csv``.

        `set` is ``val``, ``judged``, or an evaluator's name; a set's figure is sum(weight * value) / sum(weight).
        """
        import pandas as pd

        from oldrestore.records.run_folder import PER_IMAGE_COLUMNS

        rows = self.per_image_rows
        if not rows:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in PER_IMAGE_COLUMNS})
        try:
            kinds = {"trained_iterations": "int64", "value": "float64", "weight": "float64"}
            return pd.DataFrame(rows).astype(kinds)
        except (ValueError, KeyError, TypeError) as error:
            path = self.folder / "per_image.csv"
            raise UserError(f"{path} is damaged: {' '.join(str(error).split())}") from None

    @cached_property
    def baselines(self) -> pd.DataFrame:
        """What gray, constant colours and the originals score on the same photographs: ``baselines.csv``.

        Columns `baseline`, `set`, `image`, `metric`, `value`, `weight`, and `a` and `b` of the constant colour; empty
        for a run that did not measure them.
        """
        return read_baselines(self.folder / "baselines.csv")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Rows of `per_image` of each set's last validation."""
        frame = self.per_image
        if frame.empty:
            return frame
        last = frame.groupby("set")["trained_iterations"].transform("max")
        return frame[frame["trained_iterations"] == last].reset_index(drop=True)

    @property
    def scored_at(self) -> int:
        """Iterations of training before the last validation; -1 if there are no scores."""
        return -1 if self.scores.empty else int(self.scores["trained_iterations"].max())

    @property
    def scored_weights(self) -> str:
        """Which weights `scores` are of: ``last``; of an evaluation, the name of its checkpoint or the weights file."""
        if not self.is_evaluation:
            return "last"
        return self.typed("checkpoint") or self.typed("weights") or "best"

    @property
    def weights_file(self) -> Path | None:
        """The weights file that was evaluated, if it is outside any run folder."""
        typed = self.typed("weights") if self.is_evaluation else None
        return None if typed is None else Path(typed)

    @property
    def panels(self) -> tuple[str, ...]:
        """File names of the pictures in ``samples/``, in the order of training."""
        names = (path.name for path in self.folder.glob("samples/*.png") if not path.name.startswith("."))
        return tuple(sorted(names, key=lambda name: (panel_iteration(name), name)))

    def panel(self, file_name: str) -> Panel:
        """Read one picture of ``samples/``."""
        return read_panel(self.folder / "samples" / file_name)

    @property
    def texts(self) -> tuple[str, ...]:
        """File names of the notes in ``texts/``."""
        return tuple(sorted(path.name for path in self.folder.glob("texts/*.md") if not path.name.startswith(".")))


def read_baselines(path: Path) -> pd.DataFrame:
    """Return the rows of ``baselines.csv``, or of a copy of it; empty if there is none."""
    import pandas as pd

    return pd.DataFrame(read_table(path, BASELINE_KINDS, str))
