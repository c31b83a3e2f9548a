"""``oldrestore evaluate``: scores a run's checkpoint or a weights file, on any dataset and protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from oldrestore import runtime
from oldrestore.commands.arguments import add_outputs, add_plugins, parser

EPILOG = """\
examples:
  oldrestore evaluate last                                     the newest run, as configured
  oldrestore evaluate RUN model.temperature=1.0                another decoding
  oldrestore evaluate RUN dataset=image_folder dataset.root=DIR  other photographs
  oldrestore evaluate RUN/checkpoints/last.safetensors         another checkpoint
  oldrestore evaluate w.safetensors                            a weights file copied from its run
  oldrestore evaluate RUN --multirun sweeps=temperature        a table: one row for each temperature
  oldrestore evaluate RUN --multirun model.temperature=0.2,1   the same, values as typed
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("evaluate", "Scores a run's checkpoint again; writes RUN/evaluations/.", EPILOG)
    options.add_argument("run", help="run folder, run id (or its beginning), 'last', or a weights file")
    options.add_argument("--checkpoint", help="of a run: best (default), last or a kept one")
    add_outputs(options)
    add_plugins(options)
    options.flag("--json", does="print JSON")
    options.flag("-m", "--multirun", does="evaluate once for each of several values")
    options.add_argument("overrides", nargs="*", default=[], help="Hydra overrides on the run's own configuration")
    chosen = options.parse_intermixed_args(arguments)

    from oldrestore.config.compose import override_config
    from oldrestore.config.multirun import SELECTOR
    from oldrestore.config.yaml_file import shown
    from oldrestore.records.finding import find_checkpoint, is_weights_file

    if not is_weights_file(chosen.run):
        # Before Paddle is imported, so that a missing run is reported at once.
        find_checkpoint(chosen.run, chosen.outputs, chosen.checkpoint)
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    from oldrestore.narrator import Narrator
    from oldrestore.scoring.evaluation import evaluate
    from oldrestore.scoring.subject import subject_named

    narrator = Narrator(on_stderr=chosen.json)
    subject = subject_named(chosen.run, chosen.outputs, chosen.checkpoint, chosen.overrides)
    # As in `train`, a sweep means several evaluations without --multirun.
    if chosen.multirun or any(override.startswith(SELECTOR) for override in chosen.overrides):
        return evaluate_several(subject, chosen, narrator)
    result = evaluate(subject, override_config(subject.config, chosen.overrides), narrator)
    if chosen.json:
        print(json.dumps(result.to_json(), indent=2))
        return 0
    for line in heading(subject, result, chosen.overrides):
        narrator.say(line)
    narrator.say(f"{'protocol':<34} {result.protocol.label} ({result.protocol.hash[:8]})")
    for name, value in result.listed().items():
        narrator.say(f"{name:<34} {value:.4f}")
    for table in result.tables():
        narrator.say()
        narrator.show(table)
    narrator.say(shown(result.folder))
    return 0


def heading(subject, result, overrides: Sequence[str]) -> Iterator[str]:
    """Yield the lines that say what was scored: run or file, checkpoint, and each override with what the run had."""
    from omegaconf import DictConfig, OmegaConf

    from oldrestore.config.overrides import parse_overrides
    from oldrestore.config.plugins import changes, used_by
    from oldrestore.config.roles import is_free
    from oldrestore.config.yaml_file import shown
    from oldrestore.records.run import Run

    if subject.alone:
        yield f"{'weights':<34} {subject.checkpoint}"
    else:
        yield f"{'run':<34} {shown(subject.folder)}"
        yield f"{'checkpoint':<34} {subject.checkpoint}, {result.iteration} iterations"
        now = used_by(OmegaConf.to_container(subject.config))
        for plugin, (before, after) in changes(Run(subject.folder).plugins, now).items():
            yield f"note: the {plugin} is not that of the run: {after} now, {before} then"
    choices = {} if subject.alone else Run(subject.folder).choices
    for override in parse_overrides(overrides, several=True):
        name = override.key_or_group
        was = OmegaConf.select(subject.config, name)
        was = choices.get(name) if isinstance(was, DictConfig) else "null" if was is None else was
        if is_free(name) or override.value() == was:
            continue
        yield f"{'changed':<34} {override.input_line}" + ("" if was is None else f" (was {was})")


def evaluate_several(subject, chosen, narrator) -> int:
    """Evaluate once for each combination of values; the table in the run folder is updated after each."""
    from rich.table import Table

    from oldrestore.config.multirun import expand_jobs
    from oldrestore.config.yaml_file import shown
    from oldrestore.scoring.evaluation import evaluate_jobs, plan_evaluations

    jobs = plan_evaluations(subject, expand_jobs(chosen.overrides))
    sweep = None
    for number, sweep in enumerate(evaluate_jobs(subject, jobs, chosen.overrides, narrator), 1):
        settings = ", ".join(f"{name}={value}" for name, value in sweep.results[-1][0].items())
        narrator.say(f"{number} of {len(jobs)} {settings}")
    if chosen.json:
        print(json.dumps(sweep.to_json(), indent=2))
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in sweep.shown():
        table.add_column(name, justify="right", no_wrap=True)
    for row in sweep.rows():
        cells = (row.get(name) for name in sweep.shown())
        table.add_row(*("" if c is None else f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells))
    narrator.say()
    for line in heading(subject, sweep.results[-1][1], chosen.overrides):
        narrator.say(line)
    narrator.show(table)
    narrator.say(shown(sweep.folder / "evaluations.csv"))
    return 0
