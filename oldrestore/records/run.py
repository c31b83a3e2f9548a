"""One run, read from its folder; each file is read when it is asked for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oldrestore.config.aliases import with_current_targets
from oldrestore.config.roles import settings_that_count
from oldrestore.errors import UserError
from oldrestore.evaluation.protocol import label_of
from oldrestore.plain import decode_float
from oldrestore.records.liveness import is_alive, state_in_words
from oldrestore.records.parsing import read_choices, read_config, read_json, read_overrides
from oldrestore.records.quick_copy import read_quick_copy
from oldrestore.records.recorded import (
    Curve,
    Panel,
    Scalars,
    curves_of,
    last_value,
    panel_iteration,
    read_accuracy,
    read_panel,
    read_per_image,
    read_scalars,
)

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig
    from paddle import nn

ACCURACIES = ("iter_accuracy", "orig_accuracy", "gray_accuracy", "n")


class Run:
    """One run, or one later evaluation of a run (``RUN/evaluations/ID``).

    A file that is missing or damaged raises `UserError` when it is asked for: one sentence that names it. Of files that
    grow, whole lines are read, also while the run goes on. `get` and `all_of` know no error: what cannot be read has no
    value.

    Parameters
    ----------
    folder : Path
        The run folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._values: dict[str, list[Any]] = {}

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
        """The run itself; of an evaluation, the run that was evaluated (the folder of `weights_file` is none)."""
        return Run(self.folder.absolute().parent.parent) if self.is_evaluation else self

    @property
    def evaluations(self) -> list[Run]:
        """Later evaluations of the run, oldest first."""
        return [Run(path.parent) for path in sorted(self.folder.glob("evaluations/*/config.yaml"))]

    # What was asked for.

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

        Raises
        ------
        UserError
            Also if it holds an interpolation: a run logs values, and anyone may have written one since, to read this
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
        """What was chosen of each group: ``{"loss": "focal"}``; empty if the folder does not say."""
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
    def seed(self) -> int | None:
        """Seed of the run."""
        return self.config.get("seed")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings by dotted name that results depend on; not the seed, and not where photographs stand."""
        return settings_that_count(self.config)

    # How it went.

    @cached_property
    def status(self) -> dict[str, Any]:
        """``status.json`` and `alive`, as `is_alive` says; an evaluation has none, and is finished."""
        if self.is_evaluation:
            return {"state": "finished", "alive": False}
        status = read_json(self.folder / "status.json")
        return {**status, "alive": is_alive(status)}

    @property
    def state(self) -> str:
        """State in words: ``finished``, ``running``, ``running (process gone)``, ``failed``, ``killed`` ..."""
        return state_in_words(self.status)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """``provenance.json``: what numbers depend on besides configuration and data."""
        return read_json(self.folder / "provenance.json")

    @property
    def environment(self) -> dict[str, str | None]:
        """Variables that the run's numbers depend on; empty if it did not write them down."""
        return dict(self.provenance.get("environment") or {})

    @cached_property
    def data(self) -> dict[str, Any]:
        """``data.json``: count and fingerprint of each split, the judge, the protocol."""
        return read_json(self.folder / "data.json")

    # What was measured.

    def scalars(self) -> Iterator[Scalars]:
        """Yield what was logged at once, in order."""
        return read_scalars(self.folder / "metrics.jsonl")

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Every scalar by name, in the order in which the names first appear."""
        return curves_of(self.scalars())

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

    @cached_property
    def accuracy_rows(self) -> list[dict[str, Any]]:
        """Rows of ``accuracy.csv``: counts as int, the rest as float, empty cells as None."""
        return read_accuracy(self.folder / "accuracy.csv")

    @property
    def accuracy(self) -> pd.DataFrame:
        """``accuracy.csv``: a row for each so many photographs judged."""
        import pandas as pd

        return pd.DataFrame(self.accuracy_rows)

    @property
    def per_image_rows(self) -> list[dict[str, Any]]:
        """Rows of ``per_image.csv``: `value` and `weight` as float, `trained_iterations` as int."""
        return read_per_image(self.folder / "per_image.csv")

    @cached_property
    def per_image(self) -> pd.DataFrame:
        """Scores of single photographs at every validation.

        Columns: `trained_iterations`, `set` (``val``, ``judged``, or an evaluator's name), `image`, `metric`, `value`,
        `weight`. The figure of a set is sum(weight * value) / sum(weight).
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
    def scores(self) -> pd.DataFrame:
        """Rows of `per_image` of each set's last validation."""
        frame = self.per_image
        if frame.empty:
            return frame
        last = frame.groupby("set")["trained_iterations"].transform("max")
        return frame[frame["trained_iterations"] == last].reset_index(drop=True)

    # What was made.

    @property
    def checkpoints(self) -> dict[str, Path]:
        """``best``, ``last`` and the kept ones, by name."""
        return {path.stem: path for path in sorted(self.folder.glob("checkpoints/*.safetensors"))}

    @property
    def weights_file(self) -> Path | None:
        """The weights file that was evaluated, if that stands in no run folder."""
        typed = self.typed("weights") if self.is_evaluation else None
        return None if typed is None else Path(typed)

    def network(self, checkpoint: str = "best", config: DictConfig | None = None) -> nn.Layer:
        """Build the network with the weights of a checkpoint, in evaluation mode.

        Parameters
        ----------
        checkpoint : str
            ``best``, ``last`` or the name of a kept one.
        config : DictConfig, optional
            By default `composed`.

        Raises
        ------
        UserError
            The checkpoint is missing or does not fit.
        """
        from oldrestore import runtime

        if "paddle" not in sys.modules:  # what Paddle reads when it is imported is settled otherwise
            runtime.prepare()
            runtime.quiet_import_of_paddle()
        from oldrestore.config.build import build
        from oldrestore.models.weights import load_weights

        held = self.checkpoints
        if checkpoint not in held:
            names = ", ".join(held) or "none"
            raise UserError(f"run '{self.folder.name}' has no checkpoint '{checkpoint}': it has {names}")
        network = build(without_weights((config or self.composed).model))
        load_weights(network, held[checkpoint])
        network.eval()
        return network

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

    # By name, for lists of runs.

    def get(self, name: str) -> Any:
        """Return a value by name, as `all_of` knows it; None if there is none."""
        values = self.all_of(name)
        return values[0] if values else None

    def all_of(self, name: str) -> list[Any]:
        """Return every value that a name stands for, the one to show first.

        ``state``, ``run_id``, ``experiment`` (the folder that the run is in), ``started``; ``protocol`` (``photos 1,
        changed: size``, its name, or its hash); `ACCURACIES`; measures (``val/auc``: what the run ended with, or its
        last so far); settings by their dotted names (``optimizer.learning_rate``); and ``GROUP.name`` or ``GROUP``: the
        choice, its class, and that class's name as a file would be called.
        """
        if name not in self._values:
            self._values[name] = self._find(name)
        return self._values[name]

    def _find(self, name: str) -> list[Any]:
        status = self._readable("status")
        status = status if isinstance(status.get("state"), str) else {}
        if name == "state":
            return [status["state"], state_in_words(status)] if status else ["unreadable"]
        if name == "run_id":
            return [self.run_id]
        if name == "experiment":
            return [self.folder.parent.name]
        if name == "started":
            return [status.get("started")]
        if name in ACCURACIES:
            rows = self._readable("accuracy_rows")
            return [rows[-1].get(name) if rows else None]
        if name == "protocol":
            return self._protocol()
        if "/" in name:
            return [self._measure(name, status)]
        own = _within(self._quick["config"], name)
        chosen = self._chosen(name.removesuffix(".name")) if own is None or isinstance(own, dict) else []
        return chosen or [own]

    @cached_property
    def _quick(self) -> dict[str, Any]:
        """Configuration and choices, in the quickest way."""
        copy = read_quick_copy(self.folder)
        if copy is None:
            return {"config": self._readable("config"), "choices": self._readable("choices")}
        return {**copy, "config": with_current_targets(copy["config"])}

    def _readable(self, name: str) -> Any:
        """Return an attribute; nothing if its file cannot be read."""
        try:
            return getattr(self, name)
        except UserError:
            return {}

    def _protocol(self) -> list[str]:
        """What the run was measured under: in words, by name alone, by hash; of earlier runs, the name."""
        try:
            stored = self._readable("data")["protocol"]
            words = label_of(str(stored["name"]), stored.get("version"), stored.get("changed") or ())
            return [words, str(stored["name"]), str(stored["hash"])]
        except (KeyError, TypeError):
            name = _within(self._quick["config"], "evaluation.name")
            return [str(name)] if name else []

    def _chosen(self, group: str) -> list[str]:
        found = []
        choice = self._quick["choices"].get(group)
        if not isinstance(choice, str) and self._readable("overrides"):
            choice = self.typed(group)  # folders of earlier versions do not say what was chosen
        if isinstance(choice, str):
            found.append(choice)
        target = _within(self._quick["config"], f"{group}._target_")
        if isinstance(target, str):
            own = target.rpartition(".")[2]
            found += [own, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", own).lower()]
        return found

    def _measure(self, name: str, status: Mapping[str, Any]) -> float | None:
        """Return what the run ended with, or its last so far."""
        summary = status.get("summary") or {}
        try:
            if name in summary:
                return decode_float(summary[name])
        except (ValueError, TypeError):
            return None
        return last_value(self.folder / "metrics.jsonl", name)


def _within(config: Any, name: str) -> Any:
    """Return a setting by its dotted name (``loss.terms.0.weight``); None if there is none."""
    for part in name.split("."):
        if isinstance(config, dict):
            config = config.get(part)
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return None
    return config


def without_weights(model: DictConfig) -> DictConfig:
    """Return a ``model`` node that starts from no weights: they are loaded afterwards, and its file may be gone."""
    from omegaconf import OmegaConf

    return OmegaConf.merge(model, {"weights": None}) if "weights" in model else model
