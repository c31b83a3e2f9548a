"""What trackers hold of a run, read back through their own clients."""

import json
import subprocess
import sys

import numpy as np

from oldrestore.evaluation.colorizer import Colorizer
from oldrestore.evaluation.prediction import recolor
from oldrestore.records.run import Run
from tests.run.same_run import assert_trackers_have_each_step_once, mlflow_steps


def test_curves_settings_datasets_and_files_are_logged_once(tracked_run):
    from mlflow import MlflowClient

    assert_trackers_have_each_step_once(tracked_run)
    record = mlflow_steps(tracked_run.parent.parent, tracked_run.name)[1]
    assert record.data.params["model.width"] == "0.0625"
    assert record.data.params["loss.rebalance.lambda_"] == "0.5"
    data = Run(tracked_run).data
    digests = {item.dataset.digest for item in record.inputs.dataset_inputs}
    assert {data["train"]["fingerprint"][:36], data["val"]["fingerprint"][:36]} <= digests
    tags, protocol = record.data.tags, data["protocol"]
    assert (tags["protocol"], tags["protocol.version"], tags["protocol.hash"]) == ("photos", "1", protocol["hash"])
    assert tags["protocol.changed"] == ", ".join(protocol["changed"])
    client = MlflowClient(tracking_uri=f"sqlite:///{tracked_run.parent.parent / 'mlflow.db'}")
    names = {artifact.path for artifact in client.list_artifacts(record.info.run_id)}
    assert {"config.yaml", "accuracy.csv", "per_image.csv", "images"} <= names
    assert any(name.endswith(".json") and "accuracy" in name for name in names)


def test_the_pyfunc_model_colours_in_a_fresh_process(tracked_run):
    program = (
        "import sys, json, numpy, mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(sys.argv[2])\n"
        "L = numpy.linspace(0, 100, 64 * 48, dtype='float32').reshape(1, 64, 48, 1)\n"
        "rgb = model.predict(L)\n"
        "print(json.dumps([str(rgb.dtype), list(rgb.shape), rgb[0].tolist()]))\n"
    )
    uri = f"sqlite:///{tracked_run.parent.parent / 'mlflow.db'}"
    model = Run(tracked_run).status["sinks"]["mlflow"]["model_uri"]
    done = subprocess.run([sys.executable, "-c", program, uri, model], capture_output=True, text=True, check=True)
    dtype, shape, rgb = json.loads(done.stdout.splitlines()[-1])
    assert (dtype, shape) == ("uint8", [1, 64, 48, 3])
    network = Run(tracked_run).network()
    L = np.linspace(0, 100, 64 * 48, dtype=np.float32).reshape(64, 48)
    here = recolor(L, Colorizer(network, 32, "shorter_side")([L])[0].ab_hw2)
    assert np.abs(np.array(rgb, int) - here).max() <= 1
