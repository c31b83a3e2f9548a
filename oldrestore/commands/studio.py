"""``oldrestore studio``: a page on this machine where photographs are mended and coloured by hand."""

from __future__ import annotations

import secrets
import signal
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import add_networks, number, parser, path
from oldrestore.errors import UserError
from oldrestore.signals import handling

EPILOG = """\
examples:
  oldrestore studio old.jpg album/                     the network shipped with oldrestore
  oldrestore studio old.jpg --weights hinted.safetensors --run RUN     networks to choose from on the page

Saved photographs, and the session of each, which is kept after every change, are in the folder of -o. Sessions are
taken up when the studio is started again; oldrestore restore PHOTO --session FILE replays one.

The page is for this machine and needs the link that is printed. Ctrl-C ends the studio.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("studio", "Serves a page where photographs are mended and coloured by hand.", EPILOG)
    options.add_argument("photos", nargs="+", type=path, metavar="PHOTO", help="file or folder")
    folder = "folder of what is saved (default: studio)"
    options.add_argument("-o", "--output", type=path, default=Path("studio"), metavar="DIR", help=folder)
    add_networks(options, "network that colours: ")
    free = "port (default: first free one from 8050)"
    options.add_argument("--port", type=number(1, 65535), metavar="N", help=free)
    options.flag("--no-open", does="print the link, open no browser")
    options.flag("--no-label", does="do not state in saved photographs that they were altered")
    chosen = options.parse_args(arguments)
    if chosen.model is not None and not chosen.weights:
        raise UserError("--model says what --weights FILE holds: give both, or choose a run with --run")

    from oldrestore.photographs.photo_list import find_photographs
    from oldrestore.tracking.ui import HOST, free_port

    listed = find_photographs(chosen.photos)  # before Paddle is imported, so that errors come at once
    if chosen.port is not None and free_port(chosen.port) != chosen.port:
        raise UserError(f"port {chosen.port} on {HOST} is in use: choose another one")
    port = chosen.port or free_port(8050)
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    import uvicorn

    from oldrestore.device import set_device
    from oldrestore.photographs.coloring import coloring_networks
    from oldrestore.studio.engine import Studio
    from oldrestore.studio.server import studio_app

    set_device("auto")
    colors = (chosen.run, chosen.weights, chosen.model, chosen.outputs, chosen.checkpoint)
    studio = Studio(listed, chosen.output, lambda: coloring_networks(*colors), not chosen.no_label)
    token = secrets.token_urlsafe(32)
    app = studio_app(studio, frozenset({f"{HOST}:{port}", f"localhost:{port}"}), token)
    link = f"http://{HOST}:{port}/?token={token}"
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # it would write the token
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)

    def end(*_: object) -> None:
        server.should_exit = True

    try:
        # uvicorn has handlers of its own for two of them, and raises the signal again when it has ended.
        with (
            handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), end),
            socket.create_server((HOST, port)) as listener,
        ):
            # From here on, a browser that comes early waits.
            print(f"studio    {link}\nsaves to  {chosen.output}\nCtrl-C ends it", flush=True)
            if not chosen.no_open:
                webbrowser.open(link)
            server.run(sockets=[listener])
    finally:
        studio.close()
    return 0
