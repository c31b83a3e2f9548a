"""Serves MLflow's and VisualDL's pages on a root of run folders: on this machine only, no telemetry."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.tracking.mlflow_moved import artifact_location
from oldrestore.tracking.mlflow_store import (
    ENVIRONMENT,
    follow_move_of,
    open_store,
    resolve_uri,
    without_credentials,
)
from oldrestore.tracking.sqlite_uri import sqlite_path


@dataclass
class Server:
    """A page server that runs as a process of its own, or a page that someone else serves.

    Attributes
    ----------
    name : str
        ``mlflow`` or ``visualdl``.
    url : str
        The page, ready to be opened.
    process : subprocess.Popen, optional
        None for a page that a remote tracking server serves.
    log : Path, optional
        What the server prints.
    """

    name: str
    url: str
    process: subprocess.Popen | None = None
    log: Path | None = None
    _cleanup: list[Callable[[], None]] = field(default_factory=list, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether the process lives; a page served elsewhere counts as running."""
        return self.process is None or self.process.poll() is None

    def stop(self, seconds: float = 10.0) -> None:
        """End the server and its workers: politely, then after `seconds` for good. Twice does no harm."""
        if self.process is not None:
            # The server leads a process group of its own, which holds its workers.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        while self._cleanup:
            self._cleanup.pop()()


@dataclass
class Servers:
    """What `serve` started; a context manager that stops it."""

    servers: tuple[Server, ...]

    @property
    def urls(self) -> dict[str, str]:
        """Name to page."""
        return {server.name: server.url for server in self.servers}

    def ended(self) -> Server | None:
        """Return a server whose process has ended by itself; None where all run."""
        return next((server for server in self.servers if not server.is_running), None)

    def stop(self) -> None:
        """Stop every server."""
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def serve(
    outputs: Path,
    host: str = "127.0.0.1",
    mlflow_port: int | None = None,
    visualdl_port: int | None = None,
    tracking_uri: str | None = None,
    seconds: float = 60.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Servers:
    """Start both page servers and return when they answer.

    Parameters
    ----------
    outputs : Path
        The root of run folders.
    host : str
        The address to listen on; the default is reachable from this machine only.
    mlflow_port, visualdl_port : int, optional
        Free ones near 5000 and 8040 when not given.
    tracking_uri : str, optional
        MLflow's store, as for `MLflowSink`. For an ``http`` one no server is started: its own page is named.
    seconds : float
        How long to wait for the pages.
    stopped : callable
        Asked while waiting: whether nobody wants the pages any more, so that they are returned as they are.

    Raises
    ------
    UserError
        `outputs` does not exist, a port is taken, or a server ended or stayed silent (with its last words).
    """
    outputs = Path(outputs).absolute()
    if not outputs.is_dir():
        raise UserError(f"there are no runs to show: the folder {outputs} does not exist")
    started: list[Server] = []
    try:
        started.append(_start_mlflow(outputs, host, mlflow_port, tracking_uri))
        started.append(_start_visualdl(outputs, host, visualdl_port))
        deadline = time.monotonic() + seconds
        for server in started:
            _await_answer(server, deadline, stopped)
        mlflow = started[0]
        if mlflow.process is not None and not stopped():
            mlflow.url += newest_runs(mlflow.url)
    except BaseException:  # Ctrl-C while waiting, too, must not leave servers behind
        for server in started:
            server.stop()
        raise
    return Servers(tuple(started))


def newest_runs(url: str) -> str:
    """Return what to add to the address of an MLflow server so that it opens at the runs begun last.

    Left alone, MLflow's page opens at its welcome, and each experiment at traces of language models, of which there are
    none. Which of its two sides a page is on stands in its address.
    """
    try:
        experiments = _ask(url, "experiments/search", max_results=1000).get("experiments", [])
        known = [experiment["experiment_id"] for experiment in experiments]
        newest = {"order_by": ["attributes.start_time DESC"], "max_results": 1}
        runs = _ask(url, "runs/search", experiment_ids=known, **newest).get("runs", []) if known else []
    except (OSError, ValueError, KeyError):  # the page answers all the same
        runs = []
    where = f"/{runs[0]['info']['experiment_id']}" if runs else ""
    return f"#/experiments{where}?workflowType=machine_learning"


def _ask(url: str, what: str, **content: object) -> dict:
    request = urllib.request.Request(
        f"{url}api/2.0/mlflow/{what}", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with _without_proxy().open(request, timeout=10) as answer:
        return json.load(answer)


def free_port(host: str, preferred: int) -> int:
    """Return `preferred` or the next free port above it (100 are tried), else any free one."""
    for port in [*range(preferred, preferred + 100), 0]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return probe.getsockname()[1]
    raise UserError(f"no port is free on {host}")


def _port(host: str, given: int | None, preferred: int) -> int:
    if given is None:
        return free_port(host, preferred)
    if free_port(host, given) != given:
        raise UserError(f"port {given} on {host} is in use; choose another one")
    return given


def _start_mlflow(outputs: Path, host: str, port: int | None, tracking_uri: str | None) -> Server:
    uri = resolve_uri(tracking_uri, outputs)
    if uri.startswith(("http://", "https://")):
        return Server("mlflow", without_credentials(uri))
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        open_store(uri, outputs, "Default")  # under the lock that runs take
    follow_move_of(uri, outputs)
    port = _port(host, port, 5000)
    # One worker is enough for one person; its job runner would start six more processes.
    extra = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = ["mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
    command += ["--default-artifact-root", artifact_location(outputs), "--host", host, "--port", str(port)]
    return _start("mlflow", [sys.executable, "-m", *command], f"http://{_in_url(host)}:{port}/", extra)


def _start_visualdl(outputs: Path, host: str, port: int | None) -> Server:
    if importlib.util.find_spec("visualdl") is None:
        raise UserError("visualdl is not installed, so its page cannot be served")
    port = _port(host, port, 8040)
    # Its server writes a folder into the home directory, and only HOME says where that is.
    home = tempfile.TemporaryDirectory(prefix="oldrestore-visualdl-")
    command = ["--logdir", str(outputs), "--host", host, "--port", str(port), "--disable-telemetry"]
    # Left to choose, it fails on every browser that prefers neither English nor Chinese.
    command += ["--language", "en"]
    server = _start(
        "visualdl",
        [sys.executable, "-m", "visualdl.server.app", *command],
        f"http://{_in_url(host)}:{port}/app/scalar",
        {"HOME": home.name},
    )
    server._cleanup.append(home.cleanup)
    return server


def _start(name: str, command: list[str], url: str, environment: dict[str, str]) -> Server:
    descriptor, log = tempfile.mkstemp(prefix=f"oldrestore-{name}-", suffix=".log")
    with os.fdopen(descriptor, "wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **os.environ, **environment},
            start_new_session=True,
        )
    path = Path(log)
    return Server(name, url, process, path, [lambda: path.unlink(missing_ok=True)])


def _await_answer(server: Server, deadline: float, stopped: Callable[[], bool]) -> None:
    if server.process is None:
        return
    while time.monotonic() < deadline:
        if stopped():
            return
        if not server.is_running:
            raise UserError(f"the {server.name} server ended at once: {last_words(server)}")
        try:
            with _without_proxy().open(server.url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass  # not up yet
        time.sleep(0.3)
    raise UserError(f"the {server.name} server does not answer at {server.url}: {last_words(server)}")


def _without_proxy() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def last_words(server: Server) -> str:
    """Return the last line that a server printed."""
    lines = server.log.read_text(errors="replace", encoding="utf-8").split("\n") if server.log else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _in_url(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
