"""``oldrestore ui``: serves MLflow's and VisualDL's pages on this machine only, and lists the reports."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from oldrestore.commands.arguments import number, outputs_of, parser
from oldrestore.errors import UserError
from oldrestore.signals import handling

LOOK = 0.5  # seconds between two looks at the servers
PORT = number(1, 65535)


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("ui", "Serves MLflow's and VisualDL's pages of these runs until Ctrl-C, and lists the reports.")
    options.add_argument("--mlflow-port", type=PORT, default=None, help="port (default: first free one from 5000)")
    options.add_argument("--visualdl-port", type=PORT, default=None, help="port (default: first free one from 8040)")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)
    outputs = Path(outputs_of(chosen.overrides))
    if not outputs.is_dir():
        raise UserError(f"there is no outputs folder '{outputs}': train a run first, or name it with outputs=FOLDER")

    from oldrestore.report.shelf import write_index
    from oldrestore.tracking.ui import last_words, serve

    reports = write_index(outputs).resolve().as_uri()
    stop = threading.Event()
    ended = None
    with (
        # Of a terminal that is closed, too: the servers lead sessions of their own and would stay.
        handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), lambda *_: stop.set()),
        serve(
            outputs, mlflow_port=chosen.mlflow_port, visualdl_port=chosen.visualdl_port, stopped=stop.is_set
        ) as pages,
    ):
        if not stop.is_set():
            for name, url in {**pages.urls, "reports": reports}.items():
                print(f"{name:<10}{url}", flush=True)
            print("Ctrl-C stops them", flush=True)
        while ended is None and not stop.wait(LOOK):
            ended = pages.ended()
        if ended is not None:
            print(f"oldrestore: the {ended.name} server ended: {last_words(ended)}", file=sys.stderr)
    return 0 if ended is None else 1
