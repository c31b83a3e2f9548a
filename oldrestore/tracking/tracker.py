"""The trackers of a run under way: each follows the run folder in a thread of its own, and none can hold up the run."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oldrestore.errors import sentence
from oldrestore.plain import encode_float
from oldrestore.records.run_folder import RunFolder, State
from oldrestore.records.tail import Tail
from oldrestore.tracking.protocol import End, ModelPackage, RunInfo, Sink


def hand_over(sink: Sink, run: RunInfo, wait: Callable[[], End | None]) -> Iterator[str]:
    """Send a run folder to a sink until the run has ended and everything is sent.

    Yields the name of the next call; whoever asks for no more ends it. `wait` is called before each look at the folder,
    and returns how the run ended once it has.
    """
    yield "start"
    sink.start(run)
    tail, end = Tail(run.folder), None
    while end is None:
        end = wait()
        yield "scalars"
        for lines in tail.scalars():
            sink.scalars(lines)
            yield "scalars"
        yield "panel"
        for panel in tail.panels():
            sink.panel(panel)
            yield "panel"
        yield "text"
        for name, content in tail.texts():
            sink.text(name, content)
            yield "text"
        yield "accuracy"
        if rows := tail.accuracy():
            sink.accuracy(rows)
    if end.model is not None:
        yield "model"
        sink.model(end.model)
    yield "finish"
    sink.finish(end.state, end.reason, end.summary)


class Follower:
    """One sink, and the thread in which it follows a run folder that grows.

    `switched_off` is called with (name, call, error) if the sink raises; the sink is then called no more. `done` is set
    once the sink has everything, or has failed. With `is_abandoned`, the call under way is the sink's last.
    """

    def __init__(
        self, name: str, sink: Sink, run: RunInfo, switched_off: Callable[[str, str, BaseException], None]
    ) -> None:
        self.name = name
        self.sink = sink
        self.done = threading.Event()
        self.is_abandoned = False
        self._run = run
        self._switched_off = switched_off
        self._end: End | None = None
        self._over = threading.Event()
        # A daemon: a sink that hangs in the network must not keep the process from ending.
        threading.Thread(target=self._follow, name=f"sink-{name}", daemon=True).start()

    def end(self, end: End) -> None:
        """Say that the folder is complete."""
        self._end = end
        self._over.set()

    def _follow(self) -> None:
        def wait() -> End | None:
            return self._end if self._over.wait(self.sink.gather_seconds) else None

        calls, call = hand_over(self.sink, self._run, wait), "start"
        try:
            while call is not None and not self.is_abandoned:
                call = next(calls, None)
        # Whatever a tracking service does wrong, even a call of sys.exit, must not reach the run.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._switched_off(self.name, call, error)
            with contextlib.suppress(Exception):  # it has failed already: a failure to tidy up adds nothing
                self.sink.give_up()
        finally:
            self.done.set()


class Trackers:
    """Sinks that follow the run folder, and what became of them.

    The run writes its folder and waits for nobody. A sink that raises is switched off: one line to `warn` (standard
    error by default) and to ``log.txt`` says so, ``status.json`` keeps the reason under `sinks`, and the run goes on.
    The run folder is not guarded: if the truth cannot be written, the run must stop. `finish` waits `patience` seconds
    for sinks to catch up.
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
        returns. Returns None, or why the folder could not be written (the disk is full): a run that had finished is
        then recorded nowhere, and its sinks are told that it failed.
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
            follower.done.wait(max(0.0, deadline - time.monotonic()))
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
        late = not follower.done.is_set()
        with self._lock:
            report = self._reports[follower.name]
            if report["state"] == "on":
                waiting = f"did not finish within {self.patience:g} s"
                report = {"state": "late", "reason": waiting} if late else {"state": "complete"}
            else:
                late = False
            self._reports[follower.name] = {**follower.sink.link, **report}
        if late:
            self._say(f"{follower.name} tracking {waiting}; the run folder holds everything")
            follower.is_abandoned = True

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
