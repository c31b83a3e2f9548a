"""Hands a run folder to a sink: while the run writes it, in a thread of its own, or once it is over."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from oldrestore.records.tail import Tail
from oldrestore.tracking.protocol import End, RunInfo, Sink


def hand_over(sink: Sink, run: RunInfo, wait: Callable[[], End | None]) -> Iterator[str]:
    """Tell a sink what stands in a run folder, until the run is over and all of it was told.

    Parameters
    ----------
    sink : Sink
    run : RunInfo
    wait : callable
        Waits before each look at the folder; returns how the run ended, once it has.

    Yields
    ------
    str
        What is done next; whoever does not ask for more ends it.
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

    Parameters
    ----------
    name : str
        For messages and the thread.
    sink : Sink
    run : RunInfo
    switched_off : callable
        Told (name, call, error) when the sink raised, and is told nothing more.
    """

    def __init__(
        self, name: str, sink: Sink, run: RunInfo, switched_off: Callable[[str, str, BaseException], None]
    ) -> None:
        self.name = name
        self.sink = sink
        self._run = run
        self._switched_off = switched_off
        self._end: End | None = None
        self._over = threading.Event()
        self._done = threading.Event()
        self._is_abandoned = False
        # A daemon: a sink that hangs in the network must not keep the process from ending.
        threading.Thread(target=self._follow, name=f"sink-{name}", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        """Whether the sink has not yet taken everything."""
        return not self._done.is_set()

    @property
    def link(self) -> dict[str, Any]:
        """Where the sink's record is."""
        return dict(self.sink.link)

    def end(self, end: End) -> None:
        """Say that the folder is complete."""
        self._end = end
        self._over.set()

    def join(self, seconds: float) -> None:
        """Wait until the sink has taken everything, so long at most."""
        self._done.wait(seconds)

    def abandon(self) -> None:
        """Let the call under way be the sink's last."""
        self._is_abandoned = True

    def _wait(self) -> End | None:
        return self._end if self._over.wait(self.sink.gather_seconds) else None

    def _follow(self) -> None:
        calls, call = hand_over(self.sink, self._run, self._wait), "start"
        try:
            while call is not None and not self._is_abandoned:
                call = next(calls, None)
        # Whatever a tracking service does wrong, also a call to sys.exit, must not reach the run.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self._switched_off(self.name, call, error)
            with contextlib.suppress(Exception):  # it has failed already: a failure to tidy up adds nothing
                self.sink.give_up()
        finally:
            self._done.set()
