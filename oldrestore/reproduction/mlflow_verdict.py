"""Tells the MLflow run of a reproduction what it reproduced, and how that went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from oldrestore.records.run import Run
from oldrestore.run.sync import sync_run
from oldrestore.tracking.mlflow_store import open_store
from oldrestore.tracking.tracker import spoken_reason


def tell_mlflow(folder: Path, config: DictConfig, certificate: Mapping[str, Any]) -> str | None:
    """Send the certificate as a note, and the verdict with a link to the old run as tags.

    `folder` is the new run's, which has finished and has the certificate. Returns why it failed, if it did.
    """
    report = sync_run(folder, config)["mlflow"]
    if report.reason is not None:
        return report.reason
    link = Run(folder).status["sinks"]["mlflow"]
    tags = {
        "reproduction.verdict": certificate["verdict"],
        "reproduction.in_words": certificate["in_words"],
        "reproduction.of": certificate["run_id"],
        "reproduction.of_mlflow_run": certificate["mlflow_run_id"] or "",
        "reproduction.of_origin": certificate["origin"],
    }
    try:
        node = config.tracking.mlflow
        experiment = node.get("experiment") or config.experiment
        store = open_store(node.get("tracking_uri"), Path(config.outputs), experiment)
        for name, value in tags.items():
            if value:
                store.patiently(store.client.set_tag, link["run_id"], name, str(value)[:5000])
    # Whatever a tracking service does wrong must not change the verdict.
    except Exception as error:  # noqa: BLE001
        return spoken_reason("set_tag", error)
    return None
