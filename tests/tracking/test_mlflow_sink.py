"""MLflow's own client reads back what the sink sent."""

import itertools
import json
import math
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from oldrestore.records.run import Run
from oldrestore.records.run_folder import RunFolder
from oldrestore.tracking.mlflow_sink import MLflowSink
from oldrestore.tracking.mlflow_store import open_store, quiet_environment
from oldrestore.tracking.protocol import End, ModelPackage
from oldrestore.tracking.tracker import hand_over
from tests import run_to_track
from tests.run_to_track import followed_by, track_in_two_parts

quiet_environment()

LOSSES = [5.7809, 4.7249, 1 / 3, math.nan, 3.991]

MODEL = """
import mlflow.pyfunc
import numpy as np
from mlflow.models import set_model


class Gain(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.gain = float(open(context.artifacts["gain"]).read())

    def predict(self, context, model_input, params=None):
        gray = np.asarray(model_input["L"]) * self.gain
        return np.repeat(np.round(gray), 3, axis=-1).astype(np.uint8)


set_model(Gain())
"""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """One whole run, tracked by MLflow with everything on."""
    from mlflow import MlflowClient

    root = tmp_path_factory.mktemp("mlflow")
    folder = RunFolder.create(root / "outputs", "quickstart", "run-1")
    run = run_to_track.make_run(folder)
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    (root / "pyfunc.py").write_text(MODEL)
    (root / "gain.txt").write_text("2.0")

    model = ModelPackage(root / "pyfunc.py", {"gain": root / "gain.txt"}, pip_requirements=["numpy"])
    end = {"summary": {"iter_accuracy": 0.525}, "model": model}
    with followed_by(MLflowSink(system_metrics_interval=0.2), folder, run, **end) as lines:
        for step, loss in enumerate(LOSSES):
            folder.scalars(step * 100, {"train/loss": loss, "learning_rate": 3e-5})
        folder.scalars(500, {f"many/{i}": float(i) for i in range(2500)})
        folder.panel("val/photos", 100, picture, "caption")
        folder.panel("val/photos", 200, 255 - picture)
        folder.accuracy(run_to_track.ROWS[:1], 100)
        folder.accuracy(run_to_track.ROWS, 400)
        score = {"trained_iterations": 400, "set": "val", "image": "a", "metric": "psnr", "value": 20.0}
        folder.per_image([score])
        folder.text("note", "# Hello")
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert lines == []
    link = Run(folder.path).status["sinks"]["sink"]
    client = MlflowClient(link["tracking_uri"])
    record = client.get_run(link["run_id"])
    found = {"client": client, "id": link["run_id"], "link": link, "record": record}
    return SimpleNamespace(**found, folder=folder, root=root, info=run, picture=picture, rows=run_to_track.ROWS)


def artifacts(tracked, path=None):
    return sorted(file.path for file in tracked.client.list_artifacts(tracked.id, path))


def download(tracked, path):
    return Path(tracked.client.download_artifacts(tracked.id, path))


def test_the_run_ended_in_the_embedded_store_and_has_its_tags(tracked):
    outputs = tracked.folder.outputs
    assert tracked.link["tracking_uri"] == f"sqlite:///{outputs}/mlflow.db"
    assert tracked.record.info.artifact_uri.startswith(f"file://{outputs}/mlartifacts/")
    assert tracked.client.get_experiment(tracked.link["experiment_id"]).name == "quickstart"
    info = tracked.record.info
    assert (tracked.link["state"], info.status, info.run_name) == (
        "complete",
        "FINISHED",
        "quickstart, width=0.25, seed=3",
    )
    assert info.end_time >= info.start_time
    tags = tracked.record.data.tags
    expected = {"commit": "c0ffee", "dirty": "true", "run_id": "run-1", "experiment": "quickstart", "seed": "3"}
    expected["design"] = "quickstart, width=0.25"
    assert {name: tags[name] for name in expected} == expected
    assert tags["oldrestore.run_folder"] == str(tracked.folder.path)
    assert tags["mlflow.source.git.commit"] == "c0ffee"


def test_parameters_are_flat(tracked):
    params = dict(tracked.record.data.params)
    note = params.pop("trainer.note")
    assert params == {
        "seed": "3",
        # What each group chose, which classes do not always tell.
        "model": "eccv16",
        "loss": "rebalanced_cross_entropy",
        "dataset_evaluation.judged": "labelled_photos",
        "model._target_": "oldrestore.models.eccv16.Eccv16",
        "model.width": "0.25",
        "model.weights": "null",
        "loss.rebalance.lambda_": "0.5",
        "loss.rebalance.clamp": "null",
        "loss.terms.0.weight": "1.0",
        "loss.terms.1.weight": "0.1",
        "trainer.amp": "false",
    }
    assert len(note) == 6000 and note.startswith("xxx")


