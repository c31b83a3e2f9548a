"""Sends a run to MLflow: parameters, curves, tables, pictures, data sets, system metrics, the model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from oldrestore.plain import flatten
from oldrestore.records.notes import read_notes
from oldrestore.records.recorded import Panel, Scalars
from oldrestore.records.run_folder import ACCURACY_COLUMNS
from oldrestore.records.tail import times_of
from oldrestore.tracking.mlflow_model import fingerprint, holds_model, log_pyfunc
from oldrestore.tracking.mlflow_moved import RUN_FOLDER_TAG
from oldrestore.tracking.mlflow_store import Store, open_store
from oldrestore.tracking.mlflow_values import (
    FILES_TAG,
    LONGEST_VALUE,
    Logged,
    cell,
    dataset_inputs,
    name_of,
    note_tags,
    param,
    read_logged,
    tags,
)
from oldrestore.tracking.protocol import ModelPackage, RunInfo

# MLflow's own limits (mlflow.utils.validation).
PARAMS_A_BATCH = 100
METRICS_A_BATCH = 1000

_TERMINAL = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_AT_START = ("config.yaml", "overrides.yaml", "choices.yaml", "provenance.json", "data.json")
_AT_END = ("accuracy.csv", "per_image.csv", "baselines.csv", "metrics.jsonl", "log.txt")


class MLflowSink:
    """One MLflow run for one run folder.

    The store is `tracking_uri`, else ``MLFLOW_TRACKING_URI``, else ``outputs/mlflow.db`` with artifacts under
    ``outputs/mlartifacts``. A run folder continues the MLflow run that has its run id as a tag, if there is one, and
    sends only what that run lacks. MLflow changes neither a parameter nor a step: they stay as they were first sent.
    NaN is stored as NaN; MLflow keeps infinities as the largest float64 (the run folder has them exactly).

    `system_metrics` logs the use of processor, memory, disk, network and GPU under ``system/``, at an interval in
    seconds and once more at the end, so that short runs have some. `log_model` logs the trained model for
    ``mlflow.pyfunc.load_model``. `link` has `tracking_uri` (without a password), `experiment_id`, `run_id` and, once
    logged, `model_uri`.
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
        self._logged = Logged()
        self._table: list[dict[str, Any]] = []
        self._began = 0
        self._iteration = 0
        self.sent: Counter[str] = Counter()

    def start(self, run: RunInfo) -> None:
        """Open the store, and create the run or ask that of this run folder what it has."""
        self._run = run
        self._store = open_store(self.tracking_uri, run.outputs, self.experiment or run.experiment)
        self.link = {"tracking_uri": self._store.shown_uri, "experiment_id": self._store.experiment_id}
        self._run_id, is_new = self._find_or_create(run)
        self.link = {**self.link, "run_id": self._run_id}
        record = self._do("get_run")
        self._began = record.info.start_time or 0
        # The choice of each group tells apart what is of one class, as losses with other weights are.
        self._log_params({**run.choices, **flatten(run.config)}, record.data.params)
        if not record.inputs.dataset_inputs:
            self._do("log_inputs", datasets=dataset_inputs(run.data))
        if not is_new:
            for name in (RUN_FOLDER_TAG, "design"):  # it was moved; it was renamed, or an earlier version made it
                if record.data.tags.get(name) != (value := tags(run).get(name, "")):
                    self._do("set_tag", name, value)
            if record.info.run_name == run.run_id:  # as earlier versions called it
                self._do("update_run", name=run.name)
            self._logged = read_logged(self._store, self._run_id)
        self._send_notes()
        resumes = sorted(run.folder.glob("resumes/*/resume.json"))
        self._log_files([*_AT_START, *(path.relative_to(run.folder).as_posix() for path in resumes)])
        if not run.over:
            if not is_new:
                self._do("update_run", status="RUNNING")
            if self.system_metrics:
                from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

                settings = {"resume_logging": not is_new, "tracking_uri": self._store.uri}
                self._monitor = SystemMetricsMonitor(self._run_id, self.system_metrics_interval, **settings)
                self._monitor.start()

    def scalars(self, lines: Sequence[Scalars]) -> None:
        """Log metrics with the iteration as the step, unless the run has them at this step."""
        self._iteration = max(self._iteration, *(line.iteration for line in lines))
        self._log_metrics(
            (name, value, self._began + int(line.seconds * 1000), line.iteration)
            for line in lines
            for name, value in line.values.items()
        )

    def accuracy(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log the table so far so that the page shows it: ``accuracy.json``, and ``accuracy.csv`` beside it."""
        self._table += rows
        # The form of MLflow's log_table (pandas' "split"), which would read the table back from the store to append.
        data = [[cell(row.get(column)) for column in ACCURACY_COLUMNS] for row in self._table]
        content = json.dumps({"columns": list(ACCURACY_COLUMNS), "data": data}, allow_nan=False)
        self._log_text("accuracy.json", content)
        tag = json.dumps([{"path": "accuracy.json", "type": "table"}])
        if self._tags().get("mlflow.loggedArtifacts") != tag:
            self._do("set_tag", "mlflow.loggedArtifacts", tag)
        self._log_files(["accuracy.csv"])

    def panel(self, panel: Panel) -> None:
        """Log a picture of a series, which the page shows as a slider over iterations."""
        key = name_of(panel.name).replace("/", "-").replace(":", "-")
        step = panel.iteration
        if (key, step) not in self._logged.pictures:
            self._logged.pictures.add((key, step))
            self._do("log_image", panel.rgb, key=key, step=step, synchronous=True)
            self.sent["pictures"] += 1

    def text(self, name: str, content: str) -> None:
        """Log a note as ``texts/NAME.md``."""
        self._log_text(f"texts/{name}.md", content)
        self._remember_files()

    def model(self, package: ModelPackage) -> None:
        """Log the model as a pyfunc of the run, unless the run has it."""
        if not self.log_model:
            return
        known = self._tags()
        digest = fingerprint(package)
        if known.get("model_fingerprint") == digest and holds_model(self._store, known.get("model_uri", "")):
            self.link = {**self.link, "model_uri": known["model_uri"]}
            return
        self.link = {**self.link, "model_uri": log_pyfunc(self._store, self._run_id, self._run, package)}
        self._do("set_tag", "model_uri", self.link["model_uri"])
        self._do("set_tag", "model_fingerprint", digest)
        self.sent["models"] += 1

    def finish(self, state: str, reason: str | None, summary: Mapping[str, float]) -> None:
        """Send the summary under ``summary/`` and the small files of the run folder, and end the run."""
        if self._monitor is not None:
            monitor, self._monitor = self._monitor, None
            monitor.finish()
            monitor.collect_metrics()
            monitor.publish_metrics(monitor.aggregate_metrics())
            monitor.mlflow_logger.flush()
        ended = times_of(self._run.folder)[1] or self._began
        self._log_metrics((f"summary/{name}", value, ended, self._iteration) for name, value in summary.items())
        self._log_files(_AT_END)
        self._send_notes()
        known = self._tags()
        if reason and known.get("reason") != reason[:LONGEST_VALUE]:
            self._do("set_tag", "reason", reason[:LONGEST_VALUE])
        # Left by an earlier attempt that failed.
        stale = {"tracking_incomplete"} if reason else {"tracking_incomplete", "reason"}
        for name in stale & known.keys():
            self._do("delete_tag", name)
        if self._do("get_run").info.status != _TERMINAL[state]:
            self._do("set_terminated", _TERMINAL[state], ended)
            self.sent["states"] += 1

    def give_up(self) -> None:
        """After a failure: stop sampling, and do not leave the run looking alive."""
        if self._monitor is not None:
            self._monitor._shutdown_event.set()
            self._monitor = None
        if self._run_id:
            self._store.client.set_tag(self._run_id, "tracking_incomplete", "true")
            self._store.client.set_terminated(self._run_id, "FAILED")

    def _send_notes(self) -> None:
        known = self._tags()
        for name, value in note_tags(read_notes(self._run.folder)).items():
            if known.get(name) != value:
                self._do("set_tag", name, value)

    def _do(self, call: str, *arguments: Any, **named: Any) -> Any:
        return self._store.patiently(getattr(self._store.client, call), self._run_id, *arguments, **named)

    def _find_or_create(self, run: RunInfo) -> tuple[str, bool]:
        """Return MLflow's id of a run, and whether it is new."""
        store, condition = self._store, "tags.run_id = '" + run.run_id.replace("'", "''") + "'"
        for earlier in store.patiently(store.client.search_runs, [store.experiment_id], condition, max_results=1):
            return earlier.info.run_id, False
        described = {"start_time": times_of(run.folder)[0], "tags": tags(run), "run_name": run.name}
        created = store.patiently(store.client.create_run, store.experiment_id, **described)
        self.sent["runs"] += 1
        return created.info.run_id, True

    def _log_metrics(self, metrics: Iterable[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        named = [(name_of(name), value, now, step) for name, value, now, step in metrics]
        new = [Metric(*metric) for metric in named if metric[3] not in self._logged.steps.get(metric[0], ())]
        self._log_batches("metrics", new, METRICS_A_BATCH)

    def _log_params(self, settings: Mapping[str, Any], known: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        named = {name_of(name): param(value) for name, value in settings.items()}
        params = [Param(name, value) for name, value in named.items() if name not in known]
        self._log_batches("params", params, PARAMS_A_BATCH)

    def _log_batches(self, kind: str, entities: Sequence[Any], most: int) -> None:
        for first in range(0, len(entities), most):
            self._do("log_batch", **{kind: entities[first : first + most]})
        self.sent[kind] += len(entities)

    def _log_files(self, names: Sequence[str]) -> None:
        for name in names:
            path = self._run.folder / name
            if path.is_file() and self._logged.lacks_file(name, path.read_bytes()):
                self._do("log_artifact", str(path), name.rpartition("/")[0] or None)
                self.sent["files"] += 1
        self._remember_files()

    def _log_text(self, name: str, content: str) -> None:
        if self._logged.lacks_file(name, content.encode()):
            self._do("log_text", content, name)
            self.sent["files"] += 1

    def _remember_files(self) -> None:
        tag = self._logged.files_tag()
        if self._tags().get(FILES_TAG) != tag:
            self._do("set_tag", FILES_TAG, tag)

    def _tags(self) -> Mapping[str, str]:
        return self._do("get_run").data.tags
