"""What MLflow can hold: names, parameters, tags, cells and data sets as it takes them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from oldrestore.plain import encode_float, plain
from oldrestore.tracking.mlflow_moved import RUN_FOLDER_TAG
from oldrestore.tracking.protocol import RunInfo

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# MLflow's own limits (mlflow.utils.validation).
LONGEST_VALUE = 6000
LONGEST_NAME = 250
LONGEST_DIGEST = 36


def tags(run: RunInfo) -> dict[str, str]:
    """Return the tags of a run; those that would be empty are left out."""
    commit = str(run.provenance.get("commit") or "")
    protocol = run.data.get("protocol") or {}
    found = {
        "run_id": run.run_id,
        "experiment": run.experiment,
        "commit": commit,
        "dirty": param(run.provenance.get("dirty")),
        "seed": param(run.seed),
        "protocol": param(protocol.get("name") or ""),
        "protocol.version": param(protocol["version"]) if protocol.get("version") else "",
        "protocol.hash": param(protocol.get("hash") or ""),
        "protocol.changed": ", ".join(protocol.get("changed") or ()),
        RUN_FOLDER_TAG: str(run.folder),
        "mlflow.source.name": "oldrestore",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        "mlflow.user": os.environ.get("USER") or os.environ.get("LOGNAME") or "",
    }
    return {name: str(value)[:LONGEST_VALUE] for name, value in found.items() if str(value)}


def dataset_inputs(data: Mapping[str, Mapping[str, Any]]) -> list[DatasetInput]:
    """Return the photographs of each split as MLflow's dataset inputs."""
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


def name_of(name: str) -> str:
    """Return a metric's, parameter's or picture's name as MLflow takes it."""
    return re.sub(r"[^\w\-. :/]", "_", str(name), flags=re.ASCII)[:LONGEST_NAME]


def param(value: Any) -> str:
    """Return a setting as it would be typed in an override: null, true, 0.1."""
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def cell(value: Any) -> Any:
    """Return a value as a cell of a table, which knows null and not NaN."""
    if isinstance(value, (float, np.floating)):
        number = encode_float(value)
        return number if isinstance(number, float) else None
    return plain(value)
