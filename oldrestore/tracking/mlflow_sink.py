"""Sends a run to MLflow: parameters, curves, tables, pictures, data sets, system metrics, the model."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from oldrestore.tracking.mlflow_store import Store, open_store
from oldrestore.tracking.plain import encode_float, flatten, plain
from oldrestore.tracking.run_folder import ACCURACY_COLUMNS
from oldrestore.tracking.tracker import ModelPackage, RunInfo

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# MLflow's own limits (mlflow.utils.validation).
LONGEST_VALUE = 6000
LONGEST_NAME = 250
LONGEST_DIGEST = 36
PARAMS_A_BATCH = 100
METRICS_A_BATCH = 1000

_TERMINAL = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_AT_START = ("config.yaml", "overrides.yaml", "provenance.json", "data.json")
_AT_END = ("accuracy.csv", "per_image.csv", "metrics.jsonl", "log.txt")


class MLflowSink:
    """One MLflow run for one run folder.

    The store is the one `tracking_uri` names, else ``MLFLOW_TRACKING_URI``, else ``outputs/mlflow.db`` with
    artifacts under ``outputs/mlartifacts``. A run folder that is resumed goes on in the MLflow run that has
    its run id as a tag; parameters, which MLflow never changes, are then left as they are.

    NaN is stored as NaN; MLflow keeps infinities as the largest float64 (the run folder has them exactly).

    Parameters
    ----------
    tracking_uri : str, optional
        ``sqlite:///...``, ``http://...`` or whatever MLflow takes.
    experiment : str, optional
        MLflow's experiment; the run's experiment when not given.
    system_metrics : bool
        Log processor, memory, disk, network and GPU use under ``system/``.
    system_metrics_interval : float
        Seconds between two samples; one more is taken at the end, so that short runs have some.
    log_model : bool
        Log the trained model, so that ``mlflow.pyfunc.load_model`` loads it.

    Attributes
    ----------
    link : dict
        `tracking_uri` (without a password), `experiment_id`, `run_id` and, once logged, `model_uri`.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        system_metrics: bool = True,
        system_metrics_interval: Annotated[float, Field(gt=0)] = 10.0,
        log_model: bool = True,
    ) -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.system_metrics = system_metrics
        self.system_metrics_interval = system_metrics_interval
        self.log_model = log_model
        self.link: dict[str, Any] = {}
        self._run: RunInfo | None = None
        self._store: Store | None = None
        self._run_id = ""
        self._monitor: Any = None
        self._tables: dict[str, list[dict[str, Any]]] = {}

    def start(self, run: RunInfo) -> None:
        """Open the store, and make the run or take up the one of this run folder."""
        self._run = run
        self._store = open_store(self.tracking_uri, run.outputs, self.experiment or run.experiment)
        self.link = {"tracking_uri": self._store.shown_uri, "experiment_id": self._store.experiment_id}
        earlier = self._find(run.run_id)
        if earlier:
            self._run_id = earlier
            self._do(self._client.update_run, self._run_id, status="RUNNING")
        else:
            created = self._do(self._client.create_run, self._store.experiment_id, tags=_tags(run), run_name=run.run_id)
            self._run_id = created.info.run_id
            self._log_params(run.config)
            self._do(self._client.log_inputs, self._run_id, datasets=_dataset_inputs(run.data))
        self.link = {**self.link, "run_id": self._run_id}
        self._log_files(_AT_START)
        if self.system_metrics:
            self._monitor = _start_monitor(
                self._run_id, self._store.uri, self.system_metrics_interval, resume=bool(earlier)
            )

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log metrics with the iteration as the step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_name(name), value, now, iteration) for name, value in values.items()]
        for first in range(0, len(metrics), METRICS_A_BATCH):
            self._do(self._client.log_batch, self._run_id, metrics=metrics[first : first + METRICS_A_BATCH])

    def accuracy(self, rows: Sequence[Mapping[str, Any]], trained_iterations: int) -> None:
        """Log the table so that the page shows it: ``accuracy.json``, and ``accuracy.csv`` beside it."""
        rows = [{"trained_iterations": trained_iterations, **row} for row in rows]
        self._log_table("accuracy.json", ACCURACY_COLUMNS, rows)
        self._log_files(("accuracy.csv",))

    def per_image(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Do nothing now: ``per_image.csv`` is sent at the end."""

    def panel(self, name: str, iteration: int, rgb: np.ndarray, caption: str = "") -> None:
        """Log a picture of the series `name`, which the page shows as a slider over iterations."""
        self._do(
            self._client.log_image,
            self._run_id,
            rgb,
            key=_name(name).replace("/", "-").replace(":", "-"),
            step=iteration,
            synchronous=True,
        )

    def text(self, name: str, content: str) -> None:
        """Log a note as ``texts/NAME.md``."""
        self._do(self._client.log_text, self._run_id, content, f"texts/{name.replace('/', '-')}.md")

    def model(self, package: ModelPackage) -> None:
        """Log the model as a pyfunc of the run, from a Python file and artifacts.

        Its signature: `L`, float32 (N, H, W, 1) in 0..100; out comes uint8 (N, H, W, 3) sRGB. The client
        calls say which run and store are meant, so nothing global in MLflow is set.
        """
        if not self.log_model:
            return
        import mlflow.pyfunc
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        client, run_id = self._client, self._run_id
        logged = self._do(
            client.create_logged_model,
            self._store.experiment_id,
            name="model",
            source_run_id=run_id,
            tags={"run_id": self._run.run_id, "experiment": self._run.experiment},
            model_type="colorizer",
        )
        example = package.input_example
        with _without_advice(), tempfile.TemporaryDirectory(prefix="oldrestore-model-") as folder:
            local = Path(folder) / "model"
            mlflow.pyfunc.save_model(
                path=str(local),
                python_model=str(package.python_file),
                artifacts={name: str(path) for name, path in package.artifacts.items()} or None,
                signature=colorizer_signature(),
                input_example=None if example is None else {"L": np.asarray(example, np.float32)},
                pip_requirements=list(package.pip_requirements),
                metadata=plain(package.metadata) or None,
                mlflow_model=Model(
                    artifact_path=logged.artifact_location,
                    model_uuid=logged.model_id,
                    run_id=run_id,
                    model_id=logged.model_id,
                ),
            )
            self._do(client.log_model_artifacts, logged.model_id, str(local))
        self._do(client.finalize_logged_model, logged.model_id, "READY")
        self._do(client.log_outputs, run_id, [LoggedModelOutput(logged.model_id, step=0)])
        self.link = {**self.link, "model_uri": f"models:/{logged.model_id}"}
        self._do(client.set_tag, run_id, "model_uri", self.link["model_uri"])

    def finish(self, state: str, reason: str | None, summary: Mapping[str, float]) -> None:
        """Send the summary under ``summary/`` and the small files of the run folder, and end the run."""
        if self._monitor is not None:
            _stop_monitor(self._monitor)
            self._monitor = None
        self.scalars(0, {f"summary/{name}": value for name, value in summary.items()})
        self._log_files(_AT_END)
        if reason:
            self._do(self._client.set_tag, self._run_id, "reason", reason[:LONGEST_VALUE])
        self._do(self._client.set_terminated, self._run_id, _TERMINAL[state])

    def give_up(self) -> None:
        """After a failure: stop sampling, and do not leave the run looking alive."""
        if self._monitor is not None:
            self._monitor._shutdown_event.set()
            self._monitor = None
        if self._run_id:
            self._client.set_tag(self._run_id, "tracking_incomplete", "true")
            self._client.set_terminated(self._run_id, "FAILED")

    @property
    def _client(self) -> Any:
        return self._store.client

    def _do(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self._store.patiently(call, *arguments, **named)

    def _find(self, run_id: str) -> str | None:
        quoted = run_id.replace("'", "''")
        found = self._do(
            self._client.search_runs, [self._store.experiment_id], f"tags.run_id = '{quoted}'", max_results=1
        )
        return found[0].info.run_id if found else None

    def _log_params(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        named = {_name(name): _param(value) for name, value in flatten(config).items()}
        params = [Param(name, value) for name, value in named.items()]
        for first in range(0, len(params), PARAMS_A_BATCH):
            self._do(self._client.log_batch, self._run_id, params=params[first : first + PARAMS_A_BATCH])

    def _log_files(self, names: Sequence[str]) -> None:
        for name in names:
            path = self._run.folder / name
            if path.exists():
                self._do(self._client.log_artifact, self._run_id, str(path))

    def _log_table(self, name: str, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
        # The form of MLflow's own log_table (pandas' "split"), which would read the table back from the store
        # to append to it; here all rows are at hand, so the file is written anew.
        new = name not in self._tables
        table = self._tables.setdefault(name, [])
        table += rows
        data = [[_cell(row.get(column)) for column in columns] for row in table]
        content = json.dumps({"columns": list(columns), "data": data}, allow_nan=False)
        self._do(self._client.log_text, self._run_id, content, name)
        if new:
            tag = json.dumps([{"path": known, "type": "table"} for known in self._tables])
            self._do(self._client.set_tag, self._run_id, "mlflow.loggedArtifacts", tag)


def colorizer_signature() -> Any:
    """Return the signature of every logged model: `L` float32 (N, H, W, 1) to sRGB uint8 (N, H, W, 3)."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1, -1, 1), "L")]),
        outputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
    )


