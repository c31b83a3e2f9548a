"""What MLflow and VisualDL hold of a run, read back through their own clients."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from oldrestore.records.run import Run


@pytest.fixture(scope="module")
def logged(tracked_run):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tracked_run.parent.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    # Others may have run beside it: reproductions of it, for one.
    (run,) = client.search_runs([experiment.experiment_id], f"tags.run_id = '{tracked_run.name}'")
    return client, run


def test_params_tags_and_status(logged, tracked_run):
    _, run = logged
    assert run.data.params["model.width"] == "0.0625"
    assert run.data.params["loss.rebalance.lambda_"] == "0.5"
    assert run.data.tags["run_id"] == tracked_run.name
    assert run.info.status == "FINISHED"


def test_the_loss_curve_is_the_run_folders(logged, tracked_run):
    client, run = logged
    ours = Run(tracked_run).curves["train/loss"]
    theirs = sorted(client.get_metric_history(run.info.run_id, "train/loss"), key=lambda metric: metric.step)
    assert [metric.step for metric in theirs] == ours.iterations.tolist()
    assert [metric.value for metric in theirs] == ours.values.tolist()


def test_datasets_are_inputs_with_digests(logged, tracked_run):
    _, run = logged
    data = json.loads((tracked_run / "data.json").read_text())
    digests = {item.dataset.digest for item in run.inputs.dataset_inputs}
    assert data["train"]["fingerprint"][:36] in digests
    assert data["val"]["fingerprint"][:36] in digests


def test_table_and_images_are_artifacts(logged):
    client, run = logged
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "accuracy.csv", "per_image.csv", "images"} <= names
    assert any(name.endswith(".json") and "accuracy" in name for name in names)


def test_visualdl_reads_the_curve_and_the_panels(tracked_run):
    from visualdl import LogReader

    (file,) = (tracked_run / "visualdl").iterdir()
    reader = LogReader(file_path=str(file))
    ours = Run(tracked_run).curves["train/loss"]
    theirs = reader.get_data("scalar", "train/loss")
    assert [point.id for point in theirs] == ours.iterations.tolist()
    np.testing.assert_allclose([point.value for point in theirs], ours.values, rtol=1e-6)
    assert len(reader.get_data("image", "validation")) == 2


def test_the_pyfunc_model_colours_in_a_fresh_process(logged, tracked_run):
    _client, _run = logged
    program = (
        "import sys, json, numpy, mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(sys.argv[2])\n"
        "L = numpy.linspace(0, 100, 64 * 48, dtype='float32').reshape(1, 64, 48, 1)\n"
        "rgb = model.predict(L)\n"
        "print(json.dumps([str(rgb.dtype), list(rgb.shape), rgb[0].tolist()]))\n"
    )
    uri = f"sqlite:///{tracked_run.parent.parent / 'mlflow.db'}"
    model = json.loads((tracked_run / "status.json").read_text())["sinks"]["mlflow"]["model_uri"]
    done = subprocess.run([sys.executable, "-c", program, uri, model], capture_output=True, text=True, check=True)
    dtype, shape, rgb = json.loads(done.stdout.splitlines()[-1])
    assert (dtype, shape) == ("uint8", [1, 64, 48, 3])

    from oldrestore.evaluation.colorizer import Colorizer
    from oldrestore.evaluation.prediction import recolor
    from oldrestore.records.run import Run

    network = Run(tracked_run).network()
    L = np.linspace(0, 100, 64 * 48, dtype=np.float32).reshape(64, 48)
    here = recolor(L, Colorizer(network, 32, "shorter_side")([L])[0].ab_hw2)
    assert np.abs(np.array(rgb, int) - here).max() <= 1
