"""Sends a run to MLflow: parameters, curves, tables, pictures, data sets, system metrics, the model."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from oldrestore.plain import flatten
from oldrestore.records.run import Run
from oldrestore.records.run_folder import ACCURACY_COLUMNS
from oldrestore.records.superseded import Continued
from oldrestore.tracking.mlflow_held import FILES_TAG, Held, content_of, read_held
from oldrestore.tracking.mlflow_model import fingerprint, holds_model, log_pyfunc
from oldrestore.tracking.mlflow_moved import RUN_FOLDER_TAG
from oldrestore.tracking.mlflow_store import Store, open_store
from oldrestore.tracking.mlflow_values import LONGEST_VALUE, cell, dataset_inputs, name_of, param, tags
from oldrestore.tracking.protocol import ModelPackage, RunInfo

# MLflow's own limits (mlflow.utils.validation).
PARAMS_A_BATCH = 100
METRICS_A_BATCH = 1000

_TERMINAL = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_AT_START = ("config.yaml", "overrides.yaml", "choices.yaml", "provenance.json", "data.json")
_AT_END = ("accuracy.csv", "per_image.csv", "metrics.jsonl", "log.txt")


class MLflowSink:
    """One MLflow run for one run folder.

    The store is the one `tracking_uri` names, else ``MLFLOW_TRACKING_URI``, else ``outputs/mlflow.db`` with
    artifacts under ``outputs/mlartifacts``. A run folder that is resumed goes on in the MLflow run that has
    its run id as a tag. That run is asked for what it holds, sent what it lacks, and given no step twice. MLflow
    changes neither a parameter nor a step that it has: they stay as they were first sent.

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
    gather_seconds : float
        Longest that scalars wait for more before they are sent.
    sent : Counter
        How many `metrics`, `pictures`, `files`, `models` and the like went to the server.
    """

    gather_seconds = 5.0

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
        self._held = Held()
        self._iteration = 0
        self.sent: Counter[str] = Counter()

    def start(self, run: RunInfo) -> None:
        """Open the store, make the run or take up the one of this run folder, and send what it lacks."""
        self._run = run
        self._store = open_store(self.tracking_uri, run.outputs, self.experiment or run.experiment)
        self.link = {"tracking_uri": self._store.shown_uri, "experiment_id": self._store.experiment_id}
        continued = run.continued
        self._run_id = self._find(run.run_id) or self._create(run)
        self.link = {**self.link, "run_id": self._run_id}
        self._log_params(run.config)
        self._log_inputs(run.data)
        if continued is not None:
            if self._tags().get(RUN_FOLDER_TAG) != str(run.folder):
                self._set_tag(RUN_FOLDER_TAG, str(run.folder))  # it was moved
            self._held = read_held(self._store, self._run_id)
            self._catch_up(continued)
            self._iteration = continued.iteration
        self._log_files(_AT_START)
        if continued is None or continued.ended_ms is None:
            self._go_on(resumed=continued is not None)

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log metrics with the iteration as the step; those that the run has at this step are left out."""
        self.gathered([(time.time(), iteration, values)])

    def gathered(self, entries: Sequence[tuple[float, int, Mapping[str, float]]]) -> None:
        """Log the metrics of many iterations, each with its own time and step: one call costs as much as hundreds."""
        self._iteration = max(self._iteration, *(iteration for _, iteration, _ in entries))
        self._log_metrics(
            [
                (name, value, int(seconds * 1000), iteration)
                for seconds, iteration, values in entries
                for name, value in values.items()
            ]
        )

    def accuracy(self, rows: Sequence[Mapping[str, Any]], trained_iterations: int) -> None:
        """Log the table so that the page shows it: ``accuracy.json``, and ``accuracy.csv`` beside it."""
        self._log_table("accuracy.json", [{"trained_iterations": trained_iterations, **row} for row in rows])
        self._log_files(("accuracy.csv",))

    def per_image(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Do nothing now: ``per_image.csv`` is sent at the end."""

    def panel(self, name: str, iteration: int, rgb: np.ndarray, caption: str = "") -> None:
        """Log a picture of the series `name`, which the page shows as a slider over iterations."""
        key = name_of(name).replace("/", "-").replace(":", "-")
        if self._held.takes_picture(key, iteration):
            self._do(self._client.log_image, self._run_id, rgb, key=key, step=iteration, synchronous=True)
            self.sent["pictures"] += 1

    def text(self, name: str, content: str) -> None:
        """Log a note as ``texts/NAME.md``."""
        self._log_text(f"texts/{name.replace('/', '-')}.md", content)

    def model(self, package: ModelPackage) -> None:
        """Log the model as a pyfunc of the run; one that is there already is left alone."""
        if not self.log_model:
            return
        known = self._tags()
        digest = fingerprint(package)
        if known.get("model_fingerprint") == digest and holds_model(self._store, known.get("model_uri", "")):
            self.link = {**self.link, "model_uri": known["model_uri"]}
            return
        self.link = {**self.link, "model_uri": log_pyfunc(self._store, self._run_id, self._run, package)}
        self._set_tag("model_uri", self.link["model_uri"])
        self._set_tag("model_fingerprint", digest)
        self.sent["models"] += 1

    def finish(self, state: str, reason: str | None, summary: Mapping[str, float]) -> None:
        """Send the summary under ``summary/`` and the small files of the run folder, and end the run."""
        if self._monitor is not None:
            _stop_monitor(self._monitor)
            self._monitor = None
        self.scalars(self._iteration, {f"summary/{name}": value for name, value in summary.items()})
        self._log_files(_AT_END)
        known = self._tags()
        if reason and known.get("reason") != reason[:LONGEST_VALUE]:
            self._set_tag("reason", reason[:LONGEST_VALUE])
        # What an attempt that was given up said of itself.
        stale = {"tracking_incomplete"} if reason else {"tracking_incomplete", "reason"}
        for name in stale & known.keys():
            self._do(self._client.delete_tag, self._run_id, name)
        if self._do(self._client.get_run, self._run_id).info.status != _TERMINAL[state]:
            ended = self._run.continued.ended_ms if self._run.continued else None
            self._do(self._client.set_terminated, self._run_id, _TERMINAL[state], ended)
            self.sent["states"] += 1

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

    def _create(self, run: RunInfo) -> str:
        started = run.continued.started_ms if run.continued else None
        created = self._do(
            self._client.create_run,
            self._store.experiment_id,
            start_time=started,
            tags=tags(run),
            run_name=run.run_id,
        )
        self.sent["runs"] += 1
        return created.info.run_id

    def _go_on(self, resumed: bool) -> None:
        if resumed:
            self._do(self._client.update_run, self._run_id, status="RUNNING")
        if self.system_metrics:
            self._monitor = _start_monitor(self._run_id, self._store.uri, self.system_metrics_interval, resume=resumed)

    def _catch_up(self, continued: Continued) -> None:
        """Send what the run folder held when the run went on, and the MLflow run does not."""
        folder = self._run.folder
        began = self._do(self._client.get_run, self._run_id).info.start_time or 0
        metrics = []
        held = Run(folder, continued.lengths)
        for line in held.scalars():
            now = began + int(line.seconds * 1000)
            metrics += [(name, value, now, line.iteration) for name, value in line.values.items()]
        self._log_metrics(metrics)
        for file_name in continued.panels:
            panel = held.panel(file_name)
            self.panel(panel.name, panel.iteration, panel.rgb, panel.caption)
        for file_name in continued.texts:
            self._log_text(f"texts/{file_name}", (folder / "texts" / file_name).read_text(encoding="utf-8"))
        rows = held.accuracy_rows
        if rows:
            self._log_table("accuracy.json", rows)
        for path in sorted(folder.glob("resumes/*/resume.json")):
            self._log_file(path.relative_to(folder).as_posix())
        self._remember_files()

    def _log_metrics(self, metrics: Sequence[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        new = [
            Metric(name_of(name), value, now, step)
            for name, value, now, step in metrics
            if self._run.continued is None or self._held.takes_step(name_of(name), step)
        ]
        for first in range(0, len(new), METRICS_A_BATCH):
            self._do(self._client.log_batch, self._run_id, metrics=new[first : first + METRICS_A_BATCH])
        self.sent["metrics"] += len(new)

    def _log_params(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        known = self._do(self._client.get_run, self._run_id).data.params
        named = {name_of(name): param(value) for name, value in flatten(config).items()}
        params = [Param(name, value) for name, value in named.items() if name not in known]
        for first in range(0, len(params), PARAMS_A_BATCH):
            self._do(self._client.log_batch, self._run_id, params=params[first : first + PARAMS_A_BATCH])
        self.sent["params"] += len(params)

    def _log_inputs(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        if not self._do(self._client.get_run, self._run_id).inputs.dataset_inputs:
            self._do(self._client.log_inputs, self._run_id, datasets=dataset_inputs(data))

    def _log_files(self, names: Sequence[str]) -> None:
        sent = [self._log_file(name) for name in names]
        if any(sent):
            self._remember_files()

    def _log_file(self, name: str) -> bool:
        path = self._run.folder / name
        content = content_of(path)
        if content is None or not self._held.takes_file(name, content):
            return False
        within = name.rpartition("/")[0] or None
        self._do(self._client.log_artifact, self._run_id, str(path), within)
        self.sent["files"] += 1
        return True

    def _log_text(self, name: str, content: str) -> None:
        if self._held.takes_file(name, content.encode()):
            self._do(self._client.log_text, self._run_id, content, name)
            self.sent["files"] += 1

    def _remember_files(self) -> None:
        tag = self._held.files_tag()
        if self._tags().get(FILES_TAG) != tag:
            self._set_tag(FILES_TAG, tag)

    def _tags(self) -> Mapping[str, str]:
        return self._do(self._client.get_run, self._run_id).data.tags

    def _set_tag(self, name: str, value: str) -> None:
        self._do(self._client.set_tag, self._run_id, name, value)

    def _log_table(self, name: str, rows: list[dict[str, Any]]) -> None:
        # The form of MLflow's own log_table (pandas' "split"), which would read the table back from the store
        # to append to it; here all rows are at hand, so the file is written anew.
        new = name not in self._tables
        table = self._tables.setdefault(name, [])
        table += rows
        data = [[cell(row.get(column)) for column in ACCURACY_COLUMNS] for row in table]
        self._log_text(name, json.dumps({"columns": list(ACCURACY_COLUMNS), "data": data}, allow_nan=False))
        if new:
            tag = json.dumps([{"path": known, "type": "table"} for known in self._tables])
            if self._tags().get("mlflow.loggedArtifacts") != tag:
                self._set_tag("mlflow.loggedArtifacts", tag)


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
