"""``oldrestore sync``: sends trackers what they missed of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from oldrestore import runtime
from oldrestore.commands.arguments import add_plugins, parser, split_outputs
from oldrestore.errors import UserError

EPILOG = """\
examples:
  oldrestore sync last                                  the newest run, to its own trackers
  oldrestore sync RUN RUN outputs=DIR                   several, by run id
  oldrestore sync RUN tracking.mlflow.tracking_uri=URI  to another MLflow server
  oldrestore sync RUN tracking=mlflow                   a run that was not tracked

Nothing is sent twice, however often the command is typed.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("sync", "Sends trackers what they missed of runs, from the run folders.", EPILOG)
    words = "run folders, run ids (or their beginnings), or 'last'"
    options.add_argument("words", nargs="+", metavar="RUN", help=words)
    add_plugins(options)
    options.flag("--json", does="print JSON")
    chosen = options.parse_intermixed_args(arguments)
    runs = [word for word in chosen.words if "=" not in word]
    outputs, settings = split_outputs([word for word in chosen.words if "=" in word])
    if not runs:
        raise UserError("sync needs a run: a run folder, a run id, or 'last'")
    runtime.prepare()

    from oldrestore.records.finding import find_run
    from oldrestore.records.run import Run
    from oldrestore.run.sync import change_trackers, sync_run

    folders = [find_run(name, outputs) for name in runs]
    for folder in folders:
        Run(folder).require_plugins("tracking")
    configs = [change_trackers(Run(folder).composed, settings) for folder in folders]
    results, failed = [], False
    for folder, config in zip(folders, configs, strict=True):
        reports = sync_run(folder, config)
        failed = failed or any(report.reason is not None for report in reports.values())
        trackers = {name: {"state": r.state, "sent": r.sent, "reason": r.reason} for name, r in reports.items()}
        results.append({"run_id": folder.name, "folder": str(folder), "trackers": trackers})
        if not chosen.json:
            print(folder)
            for name, report in reports.items():
                print(f"  {name:<10}{report.in_words()}")
            if not reports:
                print("  no trackers: name one, as in tracking=mlflow")
    if chosen.json:
        print(json.dumps(results, indent=2))
    return 1 if failed else 0
