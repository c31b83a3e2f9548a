"""Serves the reports of an outputs folder on loopback: their index, and no other file than they."""

from __future__ import annotations

import contextlib
import io
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from oldrestore.errors import UserError
from oldrestore.report.shelf import find_report, list_reports, reports_folder
from oldrestore.report.shelf_page import shelf_page

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
PREFERRED_PORT = 8050
SILENCE = 30.0  # seconds after which a connection that says nothing is closed

# No page may fetch anything. A report holds its own scripts, styles and pictures.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
INDEX_POLICY = f"{NOTHING}; style-src 'unsafe-inline'"
REPORT_POLICY = f"{NOTHING}; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; font-src data:"


class ReportsServer:
    """An HTTP server of reports, in threads of this process; a context manager that stops it.

    It listens on 127.0.0.1 alone, answers only to that name (a page elsewhere cannot reach it under a name of its own),
    and gives the index and the files that are on it, read anew each time.

    Parameters
    ----------
    outputs : Path
        The root of run folders; its ``reports`` need not be there yet.
    port : int, optional
        A free one from 8050 where none is given.

    Raises
    ------
    UserError
        The port is in use.
    """

    def __init__(self, outputs: Path, port: int | None = None) -> None:
        folder = reports_folder(outputs)
        handler = type("Handler", (_Handler,), {"folder": folder})
        self._server = _listening(handler, port)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port. Twice does no harm."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> ReportsServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _listening(handler: type[_Handler], port: int | None) -> _Server:
    tried = [port] if port is not None else [*range(PREFERRED_PORT, PREFERRED_PORT + 100), 0]
    for one in tried:
        with contextlib.suppress(OSError):
            return _Server((HOST, one), handler)
    raise UserError(f"port {port} on {HOST} is in use; choose another one" if port else f"no port is free on {HOST}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that has gone away."""


class _Handler(SimpleHTTPRequestHandler):
    server_version, sys_version = "oldrestore", ""
    timeout = SILENCE
    folder: ClassVar[Path]

    def send_head(self) -> io.BytesIO | None:
        """Answer with the headers of the index or a report, and return its content; None after an error."""
        # Under whatever port: it may be forwarded by ssh.
        if self.headers.get("Host", "").partition(":")[0] not in NAMES:
            self.send_error(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 alone")
            return None
        path = urlsplit(self.path).path
        if path == "/favicon.ico":  # browsers ask for it unasked, and complain if there is none
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
            return None
        content, policy = None, REPORT_POLICY
        if path == "/":
            content, policy = shelf_page(list_reports(self.folder), str(self.folder)).encode(), INDEX_POLICY
        else:
            # Only what is on the index is there: no path is ever joined to the folder's.
            report = find_report(self.folder, unquote(path, errors="surrogateescape").removeprefix("/"))
            with contextlib.suppress(OSError):
                content = None if report is None else report.path.read_bytes()
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND, "there is no such report")
            return None
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        return io.BytesIO(content)

    def end_headers(self) -> None:
        """Add what every answer says, errors too."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