def _tags(run: RunInfo) -> dict[str, str]:
    commit = str(run.provenance.get("commit") or "")
    tags = {
        **run.tags,
        "run_id": run.run_id,
        "experiment": run.experiment,
        "commit": commit,
        "dirty": _param(run.provenance.get("dirty")),
        "seed": _param(run.seed),
        "oldrestore.run_folder": str(run.folder),
        "mlflow.source.name": "oldrestore",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        "mlflow.user": os.environ.get("USER") or os.environ.get("LOGNAME") or "",
    }
    return {name: str(value)[:LONGEST_VALUE] for name, value in tags.items() if str(value)}


def _dataset_inputs(data: Mapping[str, Mapping[str, Any]]) -> list[DatasetInput]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for context, split in data.items():
        if not isinstance(split, Mapping) or not {"source", "fingerprint"} <= split.keys():
            continue  # not a set of photographs: the judge is described there, too
        source = {key: plain(split[key]) for key in ("source", "split", "root") if key in split}
        dataset = Dataset(
            name=str(split["source"]),
            digest=str(split["fingerprint"])[:LONGEST_DIGEST],
            source_type="oldrestore",
            source=json.dumps({**source, "fingerprint": split["fingerprint"]}),
            profile=json.dumps({"num_rows": split.get("count")}),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", str(context))]))
    return inputs


def _name(name: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", str(name), flags=re.ASCII)[:LONGEST_NAME]


def _param(value: Any) -> str:
    # As it would be typed in an override: null, true, 0.1.
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _cell(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        number = encode_float(value)
        return number if isinstance(number, float) else None  # the page's tables know null, not NaN
    return plain(value)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence MLflow's coloured advice on type hints and examples, for which a tensor signature has no use.

    It sets warning filters of its own around the calls, so a filter of ours would not be seen.
    """
    import mlflow.pyfunc
    from mlflow.pyfunc.utils import data_validation

    modules = [m for m in (mlflow.pyfunc, data_validation) if hasattr(m, "color_warning")]
    speak = [module.color_warning for module in modules]
    try:
        for module in modules:
            module.color_warning = lambda *words, **named: None
        yield
    finally:
        for module, function in zip(modules, speak, strict=True):
            module.color_warning = function


def _start_monitor(run_id: str, uri: str, interval: float, resume: bool) -> Any:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, sampling_interval=interval, resume_logging=resume, tracking_uri=uri)
    monitor.start()
    return monitor


def _stop_monitor(monitor: Any) -> None:
    monitor.finish()
    monitor.collect_metrics()
    monitor.publish_metrics(monitor.aggregate_metrics())
    monitor.mlflow_logger.flush()
