"""A small run to track: its information, its scalars, its table and a picture."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from oldrestore.records.run import Run
from oldrestore.records.run_folder import ACCURACY_COLUMNS, RunFolder
from oldrestore.tracking.protocol import RunInfo, Sink
from oldrestore.tracking.tracker import Trackers

FINGERPRINT = "0123456789abcdef" * 4

CONFIG = {
    "seed": 3,
    "model": {"_target_": "oldrestore.models.eccv16.Eccv16", "width": 0.25, "weights": None},
    "loss": {"rebalance": {"lambda_": 0.5, "clamp": None}, "terms": [{"weight": 1.0}, {"weight": 0.1}]},
    "trainer": {"amp": False, "note": "x" * 7000},
}
CONFIG_YAML = "seed: 3\nmodel:\n  width: 0.25\n"

ROWS = [
    dict(zip(ACCURACY_COLUMNS[1:], values, strict=True))
    for values in (
        (40, 0.5, 0.95, 0.8, 40, 0.1 + 0.2, 0.7, 0.6, -2.0, -4.0),
        (80, 0.525, 0.9625, 0.8125, 80, 1 / 3, 0.75, 0.65, None, -1 / 3),
    )
]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "outputs"


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    return RunFolder.create(outputs, "quickstart", "20260101-120000-abcd")


@pytest.fixture
def rows() -> list[dict]:
    return [dict(row) for row in ROWS]


@pytest.fixture
def run(folder: RunFolder) -> RunInfo:
    return make_run(folder)


@pytest.fixture
def run_of() -> Callable[[RunFolder], RunInfo]:
    return make_run


def make_run(folder: RunFolder) -> RunInfo:
    def split(name: str, count: int) -> dict:
        return {"source": "photos", "split": name, "count": count, "fingerprint": name[0] + FINGERPRINT[1:]}

    return RunInfo(
        folder=folder.path,
        outputs=folder.outputs,
        run_id=folder.run_id,
        experiment=folder.experiment,
        config=CONFIG,
        config_yaml=CONFIG_YAML,
        overrides=["model.width=0.25", "experiments=quickstart"],
        provenance={"commit": "c0ffee", "dirty": True, "python": "3.11"},
        data={
            "train": split("train", 145),
            "val": split("val", 20),
            "judge": {"name": "lite0", "fingerprint": FINGERPRINT},
        },
        seed=3,
        choices={
            "model": "eccv16",
            "loss": "rebalanced_cross_entropy",
            "dataset@evaluation.judged": "labelled_photos",
        },
    )


@contextmanager
def followed_by(sink: Sink, folder: RunFolder, run: RunInfo, state: str = "finished", *reason: str, **end):
    """A run of which one sink is told; gives the lines that its trackers print."""
    lines: list[str] = []
    trackers = Trackers(folder, {"sink": sink}, warn=lines.append)
    trackers.start(run)
    yield lines
    trackers.finish(state, *reason, **end)


def track_in_two_parts(make_sink: Callable[[], Sink], folder: RunFolder, *end: str) -> list[dict]:
    """Track a run of one scalar that ends so, then its resumption; what the folder says of the sink each time."""
    reports = []
    for part in range(2):
        opened = RunFolder.open(folder.path) if part else folder
        with followed_by(make_sink(), opened, make_run(opened), *end):
            opened.scalars(part, {"loss": float(part)})
        reports.append(Run(folder.path).status["sinks"]["sink"])
    return reports


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
