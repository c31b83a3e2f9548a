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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from oldrestore.errors import UserError
from oldrestore.tracking.mlflow_moved import artifact_location
from oldrestore.tracking.mlflow_store import ENVIRONMENT, follow_move_of, open_store, resolve_uri, without_credentials
from oldrestore.tracking.sqlite_uri import sqlite_path

HOST = "127.0.0.1"  # pages are for this machine only
PATIENCE = 60.0  # seconds to wait for the pages
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Server:
    """A page server in a process of its own (`log` is the file it prints to), or a page that someone else serves."""

    name: str
    url: str
    process: subprocess.Popen | None = None
    log: Path | None = None
    _cleanup: list[Callable[[], None]] = field(default_factory=list, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether the process is alive; a page served elsewhere counts as running."""
        return self.process is None or self.process.poll() is None

    def stop(self, seconds: float = 10.0) -> None:
        """End the server and its workers by SIGTERM, and after `seconds` by SIGKILL; a second call does nothing."""
        if self.process is not None:
            # The server and its workers are a process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        while self._cleanup:
            self._cleanup.pop()()


@contextlib.contextmanager
def serve(
    outputs: Path,
    mlflow_port: int | None = None,
    visualdl_port: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Server, ...]]:
    """Start both page servers, yield them when they answer, and stop them.

    By default, the ports are free ones from 5000 and 8040. If MLflow's store is an ``http`` one, its own page is named
    and no server is started. Once `stopped` returns True, the servers are not waited for. Raises `UserError` if
    `outputs` does not exist, a port is taken, or a server ends or does not answer (with the last line that it printed).
    """
    outputs = Path(outputs).absolute()
    if not outputs.is_dir():
        raise UserError(f"there are no runs to show: the folder {outputs} does not exist")
    started: list[Server] = []
    try:
        started.append(_start_mlflow(outputs, mlflow_port))
        started.append(_start_visualdl(outputs, visualdl_port))
        deadline = time.monotonic() + PATIENCE
        own = [server for server in started if server.process is not None]
        for server in own:
            _await_answer(server, deadline, stopped)
        if started[0] in own and not stopped():
            started[0].url += newest_runs(started[0].url)
        yield tuple(started)
    finally:
        for server in started:
            server.stop()


def newest_runs(url: str) -> str:
    """Return what opens an MLflow server's page at the newest runs, not at its welcome or traces of language models."""
    try:
        experiments = _ask(url, "experiments/search", max_results=1000).get("experiments", [])
        ids = [experiment["experiment_id"] for experiment in experiments]
        newest = {"order_by": ["attributes.start_time DESC"], "max_results": 1}
        runs = _ask(url, "runs/search", experiment_ids=ids, **newest).get("runs", []) if ids else []
    except (OSError, ValueError, KeyError):  # the page itself answers
        runs = []
    where = f"/{runs[0]['info']['experiment_id']}" if runs else ""
    return f"#/experiments{where}?workflowType=machine_learning"


def _ask(url: str, what: str, **content: object) -> dict:
    request = urllib.request.Request(
        f"{url}api/2.0/mlflow/{what}", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with WITHOUT_PROXY.open(request, timeout=10) as answer:
        return json.load(answer)


def free_port(preferred: int) -> int:
    """Return `preferred` or the next free port above it (100 are tried), else any free one."""
    for port in [*range(preferred, preferred + 100), 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return probe.getsockname()[1]
    raise UserError(f"no port is free on {HOST}")


def _port(given: int | None, preferred: int) -> int:
    if given is not None and free_port(given) != given:
        raise UserError(f"port {given} on {HOST} is in use; choose another one")
    return given or free_port(preferred)


def _start_mlflow(outputs: Path, port: int | None) -> Server:
    uri = resolve_uri(None, outputs)
    if uri.startswith(("http://", "https://")):
        return Server("mlflow", without_credentials(uri))
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        open_store(uri, outputs, "Default")  # under the lock that runs take
    follow_move_of(uri, outputs)
    port = _port(port, 5000)
    # One worker is enough for one person; its job runner would start six more processes.
    extra = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
    command += ["--default-artifact-root", artifact_location(outputs), "--host", HOST, "--port", str(port)]
    return start_server("mlflow", command, f"http://{HOST}:{port}/", extra)


def _start_visualdl(outputs: Path, port: int | None) -> Server:
    if importlib.util.find_spec("visualdl") is None:
        raise UserError("visualdl is not installed, so its page cannot be served")
    port = _port(port, 8040)
    # It writes a folder into the home directory, which HOME sets.
    home = tempfile.TemporaryDirectory(prefix="oldrestore-visualdl-")
    command = [sys.executable, "-m", "visualdl.server.app", "--logdir", str(outputs), "--host", HOST]
    # Without a language, it fails on every browser that prefers neither English nor Chinese.
    command += ["--port", str(port), "--disable-telemetry", "--language", "en"]
    server = start_server("visualdl", command, f"http://{HOST}:{port}/app/scalar", {"HOME": home.name})
    server._cleanup.append(home.cleanup)
    return server


def start_server(name: str, command: list[str], url: str, environment: dict[str, str]) -> Server:
    """Start a server that prints to a temporary file."""
    descriptor, log = tempfile.mkstemp(prefix=f"oldrestore-{name}-", suffix=".log")
    with os.fdopen(descriptor, "wb") as file:
        streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
        environment = {**ENVIRONMENT, **os.environ, **environment}
        process = subprocess.Popen(command, **streams, env=environment, start_new_session=True)
    path = Path(log)
    return Server(name, url, process, path, [lambda: path.unlink(missing_ok=True)])


def _await_answer(server: Server, deadline: float, stopped: Callable[[], bool]) -> None:
    while time.monotonic() < deadline:
        if stopped():
            return
        if not server.is_running:
            raise UserError(f"the {server.name} server ended at once: {last_words(server)}")
        try:
            with WITHOUT_PROXY.open(server.url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass  # not up yet
        time.sleep(0.3)
    raise UserError(f"the {server.name} server does not answer at {server.url}: {last_words(server)}")


def last_words(server: Server) -> str:
    """Return the last line that a server printed."""
    lines = server.log.read_text(errors="replace", encoding="utf-8").split("\n") if server.log else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