def test_a_run_of_an_earlier_version_gets_its_name_and_choices_and_keeps_one_that_was_given(outputs):
    folder = RunFolder.create(outputs, "quickstart", "old")
    run = run_to_track.make_run(folder)
    folder.status("finished")
    store = open_store(None, outputs, "quickstart")
    made = store.client.create_run(store.experiment_id, tags={"run_id": "old"}, run_name="old").info.run_id
    for name in ("quickstart, width=0.25, seed=3", "given by hand"):
        for _ in hand_over(MLflowSink(system_metrics=False), replace(run, over=True), lambda: End("finished")):
            pass
        record = store.client.get_run(made)
        assert (record.info.run_name, record.data.tags["design"]) == (name, "quickstart, width=0.25")
        assert record.data.params["loss"] == "rebalanced_cross_entropy"
        store.client.update_run(made, name="given by hand")


def test_the_loss_curve_has_every_step_and_value(tracked):
    history = tracked.client.get_metric_history(tracked.id, "train/loss")
    history = sorted(history, key=lambda metric: metric.step)
    assert [metric.step for metric in history] == [0, 100, 200, 300, 400]
    values = [metric.value for metric in history]
    assert values[:3] + values[4:] == LOSSES[:3] + LOSSES[4:]
    assert math.isnan(values[3])
    began = tracked.record.info.start_time
    seconds = Run(tracked.folder.path).curves["train/loss"].seconds
    assert [metric.timestamp for metric in history] == [began + int(second * 1000) for second in seconds]
    assert [metric.value for metric in tracked.client.get_metric_history(tracked.id, "learning_rate")] == [3e-5] * 5
    metrics = tracked.record.data.metrics
    assert [metrics[f"many/{i}"] for i in (0, 999, 1000, 2499)] == [0, 999, 1000, 2499]
    assert metrics["summary/iter_accuracy"] == 0.525


def test_system_metrics(tracked):
    metrics = tracked.record.data.metrics
    assert 0 <= metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < metrics["system/system_memory_usage_percentage"] < 100
    steps = [m.step for m in tracked.client.get_metric_history(tracked.id, "system/cpu_utilization_percentage")]
    assert sorted(steps) == list(range(len(steps)))


def test_the_accuracy_table_shows_as_a_table(tracked):
    table = json.loads(download(tracked, "accuracy.json").read_text())
    assert table["columns"][:4] == ["trained_iterations", "iteration", "iter_accuracy", "orig_accuracy"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    expected = [{"trained_iterations": 100, **tracked.rows[0]}]
    expected += [{"trained_iterations": 400, **row} for row in tracked.rows]
    assert rows == expected
    # MLflow's own reader of tables finds it by the tag that its page uses.
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    with _use_tracking_uri(tracked.link["tracking_uri"]):
        frame = tracked.client.load_table(tracked.link["experiment_id"], "accuracy.json", run_ids=[tracked.id])
    # pandas' fast reader of numbers is off by some units in the last place.
    assert frame["iter_probability"].tolist() == pytest.approx([0.3, 0.3, 1 / 3], rel=1e-14)
    os.environ.pop("MLFLOW_TRACKING_URI", None)


def test_panels_are_a_series(tracked):
    pictures = {}
    for path in artifacts(tracked, "images"):
        if path.endswith(".png"):
            name, key, step, *_ = path.removeprefix("images/").split("+")
            assert (name, key) == ("val-photos", "step")
            with Image.open(download(tracked, path)) as image:
                pictures[int(step)] = np.asarray(image)
    assert sorted(pictures) == [100, 200]
    assert np.array_equal(pictures[100], tracked.picture)
    assert np.array_equal(pictures[200], 255 - tracked.picture)
    assert tracked.record.data.tags["mlflow.loggedImages"] == "True"


def test_data_sets_are_inputs_with_a_digest(tracked):
    inputs = {item.tags[0].value: item.dataset for item in tracked.record.inputs.dataset_inputs}
    assert sorted(inputs) == ["train", "val"]
    for context, dataset in inputs.items():
        split = tracked.info.data[context]
        assert (dataset.name, dataset.digest) == ("photos", split["fingerprint"][:36])
        assert json.loads(dataset.source)["fingerprint"] == split["fingerprint"]
        assert json.loads(dataset.profile) == {"num_rows": split["count"]}


def test_files_of_the_run_folder_are_artifacts(tracked):
    names = ["config.yaml", "overrides.yaml", "provenance.json", "data.json", "metrics.jsonl"]
    names += ["accuracy.csv", "per_image.csv"]
    assert set(names) <= set(artifacts(tracked))
    for name in names:
        assert download(tracked, name).read_bytes() == (tracked.folder.path / name).read_bytes()
    assert artifacts(tracked, "texts") == ["texts/note.md"]


def test_the_model_loads_in_a_fresh_process(tracked):
    program = """
        import sys
        import mlflow, numpy as np
        mlflow.set_tracking_uri(sys.argv[1])
        for uri in sys.argv[2:]:
            model = mlflow.pyfunc.load_model(uri)
            L = np.full((2, 3, 5, 1), 50.2, np.float32)
            out = model.predict({"L": L})
            assert np.array_equal(model.predict(L), out)
            print(out.shape, out.dtype, out.min(), out.max())
        print(model.metadata.signature.inputs, model.metadata.signature.outputs)
    """
    uris = [tracked.link["model_uri"], f"runs:/{tracked.id}/model"]
    command = [sys.executable, "-c", textwrap.dedent(program), tracked.link["tracking_uri"], *uris]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tracked.root)
    assert result.returncode == 0, result.stderr
    *answers, signature = result.stdout.splitlines()
    assert answers == ["(2, 3, 5, 3) uint8 100 100"] * 2
    assert "'L': Tensor('float32', (-1, -1, -1, 1))" in signature and "Tensor('uint8', (-1, -1, -1, 3))" in signature
    assert tracked.record.outputs.model_outputs[0].model_id == tracked.link["model_uri"].removeprefix("models:/")


