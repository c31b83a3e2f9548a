"""What an MLflow run holds already of a run folder: so that nothing is sent twice and nothing is left out."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field

from oldrestore.tracking.mlflow_store import Store

# The server itself remembers which files it was sent, so that this holds for any store and from any machine.
FILES_TAG = "oldrestore.files"
LONGEST_TAG = 5000
_PICTURE = re.compile(r"images/(?P<key>.+?)[+%]step[+%](?P<step>\d+)[+%]")


@dataclass
class Held:
    """Steps, pictures and files of an MLflow run.

    Attributes
    ----------
    steps : dict of set of int
        Steps of each metric.
    pictures : set of (str, int)
        Series and step of each picture.
    files : dict of str
        Artifact path to the beginning of the sha256 of what was sent.
    """

    steps: dict[str, set[int]] = field(default_factory=dict)
    pictures: set[tuple[str, int]] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)

    def lacks_step(self, name: str, step: int) -> bool:
        """Say whether a metric had no such step when the server was asked."""
        return step not in self.steps.get(name, ())

    def takes_picture(self, key: str, step: int) -> bool:
        """Say whether a series lacks a picture, which is then taken to be there."""
        if (key, step) in self.pictures:
            return False
        self.pictures.add((key, step))
        return True

    def takes_file(self, name: str, content: bytes) -> bool:
        """Say whether a file of this name and content is missing, which is then taken to be there."""
        digest = hashlib.sha256(content).hexdigest()[:16]
        if self.files.get(name) == digest:
            return False
        self.files[name] = digest
        return True

    def files_tag(self) -> str:
        """Text of the tag; files that have no room in it are sent again another time."""
        kept = dict(self.files)
        while len(text := json.dumps(kept, separators=(",", ":"))) > LONGEST_TAG:
            kept.popitem()
        return text


def read_held(store: Store, run_id: str) -> Held:
    """Ask the server what it holds; system metrics, which the run folder has not, are left out."""
    record = store.patiently(store.client.get_run, run_id)
    held = Held()
    for name in record.data.metrics:
        if not name.startswith("system/"):
            history = store.patiently(store.client.get_metric_history, run_id, name)
            held.steps[name] = {metric.step for metric in history}
    for artifact in store.patiently(store.client.list_artifacts, run_id, "images"):
        found = _PICTURE.match(artifact.path)
        if found and artifact.path.endswith(".png"):
            held.pictures.add((found["key"], int(found["step"])))
    try:
        files = dict(json.loads(record.data.tags.get(FILES_TAG, "{}")))
    except ValueError:
        files = {}
    # A store that was carried elsewhere may have left its files behind.
    there: set[str] = set()
    for folder in {name.rpartition("/")[0] for name in files}:
        there |= {item.path for item in store.patiently(store.client.list_artifacts, run_id, folder or None)}
    held.files = {name: digest for name, digest in files.items() if name in there}
    return held
