"""What tests of runs share: what a run recorded, whether two runs are the same, and a run that was stopped."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.run.run_in_progress import RunInProgress
from oldrestore.training.checkpoint import Checkpoint, load_checkpoint

SHORT = ["tracking=none", "evaluation.judged=null", "trainer.log_every=4", "trainer.checkpoint_every=2"]


def records(folder: Path) -> list[tuple[int, dict]]:
    """Every line of metrics.jsonl, times aside."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        (line["iteration"], {k: v for k, v in line["values"].items() if not k.startswith("time/")}) for line in lines
    ]


def last(folder: Path) -> Checkpoint:
    return load_checkpoint(folder / "checkpoints" / "last.safetensors")


def assert_same_tensors(ours: Checkpoint, theirs: Checkpoint) -> None:
    assert ours.tensors.keys() == theirs.tensors.keys()
    for name, value in theirs.tensors.items():
        np.testing.assert_array_equal(ours.tensors[name], value, err_msg=name)


def assert_same_run(folder: Path, whole: Path) -> None:
    """Compare all that does not depend on the clock."""
    assert records(folder) == records(whole)
    for name in ("per_image.csv", "accuracy.csv"):
        assert (folder / name).exists() == (whole / name).exists()
        if (whole / name).exists():
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
    for name in ("checkpoints", "samples"):
        assert sorted(p.name for p in (folder / name).glob("*")) == sorted(p.name for p in (whole / name).glob("*"))
    for path in (whole / "checkpoints").iterdir():
        ours, theirs = load_checkpoint(folder / "checkpoints" / path.name), load_checkpoint(path)
        assert_same_tensors(ours, theirs)
        for name in ("iteration", "best"):
            assert ours.state[name] == theirs.state[name]
    assert Run(folder).status["state"] == "finished"
    assert Run(folder).status["summary"] == Run(whole).status["summary"]


def mlflow_steps(outputs: Path, run_id: str) -> tuple[dict[str, list[int]], object]:
    """Steps of every metric of the only MLflow run with this run id, and its record."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    (record,) = client.search_runs([experiment.experiment_id], f"tags.run_id = '{run_id}'")
    steps = {
        name: sorted(metric.step for metric in client.get_metric_history(record.info.run_id, name))
        for name in record.data.metrics
    }
    return steps, record


def assert_trackers_have_each_step_once(folder: Path) -> None:
    from visualdl import LogReader

    curves = Run(folder).curves
    steps, record = mlflow_steps(folder.parent.parent, folder.name)
    assert record.info.status == "FINISHED"
    assert "reason" not in record.data.tags
    trained = {name: at for name, at in steps.items() if not name.startswith(("system/", "summary/"))}
    assert trained == {name: curve.iterations.tolist() for name, curve in curves.items()}
    assert all(max(Counter(at).values()) == 1 for at in steps.values())
    for name, value in Run(folder).status["summary"].items():
        assert record.data.metrics[f"summary/{name}"] == value
    (file,) = (folder / "visualdl").iterdir()
    reader = LogReader(file_path=str(file))
    for name, curve in curves.items():
        points = reader.get_data("scalar", name)
        assert [point.id for point in points] == curve.iterations.tolist()
        assert [point.value for point in points] == pytest.approx(curve.values.tolist(), rel=1e-6)
    panels = [point.id for point in reader.get_data("image", "validation")]
    assert panels == curves["val/loss"].iterations.tolist()


def stop_at(position: int, monkeypatch) -> None:
    """Have this process send itself SIGTERM when the batch of a position is built."""
    original = RunInProgress.make_batch

    def make_batch(run, rgb, names, at):
        if at == position:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(run, rgb, names, at)

    monkeypatch.setattr(RunInProgress, "make_batch", make_batch)


def stopped_run(workshop, monkeypatch, *overrides: str, at: int = 2) -> Path:
    before = set(workshop.outputs.glob("tiny/*"))
    stop_at(at, monkeypatch)
    with pytest.raises(SystemExit):
        main(["train", *workshop.arguments([*SHORT, *overrides])])
    monkeypatch.undo()
    (folder,) = set(workshop.outputs.glob("tiny/*")) - before
    assert Run(folder).status["state"] == "killed"
    return folder
