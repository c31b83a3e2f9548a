"""Sends a run to VisualDL: scalars, pictures, texts and hyper-parameters, in one file of the run folder."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
import os
import sys
import threading
import types
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from oldrestore.plain import flatten, plain
from oldrestore.records.notes import read_notes
from oldrestore.records.recorded import Panel, Scalars
from oldrestore.records.run_folder import ACCURACY_COLUMNS
from oldrestore.tables import markdown_table
from oldrestore.tracking.protocol import ModelPackage, RunInfo

# VisualDL reads files with "vdlrecords" in the name, and only the lexically last of a folder: with a fixed name, each
# run has one file.
FILE_NAME = "vdlrecords.oldrestore.log"
FOLDER = "visualdl"

_IMPORT_LOCK = threading.Lock()


def import_visualdl() -> types.ModuleType:
    """Import VisualDL without letting it write a folder ``.visualdl`` into the home directory.

    That is done by a function of ``visualdl.utils.dir`` that ``visualdl/__init__.py`` calls. An empty package of the
    same name makes that one module importable first; the function is replaced, and then the real package imported.
    """
    with _IMPORT_LOCK:
        if "visualdl" not in sys.modules:
            location = importlib.util.find_spec("visualdl")
            if location is None:
                raise ModuleNotFoundError("visualdl is not installed")
            stand_in = types.ModuleType("visualdl")
            stand_in.__path__ = list(location.submodule_search_locations)
            sys.modules["visualdl"] = stand_in
            try:
                importlib.import_module("visualdl.utils.dir").init_vdl_config = lambda: None
            finally:
                del sys.modules["visualdl"]
        visualdl = importlib.import_module("visualdl")
        # The writer's complaints belong on standard error. This shadows `print` in that one module.
        importlib.import_module("visualdl.writer.record_writer").print = functools.partial(print, file=sys.stderr)
        return visualdl


class VisualDLSink:
    """Writes ``RUN/visualdl/vdlrecords.oldrestore.log``.

    VisualDL keeps scalars as float32 and cannot draw what is not finite, so such points are left out; the run folder
    has every scalar in float64. The file of a killed process may lack steps or have steps that are repeated, and cannot
    be read back, so it is always rewritten from the beginning of the run folder. `link` has its `logdir`, for
    ``visualdl --logdir``.
    """

    gather_seconds = 1.0

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.link: dict[str, Any] = {}
        self._run: RunInfo | None = None
        self._writer: Any = None
        self._file: IO[bytes] | None = None
        self._table: list[dict[str, Any]] = []
        self._iteration = 0
        self._moving: set[str] = set()  # tags of scalars that have had two values
        self._constant: dict[str, list[tuple[int, float]]] = {}  # (iteration, value) of the others

    def start(self, run: RunInfo) -> None:
        """Open a new record file, and write the configuration as text."""
        visualdl = import_visualdl()
        self._run = run
        logdir = run.folder / FOLDER
        (logdir / FILE_NAME).unlink(missing_ok=True)
        # Its page shows runs by these names, and takes two runs of one name for one.
        shown = f"{run.experiment}/{run.name} ({run.run_id})"
        self._writer = visualdl.LogWriter(logdir=str(logdir), file_name=FILE_NAME, display_name=shown)
        # An open file tells at the end whether it is still the one in the folder.
        self._file = (logdir / FILE_NAME).open("ab")
        self.link = {"logdir": str(logdir)}
        self.text("config", run.config_yaml)
        if run.overrides:
            self.text("overrides", "\n".join(run.overrides))
        notes = read_notes(run.folder)
        if notes.tags or notes.note:
            self.text("notes", "\n\n".join(filter(None, (", ".join(notes.tags), notes.note))))

    def scalars(self, lines: Sequence[Scalars]) -> None:
        """Write the finite scalars; VisualDL shows them in the order in which their names first come.

        Those that have never changed (the originals' accuracy) wait for the end, so that they come last.
        """
        for line in lines:
            self._iteration = max(self._iteration, line.iteration)
            for name, value in line.values.items():
                if math.isfinite(value):
                    self._scalar(_tag(name), value, line.iteration)
                    self.sent["metrics"] += 1

    def _scalar(self, tag: str, value: float, iteration: int) -> None:
        points = [(iteration, value)]
        if tag not in self._moving:
            waiting = self._constant.setdefault(tag, [])
            waiting += points
            if value == waiting[0][1]:
                return
            self._moving.add(tag)
            points = self._constant.pop(tag)
        for at, point in points:
            self._writer.add_scalar(tag, point, at)

    def accuracy(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the table as Markdown text, as it was after each validation."""
        for trained, new in itertools.groupby(rows, key=lambda row: row["trained_iterations"]):
            self._table += new
            table = [[row.get(name) for name in ACCURACY_COLUMNS] for row in self._table]
            self._write_text("accuracy", markdown_table(ACCURACY_COLUMNS, table), trained)

    def panel(self, panel: Panel) -> None:
        """Write a picture of a series."""
        # A copy, because VisualDL multiplies in place what it takes for 0..1: an 8-bit picture without a value above 1,
        # which looks black and is written as black.
        picture = panel.rgb.copy() if panel.rgb.max(initial=0) > 1 else np.zeros_like(panel.rgb)
        self._writer.add_image(_tag(panel.name), picture, panel.iteration)
        self.sent["pictures"] += 1
        if panel.caption:
            self._write_text(f"{panel.name}/caption", panel.caption, panel.iteration)

    def text(self, name: str, content: str) -> None:
        """Write a note."""
        self._write_text(name, content, self._iteration)

    def model(self, package: ModelPackage) -> None:
        """Do nothing: VisualDL keeps no models."""

    def finish(self, state: str, reason: str | None, summary: Mapping[str, float]) -> None:
        """Write the hyper-parameters with the summary figures, the end of the run, and close the file."""
        for tag, points in self._constant.items():
            for at, point in points:
                self._writer.add_scalar(tag, point, at)
        finite = {_tag(f"summary/{name}"): v for name, v in summary.items() if math.isfinite(v)}
        self._writer.add_hparams(_hyper_parameters(self._run.config), list(finite))
        for tag, value in finite.items():
            self._writer.add_scalar(tag, value, self._iteration)
        ending = f"{state}: {reason}" if reason else state
        table = markdown_table(["figure", "value"], list(summary.items()))
        self._write_text("summary", f"{ending}\n\n{table}", self._iteration)
        self._writer.close()
        self._writer = None
        # VisualDL opens its file for each write, and begins a new one if it is gone.
        removed = os.fstat(self._file.fileno()).st_nlink == 0
        self._file.close()
        if removed:
            raise FileNotFoundError(f"{FOLDER}/{FILE_NAME} was removed during the run")

    def give_up(self) -> None:
        """After a failure: close the file, so that what was written can be read."""
        for open_file in (self._writer, self._file):
            if open_file is not None:
                open_file.close()

    def _write_text(self, name: str, content: str, iteration: int) -> None:
        self._writer.add_text(_tag(name), content, iteration)


def hide(folder: Path, hidden: bool = True) -> None:
    """Keep the file of a run in the trash from VisualDL's page, which looks into every folder; or show it again."""
    shown, away = (folder / FOLDER / name for name in (FILE_NAME, FILE_NAME.replace("vdlrecords", "hidden")))
    before, after = (shown, away) if hidden else (away, shown)
    if before.is_file() and not after.exists():
        before.rename(after)


def _tag(name: str) -> str:
    # VisualDL uses "%" for its own encoding of tags.
    return name.replace("%", "percent")


def _hyper_parameters(config: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Return the leaves of the configuration as the exact types that VisualDL takes."""
    parameters: dict[str, int | float | str] = flatten(plain(config))
    for name, value in parameters.items():
        if value is None or isinstance(value, bool):
            parameters[name] = "null" if value is None else str(value).lower()
        elif not isinstance(value, float | int) or (isinstance(value, int) and not -(2**31) <= value < 2**31):
            parameters[name] = str(value)  # an integer has 32 bits
    return parameters
