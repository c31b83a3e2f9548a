"""The trackers of a run under way: one follower of the run folder for each, none of which can hold up the run."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from oldrestore.errors import sentence
from oldrestore.plain import encode_float
from oldrestore.records.run_folder import RunFolder, State
from oldrestore.tracking.follower import Follower
from oldrestore.tracking.protocol import End, ModelPackage, RunInfo, Sink


class Trackers:
    """Sinks that follow the run folder, each in a thread of its own, and what became of them.

    The run writes its folder and waits for nobody. A sink that raises is switched off: one warning line says so,
    ``status.json`` keeps the reason under `sinks`, and the run goes on. The run folder is not guarded: if the truth
    cannot be written, the run must stop.

    Parameters
    ----------
    folder : RunFolder
        Where the run is recorded.
    sinks : mapping of name to Sink
        May be empty.
    warn : callable
        Prints one line; standard error by default. The line also goes to ``log.txt``.
    patience : float
        Seconds that `finish` waits for sinks to catch up.
    """

    def __init__(
        self,
        folder: RunFolder,
        sinks: Mapping[str, Sink] | None = None,
        warn: Callable[[str], None] | None = None,
        patience: float = 60.0,
    ) -> None:
        self.folder = folder
        self.patience = patience
        self._sinks = dict(sinks or {})
        self._warn = warn or (lambda line: print(line, file=sys.stderr, flush=True))
        self._reports: dict[str, dict[str, Any]] = {name: {"state": "on"} for name in self._sinks}
        self._lock = threading.Lock()
        self._closed = False
        self._followers: list[Follower] = []

    def start(self, run: RunInfo) -> None:
        """Write what is known before training to the run folder, and have the sinks follow it."""
        self.folder.write_config(run.config_yaml, run.overrides, run.choices)
        self.folder.write_json("provenance.json", run.provenance)
        self.folder.write_json("data.json", run.data)
        with self._lock:
            self.folder.status("running", sinks=self._reports)
        self._followers = [Follower(name, sink, run, self._switched_off) for name, sink in self._sinks.items()]

    def finish(
        self,
        state: State,
        reason: str | None = None,
        summary: Mapping[str, float] | None = None,
        model: ModelPackage | None = None,
    ) -> str | None:
        """End the run in the folder at once, then give the sinks `patience` seconds to catch up.

        A second call does nothing, so it may stand in a `finally`. The files of the model must stay in place until this
        returns.

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
        for follower in self._followers:
            follower.end(End(state, reason, summary, model))
        deadline = time.monotonic() + self.patience
        for follower in self._followers:
            follower.join(max(0.0, deadline - time.monotonic()))
            self._report(follower)
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

    def _report(self, follower: Follower) -> None:
        late = follower.is_busy
        with self._lock:
            report = self._reports[follower.name]
            if report["state"] == "on":
                waiting = f"did not finish within {self.patience:g} s"
                report = {"state": "late", "reason": waiting} if late else {"state": "complete"}
            else:
                late = False
            self._reports[follower.name] = {**follower.link, **report}
        if late:
            self._say(f"{follower.name} tracking {waiting}; the run folder holds everything")
            follower.abandon()

    def _switched_off(self, name: str, call: str, error: BaseException) -> None:
        reason = spoken_reason(call, error)
        short = reason if len(reason) <= 200 else reason[:199] + "…"
        with self._lock:
            if self._reports[name]["state"] != "on":
                return  # finish() has said that the sink is late; once is enough
            self._reports[name] = {"state": "off", "reason": reason}
            with contextlib.suppress(OSError):  # the run's own thread meets the same, and stops
                self.folder.update_status(sinks=self._reports)
        self._say(f"{name} tracking is off ({short}); the run folder holds everything")

    def _say(self, line: str) -> None:
        self.folder.log(line)
        self._warn(line)


def spoken_reason(call: str, error: BaseException) -> str:
    """Return what went wrong in a call as one line, without the password that an address may hold."""
    words = re.sub(r"://[^/@\s]+@", "://", " ".join(str(error).split())) or "no message"
    return f"{type(error).__name__} in {call}: {words}"
