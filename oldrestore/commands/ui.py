"""``oldrestore ui``: serves MLflow's and VisualDL's pages on this machine only, and lists the reports."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence

from oldrestore.commands.arguments import number, outputs_of, parser
from oldrestore.signals import handling

POLL = 0.5  # seconds between two checks that the servers run


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("ui", "Serves MLflow's and VisualDL's pages of these runs until Ctrl-C, and lists the reports.")
    for name, first in (("mlflow", 5000), ("visualdl", 8040)):
        free = f"port (default: first free one from {first})"
        options.add_argument(f"--{name}-port", type=number(1, 65535), metavar="PORT", help=free)
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)
    outputs = outputs_of(chosen.overrides, must_exist=True)

    from oldrestore.report.shelf import write_index
    from oldrestore.tracking.ui import last_words, serve

    reports = write_index(outputs).resolve().as_uri()
    stop = threading.Event()
    ended = None
    with (
        # SIGHUP, too, for a terminal that is closed: the servers have sessions of their own and would go on.
        handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), lambda *_: stop.set()),
        serve(outputs, chosen.mlflow_port, chosen.visualdl_port, stopped=stop.is_set) as pages,
    ):
        if not stop.is_set():
            for name, url in [*((page.name, page.url) for page in pages), ("reports", reports)]:
                print(f"{name:<10}{url}", flush=True)
            print("Ctrl-C stops them", flush=True)
        while ended is None and not stop.wait(POLL):
            ended = next((page for page in pages if not page.is_running), None)
        if ended is not None:
            print(f"oldrestore: the {ended.name} server ended: {last_words(ended)}", file=sys.stderr)
    return 0 if ended is None else 1
