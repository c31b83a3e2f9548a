"""``oldrestore evaluate``: scores a run's checkpoint again, on any dataset and protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import parser

EPILOG = """\
examples:
  oldrestore evaluate last                                     the newest run, as it was configured
  oldrestore evaluate RUN model.temperature=1.0                another decoding
  oldrestore evaluate RUN dataset=image_folder dataset.root=DIR  other photographs
"""


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("evaluate", "Scores a run's checkpoint again; writes RUN/evaluations/.", EPILOG)
    options.add_argument("run", help="run folder, run id (or its beginning), or 'last'")
    options.add_argument("--checkpoint", default="best", help="best (default), last or a kept one")
    options.add_argument("--outputs", default="outputs", help="where run ids are looked up (default: outputs)")
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("overrides", nargs="*", help="Hydra overrides on the run's own configuration")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.config.compose import override_config
    from oldrestore.runs.loading import find_run, load_run_config

    folder = find_run(chosen.run, Path(chosen.outputs))
    runtime.prepare()
    runtime.quiet_import_of_paddle()
    config = override_config(load_run_config(folder), chosen.overrides)

    from rich.console import Console

    from oldrestore.runs.evaluation import evaluate_run
    from oldrestore.training.progress import Narrator

    narrator = Narrator(console=Console(stderr=chosen.json, highlight=False, soft_wrap=True))
    result = evaluate_run(folder, config, chosen.checkpoint, narrator)
    if chosen.json:
        print(json.dumps(result.to_json(), indent=2))
        return 0
    for name, value in result.summary.items():
        narrator.say(f"{name:<34} {value:.4f}")
    if result.table is not None:
        narrator.say()
        narrator.show(result.table.render())
    narrator.say(str(result.folder))
    return 0
