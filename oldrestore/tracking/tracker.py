"""The fan-out of what a run emits: from the run folder to its sinks."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from oldrestore.errors import sentence
from oldrestore.plain import encode_float
from oldrestore.records.run_folder import RunFolder, State
from oldrestore.tracking.lane import Lane
from oldrestore.tracking.protocol import ModelPackage, RunInfo, Tracker


class Trackers:
    """The run folder first, in the caller's thread; then every sink, each in a thread of its own.

    A slow sink never slows training: calls are queued without a limit in number and with one in memory
    (`Spool`). A sink that raises is switched off: one warning line says so, ``status.json`` keeps the reason
    under `sinks`, and the run goes on. The run folder is not guarded: if the truth cannot be written, the
    run must stop.

    Parameters
    ----------
    folder : RunFolder
        Where the run is recorded.
    sinks : mapping of name to Tracker
        May be empty.
    warn : callable
        Prints one line; standard error by default. The line also goes to ``log.txt``.
    patience : float
        Seconds that `finish` waits for sinks to catch up.
    """

    def __init__(
        self,
        folder: RunFolder,
        sinks: Mapping[str, Tracker] | None = None,
        warn: Callable[[str], None] | None = None,
        patience: float = 60.0,
    ) -> None:
        self.folder = folder
        self.patience = patience
        self._warn = warn or (lambda line: print(line, file=sys.stderr, flush=True))
        self._reports: dict[str, dict[str, Any]] = {name: {"state": "on"} for name in sinks or {}}
        self._lock = threading.Lock()
        self._closed = False
        self._lanes = {name: Lane(name, sink, self._switched_off) for name, sink in (sinks or {}).items()}

    def start(self, run: RunInfo) -> None:
        """Write what is known before training to the run folder, and start the sinks."""
        self.folder.write_config(run.config_yaml, run.overrides, run.choices)
        self.folder.write_provenance(run.provenance)
        self.folder.write_data(run.data)
        with self._lock:
            self.folder.status("running", sinks=self._reports)
        self._send("start", run)

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record named scalars of one iteration."""
        self.folder.scalars(iteration, values)
        self._send("scalars", int(iteration), {str(name): float(value) for name, value in values.items()})

    def accuracy(self, rows: Iterable[Mapping[str, Any]], trained_iterations: int) -> None:
        """Record an accuracy table, taken after `trained_iterations` of training."""
        rows = [dict(row) for row in rows]
        self.folder.accuracy(rows, trained_iterations)
        self._send("accuracy", rows, int(trained_iterations))

    def per_image(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Record scores of single images."""
        rows = [dict(row) for row in rows]
        self.folder.per_image(rows)
        self._send("per_image", rows)

    def panel(self, name: str, iteration: int, rgb: np.ndarray, caption: str = "") -> None:
        """Record a picture, uint8 (H, W, 3) sRGB, of the series `name`."""
        self.folder.panel(name, iteration, rgb, caption)
        self._send("panel", name, int(iteration), np.ascontiguousarray(rgb), caption)

    def text(self, name: str, content: str) -> None:
        """Record a note in Markdown."""
        self.folder.text(name, content)
        self._send("text", name, content)

    def log(self, line: str) -> None:
        """Record a printed line. It goes to the run folder only; sinks keep the file at the end."""
        self.folder.log(line)

    def model(self, package: ModelPackage) -> None:
        """Offer the trained model to the sinks; its files must stay in place until `finish` returns."""
        self._send("model", package)

    def finish(self, state: State, reason: str | None = None, summary: Mapping[str, float] | None = None) -> str | None:
        """End the run in the folder at once, then give the sinks `patience` seconds to catch up.

        A second call does nothing, so it may stand in a `finally`.

        Returns
        -------
        str or None
            Why the folder could not be written (the disk is full), in a few words; a run that had finished is then
            recorded nowhere, and its sinks are told that it failed.
        """
        if self._closed:
            return None
        self._closed = True
        summary = {name: float(value) for name, value in (summary or {}).items()}
        encoded = {name: encode_float(value) for name, value in summary.items()}
        problem = self._write_end(state, reason, summary=encoded, sinks=self._reports)
        if problem is not None and state == "finished":
            state, reason = "failed", problem
        self._send("finish", state, reason, summary)
        deadline = time.monotonic() + self.patience
        for name, lane in self._lanes.items():
            lane.join(max(0.0, deadline - time.monotonic()))
            self._report(name, lane)
        again = self._write_end(state, reason, sinks=self._reports)
        with self._lock:
            try:
                self.folder.close()
            except OSError as error:
                again = again or sentence(error)
        return problem or again

    def _write_end(self, state: State, reason: str | None, **extra: Any) -> str | None:
        try:
            with self._lock:
                self.folder.status(state, reason, **extra)
        except OSError as error:
            return sentence(error)
        return None

    def _report(self, name: str, lane: Lane) -> None:
        report: dict[str, Any] = dict(getattr(lane.sink, "link", None) or {})
        late = lane.is_busy
        with self._lock:
            if self._reports[name]["state"] == "on":
                waiting = f"did not finish within {self.patience:g} s"
                report |= {"state": "late", "reason": waiting} if late else {"state": "complete"}
                self._reports[name] = report
            else:
                self._reports[name] = {**report, **self._reports[name]}
                late = False
        if late:
            self._say(f"{name} tracking {waiting}; the run folder holds everything")
            lane.abandon()

    def _send(self, call: str, *arguments: Any) -> None:
        for lane in self._lanes.values():
            lane.send(call, arguments)

    def _switched_off(self, name: str, call: str, error: BaseException) -> None:
        reason = spoken_reason(call, error)
        short = reason if len(reason) <= 200 else reason[:199] + "…"
        with self._lock:
            if self._reports[name]["state"] != "on":
                return  # finish() has said that the sink is late; once is enough
            self._reports[name] = {"state": "off", "reason": reason}
            with contextlib.suppress(OSError):  # the run's own thread meets the same, and stops
                self.folder.status(self.folder.state, self.folder.reason, sinks=self._reports)
        self._say(f"{name} tracking is off ({short}); the run folder holds everything")

    def _say(self, line: str) -> None:
        self.folder.log(line)
        self._warn(line)


def spoken_reason(call: str, error: BaseException) -> str:
    """Return what went wrong in a call as one line, without the password that an address may hold."""
    words = re.sub(r"://[^/@\s]+@", "://", " ".join(str(error).split())) or "no message"
    return f"{type(error).__name__} in {call}: {words}"
