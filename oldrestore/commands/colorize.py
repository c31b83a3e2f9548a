"""``oldrestore colorize``: colours photographs, keeping their resolution, with a panel beside each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from oldrestore import runtime
from oldrestore.commands.arguments import add_outputs, parser, path
from oldrestore.errors import UserError

EPILOG = """\
examples:
  oldrestore colorize old.jpg -o coloured                          the network shipped with oldrestore
  oldrestore colorize album/ -o coloured --run last                a folder, with your newest run
  oldrestore colorize old.jpg -o out --run RUN --run RUN           two networks side by side
  oldrestore colorize film.mp4 -o out --film-smoothing 0.8        a film, its sound kept
  oldrestore colorize old.jpg -o out --weights siggraph17.safetensors --hints hints.json

hints.json: [{"x": 120, "y": 80, "radius": 6, "color": "#3060c0"}, {"x": 40, "y": 200, "radius": 4, "ab": [20, 30]}]
in pixels of the upright photograph; for several photographs {"NAME.jpg": [...], ...}.

After Ctrl-C or SIGTERM what is done stays; the same command with --skip-existing goes on.

exit codes: 0 all coloured; 1 some photographs failed, or stopped before the last; 2 the request was wrong
"""
SMALLEST, LARGEST = 32, 4096


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("colorize", "Colours photographs and films: files, and folders at any depth.", EPILOG)
    options.add_argument("photos", nargs="+", type=path, metavar="PHOTO", help="file or folder")
    options.add_argument("-o", "--output", type=path, required=True, metavar="DIR", help="folder of the outputs")
    options.add_argument("--run", action="append", default=[], help="run folder, run id or 'last'; may be repeated")
    options.add_argument("--checkpoint", default=None, help="of the runs: best (default), last or a kept one")
    add_outputs(options)
    options.add_argument(
        "--weights", action="append", default=[], type=path, metavar="FILE", help="safetensors; may be repeated"
    )
    options.add_argument("--model", default=None, help="network of FILE if it does not say it: NAME or NAME,width=0.5")
    options.add_argument("--hints", type=path, default=None, metavar="FILE", help="colours at points, JSON (see below)")
    options.add_argument("--size", type=int, default=None, help="pixels of the shorter side at the network")
    options.add_argument(
        "--film-smoothing", type=float, default=0.0, metavar="S", help="0..0.99: how steady the colour of films is"
    )
    add_running(options)
    add_existing(options)
    options.add_argument("--json", action="store_true", help="print JSON")
    chosen = options.parse_args(arguments)
    if chosen.size is not None and not SMALLEST <= chosen.size <= LARGEST:
        raise UserError(f"--size must be within {SMALLEST}..{LARGEST} pixels, not {chosen.size}")
    if not 0 <= chosen.film_smoothing <= 0.99:
        raise UserError(f"--film-smoothing must be within 0..0.99, not {chosen.film_smoothing}")
    if chosen.model is not None and not chosen.weights:
        raise UserError("--model says what --weights FILE holds: give both, or choose a run with --run")

    from oldrestore.photographs.photo_list import existing_of, plan
    from oldrestore.photographs.stopping import paddle_imported_and_sigterm_as_ctrl_c

    existing = existing_of(chosen.overwrite, chosen.skip_existing)
    # Before Paddle is imported: photographs that are not there are said at once.
    plan(chosen.photos, chosen.output, ["a network"], overwrite=True)
    runtime.prepare()
    with paddle_imported_and_sigterm_as_ctrl_c():
        return _colorize(chosen, existing)


def _colorize(chosen, existing) -> int:
    from rich.console import Console

    from oldrestore.device import set_device
    from oldrestore.engines.fast_network import Running
    from oldrestore.narrator import Narrator
    from oldrestore.photographs.colorize import colorize_photos, summary_lines
    from oldrestore.photographs.each_photo import Stopped
    from oldrestore.photographs.hint_file import read_hints
    from oldrestore.photographs.photo_list import plan

    hints = None if chosen.hints is None else read_hints(chosen.hints)
    set_device("auto")
    narrator = Narrator(console=Console(stderr=chosen.json, highlight=False, soft_wrap=True))
    running = Running(chosen.half, chosen.dynamic, narrator.say)
    networks = load_networks(chosen)
    tasks = plan(chosen.photos, chosen.output, [network.label for network in networks], existing != "refuse")
    stopped = None
    try:
        outcome = colorize_photos(
            tasks, networks, chosen.output, narrator, chosen.size, hints, chosen.film_smoothing, running, existing
        )
    except Stopped as stop:
        stopped, outcome = stop, stop.outcome
    if chosen.json:
        print(json.dumps(outcome.to_json(), indent=2))
    else:
        summary_lines(outcome, narrator.say)
        narrator.say(str(outcome.folder))
    if stopped is not None:
        raise stopped
    return 1 if outcome.failed else 0


def add_existing(options) -> None:
    """Add the options that say what becomes of outputs that exist."""
    options.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    options.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out photographs whose outputs exist; goes on where one stopped",
    )


def add_running(options) -> None:
    """Add the options that say how networks are run."""
    options.add_argument(
        "--half", action="store_true", help="half precision: faster; bfloat16 on CPUs that have it, float16 on a GPU"
    )
    options.add_argument(
        "--dynamic", action="store_true", help="run networks as in training, without Paddle Inference: slower on a CPU"
    )


def load_networks(chosen) -> list:
    """Load the networks that were asked for; the shipped one when none was."""
    from oldrestore.engines.chosen_network import network_of_file, network_of_run, released_network

    networks = [network_of_run(name, chosen.outputs, chosen.checkpoint) for name in chosen.run]
    networks += [network_of_file(file, chosen.model) for file in chosen.weights]
    networks = networks or [released_network()]
    runs = [network.label for network in networks[: len(chosen.run)]]
    # Several checkpoints of one run are told apart by their names.
    networks = [
        replace(network, label=f"{network.label}-{network.weights.stem}") if runs.count(network.label) > 1 else network
        for network in networks
    ]
    labels = [network.label for network in networks]
    if len(set(labels)) < len(labels):
        raise UserError(f"'{max(labels, key=labels.count)}' was asked for twice: name each network once")
    return networks
