"""``oldrestore ui``: serves MLflow's and VisualDL's pages on these runs, on this machine only."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from oldrestore.commands.arguments import outputs_of, parser
from oldrestore.errors import UserError


def port(text: str) -> int:
    """Read a port number, 1..65535."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise UserError(f"a port is a number from 1 to 65535, not '{text}'")
    return int(text)


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("ui", "Serves MLflow's and VisualDL's pages on these runs until Ctrl-C.")
    options.add_argument("--mlflow-port", type=port, default=None, help="default: a free one from 5000")
    options.add_argument("--visualdl-port", type=port, default=None, help="default: a free one from 8040")
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help="root of the run folders")
    chosen = options.parse_intermixed_args(arguments)
    outputs = Path(outputs_of(chosen.overrides))
    if not outputs.is_dir():
        raise UserError(f"there is no outputs folder '{outputs}': train a run first, or name it with outputs=FOLDER")

    from oldrestore.tracking.ui import serve

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serve(outputs, mlflow_port=chosen.mlflow_port, visualdl_port=chosen.visualdl_port) as pages:
        for name, url in pages.urls.items():
            print(f"{name:<10}{url}", flush=True)
        print("Ctrl-C stops both", flush=True)
        stop.wait()
    return 0
