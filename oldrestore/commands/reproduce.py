"""``oldrestore reproduce``: runs a logged run again and says whether the result is the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import add_plugins, number, parser, split_outputs
from oldrestore.config.location import at_home
from oldrestore.errors import UserError

EPILOG = """\
RUN is a run folder, a run id (or its beginning, or 'last'), FILE#RUN of a bundle, a folder of MLflow's artifacts,
mlflow:RUN_ID, or MLflow's own run id. The run's configuration, seed, threads and MKL code path are restored; its
photographs must be the same.

examples:
  oldrestore reproduce last
  oldrestore reproduce RUN --until 100 -o certificate.md
  oldrestore reproduce study.zip#RUN
  oldrestore reproduce RUN --worktree                        with the code of that time: only for runs you trust
  oldrestore reproduce mlflow:RUN_ID --tracking-uri URI outputs=DIR
  oldrestore reproduce RUN dataset.root=FOLDER               if its photographs were moved
  oldrestore reproduce RUN tracking=none                     without trackers

exit codes: 0 identical or within tolerance; 1 differs; 2 the request was wrong, or the photographs differ
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("reproduce", "Runs a logged run again and compares every metric and the final weights.", EPILOG)
    options.add_argument("run", help="the run to reproduce")
    options.add_argument("--until", type=number(1), metavar="N", help="only the first N iterations")
    options.flag("--worktree", does="use the run's commit and patch, in a git worktree")
    options.add_argument("-o", "--output", metavar="FILE", help="also write the certificate to this file: .md or .json")
    tolerance = "tolerated difference, as a share of a metric's largest value (default: 0.001)"
    options.add_argument("--tolerance", type=number(0.0, 1.0), metavar="X", help=tolerance)
    options.add_argument("--tracking-uri", metavar="URI", help="MLflow server to read the run from")
    add_plugins(options)
    options.flag("--json", does="print the certificate as JSON")
    overrides = "also dataset.root=FOLDER and settings of trackers"
    options.add_argument("overrides", nargs="*", metavar="outputs=FOLDER", help=overrides)
    chosen = options.parse_intermixed_args(arguments)
    certificate_file = None if chosen.output is None else Path(at_home(chosen.output))
    if certificate_file is not None and certificate_file.suffix.lower() not in (".md", ".json"):
        raise UserError(f"a certificate is written as .md or .json, not '{certificate_file.name}'")
    looked_up, settings = split_outputs(chosen.overrides)
    runtime.prepare()

    from oldrestore.records.run import Run
    from oldrestore.reproduction.certificate import write_certificate
    from oldrestore.reproduction.logged_run import logged_run
    from oldrestore.reproduction.reproduce import TOLERANCE, reproduce, write_down
    from oldrestore.reproduction.rerun import NoVerdictError
    from oldrestore.run.sync import change_trackers

    with logged_run(chosen.run, looked_up, chosen.tracking_uri) as logged:
        logged.run.require_plugins()
        config = change_trackers(logged.run.composed, settings, places=True)
        # By default, a run that has a folder is run again beside it.
        outputs = looked_up if len(settings) < len(chosen.overrides) else logged.outputs
        print(f"reproducing {logged.origin}", file=sys.stderr)
        if chosen.worktree:
            print(f"code        commit {logged.run.provenance.get('commit')} and its patch", file=sys.stderr)
        try:
            tolerance = TOLERANCE if chosen.tolerance is None else chosen.tolerance
            output = sys.stderr if chosen.json else None
            reproduction = reproduce(
                logged, outputs or looked_up, config, chosen.until, chosen.worktree, tolerance, output
            )
        except NoVerdictError as problem:
            print(f"oldrestore: {problem}", file=sys.stderr)
            return 1
        certificate = reproduction.to_json()
        problem = write_down(reproduction, certificate, Run(reproduction.rerun.folder).composed)
    if problem is not None:
        print(f"oldrestore: mlflow could not be told the verdict ({problem}); the run folder has it", file=sys.stderr)
    if certificate_file is not None:
        write_certificate(certificate_file, certificate)
    if chosen.json:
        print(json.dumps(certificate, indent=2, ensure_ascii=False))
    else:
        show(certificate)
    return 0 if reproduction.holds else 1


def show(certificate) -> None:
    """Print the verdict and what has changed since."""
    environment = certificate["environment"]
    print()
    if environment:
        first = list(environment.items())[:6]
        more = f" and {len(environment) - 6} more" if len(environment) > 6 else ""
        changes = (f"{name} {' -> '.join('none' if v is None else str(v) for v in values)}" for name, values in first)
        print(f"not as then {', '.join(changes)}{more}")
    for line in certificate["comparison"]["not_compared"]:
        print(f"left out    {line}")
    print(f"code        {certificate['code']['in_words']}")
    print(f"certificate {Path(certificate['new_folder']) / 'texts' / 'reproduction.md'}")
    print(certificate["in_words"])
