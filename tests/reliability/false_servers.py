"""Tracking servers that fail: one that answers with errors, one that never answers, one that dies in the middle."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_INFO = {"run_id": "0" * 32, "run_uuid": "0" * 32, "experiment_id": "1", "status": "RUNNING", "start_time": 1}
RUN = {"info": {**_INFO, "artifact_uri": "file:///nowhere", "lifecycle_stage": "active"}, "data": {}}
ANSWERS: dict[str, Any] = {
    "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "tiny", "lifecycle_stage": "active"}},
    "runs/search": {},
    "runs/create": {"run": RUN},
    "runs/get": {"run": RUN},
}


class FalseServer(ThreadingHTTPServer):
    """What an MLflow server says to a run that begins, and then no more.

    Parameters
    ----------
    lives : int
        Requests that it answers before it dies.
    status : int
        HTTP status of its answers.
    waits : float
        Seconds before each answer.
    """

    daemon_threads = True

    def __init__(self, lives: int = 10**9, status: int = 200, waits: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lives, self.status, self.waits = lives, status, waits
        self.asked: list[str] = []
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[FalseServer]:
        """Let it serve, and stop it."""
        thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join(10)
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server: FalseServer = self.server
        call = urlsplit(self.path).path.partition("/mlflow/")[2]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.asked.append(call)
        if len(server.asked) > server.lives:
            self.close_connection = True
            server.socket.close()  # nobody listens any more
            return
        time.sleep(server.waits)
        content = json.dumps(ANSWERS.get(call, {})).encode()
        self.send_response(server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the run has given up waiting
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 (http.server looks for these)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""
