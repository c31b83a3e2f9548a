"""``oldrestore restore``: damage found and filled, tones mended, colour given; photographs, folders and films."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import add_outputs, parser, path
from oldrestore.commands.colorize import add_existing, add_running
from oldrestore.errors import UserError

EPILOG = """\
stages: detect (damage), fill (holes), restore (noise, fading, cast), colorize (gray photographs; every photograph
where --run or --weights names a network). Settings are conf/restore/, changed by overrides:

  oldrestore restore old.jpg -o out                                 all stages
  oldrestore restore album/ film.mp4 -o out --skip colorize         folders and films, without a stage
  oldrestore restore old.jpg -o out --mask mine.png                 a mask of your own: white is damage
  oldrestore restore old.jpg -o out --run RUN --weights FILE        Original | Output (A) | Output (B)
  oldrestore restore old.jpg -o out restore/fill=telea restore.fill.radius=5
  oldrestore restore old.jpg -o out restore/fill=sagan --restorer RUN
  oldrestore restore film.mp4 -o out restore.film.smoothing=0.8
  oldrestore restore old.jpg -o out --cfg                           print the settings, restore nothing

After Ctrl-C or SIGTERM what is done stays; the same command with --skip-existing goes on.

exit codes: 0 all restored; 1 some files failed, or stopped before the last; 2 the request was wrong
"""
STAGES = ("detect", "fill", "restore", "colorize")


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("restore", "Restores old photographs and films: files, and folders at any depth.", EPILOG)
    options.add_argument("photos", nargs="+", metavar="PHOTO", help="file or folder; or an override NAME=VALUE")
    options.add_argument("-o", "--output", type=path, required=True, metavar="DIR", help="folder of the outputs")
    options.add_argument("--skip", action="append", default=[], choices=STAGES, help="a stage; may be repeated")
    options.add_argument("--mask", type=path, default=None, help="mask file, or folder of masks named as the photos")
    options.add_argument("--run", action="append", default=[], help="colours: run folder, run id or 'last'; repeatable")
    options.add_argument(
        "--weights", action="append", default=[], type=path, metavar="FILE", help="colours; repeatable"
    )
    options.add_argument("--model", default=None, help="network of FILE if it does not say it: NAME or NAME,width=0.5")
    options.add_argument(
        "--restorer", type=path, default=None, metavar="WEIGHTS", help="fills or restores: run or weights file"
    )
    options.add_argument("--checkpoint", default=None, help="of the runs: best (default), last or a kept one")
    add_outputs(options)
    add_running(options)
    options.add_argument("--result-only", action="store_true", help="write no mask and no pictures of single stages")
    add_existing(options)
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("--cfg", action="store_true", help="print the settings, restore nothing")
    chosen = options.parse_intermixed_args(arguments)
    photos, overrides = split(chosen.photos)
    overrides = without_stages(overrides, chosen)
    if chosen.model is not None and not chosen.weights:
        raise UserError("--model says what --weights FILE holds: give both, or choose a run with --run")

    from oldrestore.photographs.photo_list import existing_of, plan
    from oldrestore.photographs.stopping import paddle_imported_and_sigterm_as_ctrl_c

    existing = existing_of(chosen.overwrite, chosen.skip_existing)
    # Before Paddle is imported: photographs that are not there are said at once.
    if not chosen.cfg:
        plan(photos, chosen.output, ["a network"], overwrite=True)
    runtime.prepare()
    with paddle_imported_and_sigterm_as_ctrl_c():
        return _restore(chosen, photos, overrides, existing)


def _restore(chosen, photos: list[Path], overrides: list[str], existing) -> int:
    from omegaconf import OmegaConf
    from rich.console import Console

    from oldrestore.config.restoration import compose_restoration
    from oldrestore.device import set_device
    from oldrestore.engines.fast_network import Running
    from oldrestore.narrator import Narrator
    from oldrestore.photographs.each_photo import Stopped
    from oldrestore.photographs.photo_list import RESTORED, plan
    from oldrestore.photographs.restore import restore_photos, summary_lines
    from oldrestore.photographs.restorer import build_restorer

    config = compose_restoration(overrides)
    if chosen.cfg:
        print(OmegaConf.to_yaml({"restore": config}), end="")
        return 0
    set_device("auto")
    narrator = Narrator(console=Console(stderr=chosen.json, highlight=False, soft_wrap=True))
    running = Running(chosen.half, chosen.dynamic, narrator.say)
    networks = coloring_networks(chosen) if config.colorize else []
    network = restoring_network(chosen)
    restorer = build_restorer(config, networks, network, chosen.mask, running)
    tasks = plan(
        photos,
        chosen.output,
        [network.label for network in networks] or ["result"],
        existing != "refuse",
        RESTORED,
        {} if chosen.result_only else restorer.parts,
        never=masks_in(chosen.mask),
    )
    stopped = None
    try:
        outcome = restore_photos(tasks, restorer, chosen.output, narrator, config, network, existing)
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


def split(given: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Tell photographs from overrides: NAME=VALUE that is no file is an override.

    Raises
    ------
    UserError
        When no photograph is left, or one's name is empty or cannot be looked up.
    """
    overrides = [text for text in given if "=" in text and not _exists(text)]
    try:
        photos = [path(text) for text in given if text not in overrides]
    except ArgumentTypeError as error:
        raise UserError(f"argument PHOTO: {error}") from None
    if not photos:
        raise UserError("name a photograph or a folder of photographs (see oldrestore restore --help)")
    return photos, overrides


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # a setting may be longer than any file's name
        return False


def without_stages(overrides: list[str], chosen) -> list[str]:
    """Add what the flags say to the overrides, which have the last word.

    Raises
    ------
    UserError
        When a stage is skipped and chosen at once, or flags belong to a stage that is skipped.
    """
    named = {text.partition("=")[0] for text in overrides}
    for stage in chosen.skip:
        both = next((name for name in named if name.replace("/", ".").startswith(f"restore.{stage}")), None)
        if both is not None:
            raise UserError(f"--skip {stage} and {both} contradict each other: leave one of them out")
    if chosen.mask is not None and "restore/detect" in named:
        raise UserError("--mask takes the place of a detector: leave restore/detect out")
    if (chosen.run or chosen.weights) and "colorize" in chosen.skip:
        raise UserError("--run and --weights name networks that colour: leave --skip colorize out")
    flags = [f"restore/{stage}=none" for stage in dict.fromkeys(chosen.skip)]
    if (chosen.run or chosen.weights) and "restore/colorize" not in named:
        flags.append("restore/colorize=all")
    return flags + overrides


def coloring_networks(chosen) -> list:
    """Load the networks that colour; the shipped one when none was named."""
    from oldrestore.commands.colorize import load_networks

    return load_networks(chosen)


def restoring_network(chosen):
    """Load the network of ``--restorer``: a weights file if there is one of that name, else a run."""
    if chosen.restorer is None:
        return None
    from oldrestore.engines.chosen_network import network_of_file, network_of_run

    if chosen.restorer.suffix == ".safetensors" or chosen.restorer.is_file():
        return network_of_file(chosen.restorer)
    return network_of_run(str(chosen.restorer), chosen.outputs, chosen.checkpoint)


def masks_in(mask: Path | None) -> list[Path]:
    """Files that are masks, so that none is taken for a photograph or overwritten."""
    if mask is None:
        return []
    return [file for file in mask.rglob("*") if file.is_file()] if mask.is_dir() else [mask]
