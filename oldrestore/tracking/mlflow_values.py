"""What an MLflow run has, and names, parameters, tags, cells and datasets as MLflow takes them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from oldrestore.config.plugins import in_words, recorded_in
from oldrestore.plain import encode_float, plain
from oldrestore.records.notes import Notes
from oldrestore.tracking.mlflow_moved import RUN_FOLDER_TAG
from oldrestore.tracking.mlflow_store import Store
from oldrestore.tracking.protocol import RunInfo

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# MLflow's own limits (mlflow.utils.validation).
LONGEST_VALUE = 6000
LONGEST_NAME = 250
LONGEST_DIGEST = 36
LONGEST_TAG = 5000
FILES_TAG = "oldrestore.files"  # the files that the server was sent: it holds for any store and from any machine
_PICTURE = re.compile(r"images/(?P<key>.+?)[+%]step[+%](?P<step>\d+)[+%].*\.png")


def tags(run: RunInfo) -> dict[str, str]:
    """Return the tags of a run that are not empty."""
    commit = str(run.provenance.get("commit") or "")
    protocol = run.data.get("protocol") or {}
    values = {
        "run_id": run.run_id,
        "experiment": run.experiment,
        "design": run.design,
        "commit": commit,
        "dirty": param(run.provenance.get("dirty")),
        "plugins": "; ".join(f"{p['name']} ({in_words(p)})" for p in recorded_in(run.provenance)),
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
    return {name: str(value)[:LONGEST_VALUE] for name, value in values.items() if str(value)}


def note_tags(notes: Notes) -> dict[str, str]:
    """Return what a person wrote about a run as MLflow's tags, if it is not empty; the note is MLflow's description."""
    archived = "true" if notes.archived else ""
    values = {"tags": ", ".join(notes.tags), "archived": archived, "mlflow.note.content": notes.note or ""}
    return {name: value[:LONGEST_TAG] for name, value in values.items() if value}


def dataset_inputs(data: Mapping[str, Mapping[str, Any]]) -> list[DatasetInput]:
    """Return the photographs of each split as MLflow's dataset inputs."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for context, split in data.items():
        if not isinstance(split, Mapping) or not {"source", "fingerprint"} <= split.keys():
            continue  # not photographs: the judge is described there, too
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
    """Return the name of a metric, parameter or picture as MLflow takes it."""
    return re.sub(r"[^\w\-. :/]", "_", str(name), flags=re.ASCII)[:LONGEST_NAME]


def param(value: Any) -> str:
    """Return a setting as it would be typed in an override: null, true, 0.1."""
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def cell(value: Any) -> Any:
    """Return a value as a cell of a table, which may be null but not NaN."""
    if isinstance(value, (float, np.floating)):
        number = encode_float(value)
        return number if isinstance(number, float) else None
    return plain(value)


@dataclass
class Logged:
    """What an MLflow run has of a run folder, so that nothing is sent twice and nothing is left out."""

    steps: dict[str, set[int]] = field(default_factory=dict)  # of each metric, as the server had them at the start
    pictures: set[tuple[str, int]] = field(default_factory=set)  # series and step
    files: dict[str, str] = field(default_factory=dict)  # artifact path to what begins the sha256 of what was sent

    def lacks_file(self, name: str, content: bytes) -> bool:
        """Say whether a file of this name and content is missing, and note that it is there from now on."""
        digest = hashlib.sha256(content).hexdigest()[:16]
        lacks = self.files.get(name) != digest
        self.files[name] = digest
        return lacks

    def files_tag(self) -> str:
        """Text of the tag; files that it has no room for are sent again another time."""
        kept = dict(self.files)
        while len(text := json.dumps(kept, separators=(",", ":"))) > LONGEST_TAG:
            kept.popitem()
        return text


def read_logged(store: Store, run_id: str) -> Logged:
    """Ask the server what a run has; system metrics, which the run folder lacks, are left out."""
    record = store.patiently(store.client.get_run, run_id)
    logged = Logged()
    for name in record.data.metrics:
        if not name.startswith("system/"):
            history = store.patiently(store.client.get_metric_history, run_id, name)
            logged.steps[name] = {metric.step for metric in history}
    for artifact in store.patiently(store.client.list_artifacts, run_id, "images"):
        picture = _PICTURE.fullmatch(artifact.path)
        if picture:
            logged.pictures.add((picture["key"], int(picture["step"])))
    try:
        files = dict(json.loads(record.data.tags.get(FILES_TAG, "{}")))
    except ValueError:
        files = {}
    # The files may be missing if the store was moved without them.
    present: set[str] = set()
    for folder in {name.rpartition("/")[0] for name in files}:
        present |= {item.path for item in store.patiently(store.client.list_artifacts, run_id, folder or None)}
    logged.files = {name: digest for name, digest in files.items() if name in present}
    return logged