@pytest.mark.parametrize(("state", "status"), [("failed", "FAILED"), ("killed", "KILLED")])
def test_other_ends_and_a_resumed_run(tracked, state, status):
    folder = RunFolder.create(tracked.folder.outputs, "quickstart", f"run-{state}")
    reports = track_in_two_parts(partial(MLflowSink, system_metrics=False), folder, state, "because")
    assert [report["state"] for report in reports] == ["complete"] * 2, reports
    (run_id,) = {report["run_id"] for report in reports}
    record = tracked.client.get_run(run_id)
    assert (record.info.status, record.data.tags["reason"]) == (status, "because")
    assert [m.value for m in tracked.client.get_metric_history(run_id, "loss")] == [0.0, 1.0]


def test_killed_between_any_two_calls_nothing_is_sent_twice_or_lost(tracked, run_of):
    folder = RunFolder.create(tracked.folder.outputs, "quickstart", "run-again")
    for step, loss in enumerate(LOSSES):
        folder.scalars(step, {"train/loss": loss, "learning_rate": 3e-5})
    folder.panel("validation", 2, tracked.picture)
    folder.panel("validation", 4, tracked.picture)
    folder.text("note", "# Hello")
    folder.accuracy(tracked.rows, 4)
    folder.status("running")
    sent: Counter[str] = Counter()
    steps = 0
    while True:  # each is killed one step later than the one before, whatever it was about to remember
        sink = MLflowSink(system_metrics=False)
        calls = hand_over(sink, run_of(folder), lambda: End("finished", None, {"psnr": 20.0}))
        steps += 1
        done = len(list(itertools.islice(calls, steps)))
        calls.close()
        sent += sink.sent
        if done < steps:
            break
    assert steps > 8
    assert (sent["runs"], sent["metrics"], sent["pictures"], sent["states"]) == (1, 11, 2, 1)
    record = tracked.client.get_run(sink.link["run_id"])
    assert record.info.status == "FINISHED"
    for name in ("train/loss", "learning_rate"):
        history = tracked.client.get_metric_history(record.info.run_id, name)
        assert sorted(metric.step for metric in history) == list(range(len(LOSSES)))
    assert record.data.metrics["summary/psnr"] == 20.0
    pictures = tracked.client.list_artifacts(record.info.run_id, "images")
    assert len([file for file in pictures if file.path.endswith(".png")]) == 2
    again = MLflowSink(system_metrics=False)
    info = replace(run_of(folder), over=True)
    assert "finish" in list(hand_over(again, info, lambda: End("finished", None, {"psnr": 20.0})))
    assert not +again.sent


def test_a_server_that_does_not_answer_leaves_the_folder_whole(folder, run, rows, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    start = time.monotonic()
    with followed_by(MLflowSink("http://me:secret@127.0.0.1:9"), folder, run) as lines:
        folder.scalars(100, {"loss": 1.5})
        folder.accuracy(rows, 100)
        assert time.monotonic() - start < 1
    (line,) = lines
    assert line.startswith("sink tracking is off (MlflowException in start: ")
    assert line.endswith("; the run folder holds everything")
    assert Run(folder.path).curves["loss"].values.tolist() == [1.5]
    assert len(Run(folder.path).accuracy_rows) == 2
    status = Run(folder.path).status
    assert (status["state"], status["sinks"]["sink"]["state"]) == ("finished", "off")
    assert "secret" not in json.dumps(status) + line


def test_a_failure_in_the_middle_does_not_leave_the_run_alive(tracked, run_of, monkeypatch):
    folder = RunFolder.create(tracked.folder.outputs, "quickstart", "run-broken")
    sink = MLflowSink(system_metrics_interval=0.1)
    with followed_by(sink, folder, run_of(folder)) as lines:
        folder.panel("p", 1, np.zeros((4, 4, 3), np.uint8))
        sink.scalars = None  # a fault in the sink itself
        folder.scalars(1, {"loss": 1.0})
    assert len(lines) == 1
    record = tracked.client.search_runs([tracked.link["experiment_id"]], "tags.run_id = 'run-broken'")[0]
    assert record.info.status == "FAILED"
    assert record.data.tags["tracking_incomplete"] == "true"


def test_an_existing_or_deleted_experiment_is_taken_up(tracked):
    outputs = tracked.folder.outputs
    uri = tracked.link["tracking_uri"]
    first = open_store(uri, outputs, "other").experiment_id
    tracked.client.delete_experiment(first)
    assert open_store(uri, outputs, "other").experiment_id == first
    assert tracked.client.get_experiment(first).lifecycle_stage == "active"
