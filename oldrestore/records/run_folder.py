"""The run folder: everything a run says about itself, exact, append-only and safe against crashes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil

from oldrestore.errors import UserError, in_words
from oldrestore.files import LineFile, whole_lines, write_atomically
from oldrestore.plain import encode_float, plain
from oldrestore.records.liveness import process_ticks
from oldrestore.records.parsing import read_json, write_quick_copy
from oldrestore.tables import csv_table

State = Literal["running", "finished", "failed", "killed"]

ACCURACY_COLUMNS = (
    "trained_iterations",
    "iteration",
    "iter_accuracy",
    "orig_accuracy",
    "gray_accuracy",
    "n",
    "iter_probability",
    "orig_probability",
    "gray_probability",
    "gap_closed",
    "gap_closed_probability",
)
PER_IMAGE_COLUMNS = ("trained_iterations", "set", "image", "metric", "value", "weight")


class RunFolder:
    """Writes one run folder, ``outputs/EXPERIMENT/RUN_ID/``.

    Use `create` for a new run and `open` for one that is resumed. Only one process writes; any number may read at the
    same time, with `oldrestore.records.run.Run`.

    Files written here, beside what other parts put into the folder:

    - ``config.yaml``, ``overrides.yaml``, ``choices.yaml``, ``config.json`` (`write_quick_copy`),
      ``provenance.json``, ``data.json``, ``status.json``: atomically.
    - ``metrics.jsonl``: one line a call of `scalars`,
      ``{"iteration": 100, "time": 34.1, "values": {"train/loss": 4.7249}}``; `time` is seconds of the run so
      far (a run that is resumed counts on), values are float64 that read back to the same bits, and what is
      not finite stands as ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
    - ``accuracy.csv``, ``per_image.csv``: rows appended, each call in one write.
    - ``baselines.csv``: what needs no network, scored on the same photographs (`oldrestore.evaluation.baselines`).
    - ``notes.json``: tags and a note that a person wrote (`oldrestore.records.notes`).
    - ``samples/NAME-ITERATION.png``, ``texts/NAME.md``, ``log.txt``.

    What a resumed run trains again is taken out of these files first (`oldrestore.run.progress.set_aside`).
    """

    def __init__(self, path: Path, outputs: Path) -> None:
        self.path = Path(path).absolute()
        self.outputs = Path(outputs).absolute()
        self.run_id = self.path.name
        self.experiment = self.path.parent.relative_to(self.outputs).as_posix()
        self._start = time.monotonic()
        self._metrics = LineFile(self.path / "metrics.jsonl")
        self._accuracy = LineFile(self.path / "accuracy.csv")
        self._per_image = LineFile(self.path / "per_image.csv")
        self._log = LineFile(self.path / "log.txt")
        self._status: dict[str, Any] = {}

    @classmethod
    def create(cls, outputs: Path, experiment: str, run_id: str, made: bool = False) -> RunFolder:
        """Create ``outputs/experiment/run_id``; `UserError` if it exists, or if a name would lead out of `outputs`.

        With `made`, the folder was created for this run before.
        """
        for kind, name in (("experiment", experiment), ("run id", run_id)):
            parts = Path(name).parts
            if not parts or Path(name).is_absolute() or ".." in parts or name != name.strip():
                raise UserError(f"the {kind} {name!r} does not name a folder under {outputs}")
        path = Path(outputs).absolute() / experiment / run_id
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(exist_ok=made)
        except FileExistsError:
            raise UserError(f"the run folder {path} exists already; every run needs its own run id") from None
        except OSError as error:
            raise UserError(f"no run folder can be made at {path} ({in_words(error)}); name another outputs") from None
        return cls(path, outputs)

    @classmethod
    def open(cls, path: Path, outputs: Path | None = None) -> RunFolder:
        """Open an existing run folder to add to it; `outputs` is two levels up by default."""
        path = Path(path).absolute()
        if not (path / "status.json").exists() and not (path / "config.yaml").exists():
            raise UserError(f"{path} is not a run folder: it has neither status.json nor config.yaml")
        folder = cls(path, outputs or path.parent.parent)
        # A status that is missing, or that a power cut has emptied, must not prevent resuming.
        with contextlib.suppress(UserError):
            folder._status = read_json(path / "status.json")
        folder._start -= _seconds_recorded(path / "metrics.jsonl")
        return folder

    def marks(self) -> dict[str, int]:
        """Force every record to the disk, and return the length in bytes of each file of records.

        A checkpoint keeps these lengths: a resumed run trains again what was written beyond them.
        """
        return {file.path.name: file.sync() for file in (self._metrics, self._accuracy, self._per_image)}

    def write_config(
        self, config_yaml: str, overrides: Sequence[str], choices: Mapping[str, str] | None = None
    ) -> None:
        """Write the resolved configuration, what the user typed as a YAML list, and what each group chose."""
        write_atomically(self.path / "config.yaml", config_yaml)
        # A JSON string is a YAML string, whatever is in it.
        lines = [f"- {json.dumps(str(override), ensure_ascii=False)}\n" for override in overrides]
        write_atomically(self.path / "overrides.yaml", "".join(lines) or "[]\n")
        if choices:
            chosen = "".join(f"{group}: {json.dumps(choice)}\n" for group, choice in sorted(choices.items()))
            write_atomically(self.path / "choices.yaml", chosen)
        write_quick_copy(self.path)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write `content` as strict, indented JSON to the file `name`, atomically."""
        text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.path / name, text + "\n")

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Append one line to ``metrics.jsonl``; `TypeError` names a value that is no number."""
        encoded = {}
        for name, value in values.items():
            try:
                encoded[str(name)] = encode_float(value)
            except TypeError as error:
                raise TypeError(f"scalar {name!r} at iteration {iteration}: {error}") from None
        seconds = round(time.monotonic() - self._start, 3)
        line = {"iteration": int(iteration), "time": seconds, "values": encoded}
        self._metrics.append(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")

    def accuracy(self, rows: Iterable[Mapping[str, Any]], trained_iterations: int) -> None:
        """Append rows to ``accuracy.csv`` (columns: `ACCURACY_COLUMNS`).

        A row's `iteration` counts the images judged so far, `trained_iterations` the iterations of training.
        """
        rows = [{"trained_iterations": int(trained_iterations), **row} for row in rows]
        self._append_rows(self._accuracy, ACCURACY_COLUMNS, rows)

    def per_image(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows to ``per_image.csv`` (columns: `PER_IMAGE_COLUMNS`).

        `weight`, 1 by default, is the value's weight in a mean over the set.
        """
        self._append_rows(self._per_image, PER_IMAGE_COLUMNS, [{"weight": 1.0, **row} for row in rows])

    def panel(self, name: str, iteration: int, rgb: np.ndarray, caption: str = "") -> Path:
        """Write a picture to ``samples/NAME-ITERATION.png`` and return its path.

        The name is of the series, such as ``validation``; "/" becomes "-". The picture is uint8 sRGB (H, W, 3), and its
        file keeps the caption as its description.
        """
        from PIL import Image, PngImagePlugin

        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"a panel is uint8 (H, W, 3), not {rgb.dtype} {rgb.shape}")
        description = PngImagePlugin.PngInfo()
        description.add_itxt("Description", caption)
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, format="png", pnginfo=description)
        path = self.path / "samples" / f"{name.replace('/', '-')}-{iteration:06d}.png"
        write_atomically(path, buffer.getvalue())
        return path

    def write_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write rows of equal keys to ``NAME.csv``, atomically, and return its path."""
        path = self.path / f"{name.replace('/', '-')}.csv"
        write_atomically(path, csv_table(plain(rows)))
        return path

    def text(self, name: str, content: str) -> Path:
        """Write a note to ``texts/NAME.md`` and return its path."""
        path = self.path / "texts" / f"{name.replace('/', '-')}.md"
        write_atomically(path, content if content.endswith("\n") else content + "\n")
        return path

    def log(self, line: str) -> None:
        """Append what was printed to ``log.txt``; a failure is ignored, since the line is on the screen already."""
        with contextlib.suppress(OSError):
            self._log.append(line.rstrip("\n") + "\n")

    def status(self, state: State, reason: str | None = None, **extra: Any) -> None:
        """Write ``status.json``: the state, its times, the reason, and the process; earlier `extra` entries are kept.

        A process that is killed with -9 leaves "running" behind; `pid`, `host` and the start of the process let a
        reader tell (`liveness.is_alive`).
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        started = self._status.get("started", now)
        self._status = {
            **self._status,
            "state": state,
            "reason": reason,
            "started": started,
            # The clock may have been set back meanwhile.
            "ended": None if state == "running" else self._status.get("ended") or max(started, now),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process_started": psutil.Process().create_time(),
            "process_ticks": process_ticks(os.getpid()),
            "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
            **extra,
        }
        self.write_json("status.json", self._status)

    def update_status(self, **extra: Any) -> None:
        """Add entries to ``status.json`` and leave the state and the process as they are."""
        self._status = {**self._status, **extra}
        self.write_json("status.json", self._status)

    def close(self) -> None:
        """Force every file to the disk and close it; the folder can be written again afterwards."""
        for file in (self._metrics, self._accuracy, self._per_image, self._log):
            file.close()

    def _append_rows(self, file: LineFile, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        file.append(csv_table(plain(rows), columns, with_headings=file.is_empty))


def _seconds_recorded(path: Path) -> float:
    """Return the time of the last whole line of ``metrics.jsonl``; 0 if there is none."""
    lines = whole_lines(path)
    try:
        return float(json.loads(lines[-1])["time"]) if lines else 0.0
    except (ValueError, KeyError, TypeError):
        return 0.0  # readers say which line is damaged
