"""``oldrestore restore``: finds and fills damage, mends tones and colours; photographs, folders and films."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import add_networks, add_processing, parser, path, process_photographs
from oldrestore.errors import UserError

EPILOG = """\
stages: detect (damage), fill (holes), restore (noise, fading, cast), colorize (gray photographs; all photographs if
--run or --weights names a network). Settings are in conf/restore/; overrides change them:

  oldrestore restore old.jpg -o out                                 all stages
  oldrestore restore album/ film.mp4 -o out --skip colorize         folders and films, without a stage
  oldrestore restore old.jpg -o out --mask mine.png                 a mask of your own: white is damage;
                                                                    or a copy with strokes drawn on it
  oldrestore restore old.jpg -o out --run RUN --weights FILE        Original | Output (A) | Output (B)
  oldrestore restore old.jpg -o out restore/fill=telea restore.fill.radius=5
  oldrestore restore old.jpg -o out restore/fill=sagan --restorer RUN
  oldrestore restore film.mp4 -o out restore.film.smoothing=0.8
  oldrestore restore old.jpg -o out --session out/old-session.jpg.json  mask, hints, settings of a session
  oldrestore restore old.jpg -o out --cfg                           print the settings, restore nothing

Outputs are named after their photographs: NAME-restored.jpg of NAME.jpg, NAME-restored.tif.png of NAME.tif,
NAME-p2-restored.tif.png of its second page. What is neither a photograph nor a film is passed over and counted.

Ctrl-C and SIGTERM keep what is done; the same command with --skip-existing does the rest.

exit codes: 0 all restored; 1 some files failed, or stopped before the last; 2 the request was wrong
"""
STAGES = ("detect", "fill", "restore", "colorize")


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("restore", "Restores old photographs and films: files, and folders at any depth.", EPILOG)
    options.add_argument("photos", nargs="+", metavar="PHOTO", help="file or folder; or an override NAME=VALUE")
    options.add_argument("-o", "--output", type=path, required=True, metavar="DIR", help="folder of the outputs")
    skip = "stage to leave out; may be repeated"
    options.add_argument("--skip", action="append", default=[], choices=STAGES, help=skip)
    options.add_argument("--mask", type=path, help="mask file, or folder of masks at the photographs' relative paths")
    add_networks(options, "network that colours: ")
    restorer = "network that fills or restores: run or file"
    options.add_argument("--restorer", type=path, metavar="WEIGHTS", help=restorer)
    session = "session (docs/restore.md), whose mask, hints and settings the photograph gets"
    options.add_argument("--session", type=path, metavar="FILE", help=session)
    options.flag("--result-only", does="write no masks and no pictures of single stages")
    add_processing(options)
    options.flag("--cfg", does="print the settings, restore nothing")
    chosen = options.parse_intermixed_args(arguments)
    photos, overrides = split(chosen.photos)
    if chosen.session is not None:
        return replay(chosen, photos, overrides)
    overrides = without_stages(overrides, chosen)
    if chosen.cfg:
        runtime.prepare()
        runtime.quiet_import_of_paddle()
        from omegaconf import OmegaConf

        from oldrestore.config.restoration import compose_restoration

        print(OmegaConf.to_yaml({"restore": compose_restoration(overrides)}), end="")
        return 0

    def prepare(_, running):
        from oldrestore.config.restoration import compose_restoration
        from oldrestore.photographs.coloring import coloring_networks
        from oldrestore.photographs.restorer import build_restorer
        from oldrestore.photographs.verb import Restoring

        config = compose_restoration(overrides)
        colors = (chosen.run, chosen.weights, chosen.model, chosen.outputs, chosen.checkpoint)
        networks = coloring_networks(*colors) if config.colorize else []
        network = restoring_network(chosen)
        return Restoring(build_restorer(config, networks, network, chosen.mask, running), config, network)

    masks = [] if chosen.mask is None else [chosen.mask]
    if chosen.mask is not None and chosen.mask.is_dir():
        masks = [file for file in chosen.mask.rglob("*") if file.is_file()]
    return process_photographs(chosen, photos, prepare, masks, with_parts=not chosen.result_only)


def replay(chosen, photos: Sequence[Path], overrides: Sequence[str]) -> int:
    """Restore the one photograph of a session as the session has it."""
    options = {"--skip": chosen.skip, "--mask": chosen.mask, "--restorer": chosen.restorer, "--cfg": chosen.cfg}
    decided = [*(name for name, value in options.items() if value), *overrides]
    if decided:
        raise UserError(f"--session says what is done: leave {decided[0]} out")
    from oldrestore.studio.session import read_session, require_photograph

    session = read_session(chosen.session)

    def prepare(listed, running):
        from oldrestore.data.codecs.decode import UnreadablePhoto
        from oldrestore.photographs.coloring import coloring_networks
        from oldrestore.photographs.treatment import read_photo
        from oldrestore.studio.replay import restoring_of

        if len(listed) != 1 or listed[0].is_film:
            raise UserError("--session is for one photograph: name that photograph")
        photo = listed[0].photo
        try:
            file = read_photo(photo)
        except UnreadablePhoto as error:
            raise UserError(f"'{photo}' cannot be read: {error.reason}") from None
        require_photograph(session, file.sha256, file.pages, photo.name)
        colors = (chosen.run, chosen.weights, chosen.model, chosen.outputs, chosen.checkpoint)
        networks = coloring_networks(*colors) if session.settings.colorize else []
        return restoring_of(session, photo, networks, running)

    return process_photographs(chosen, photos, prepare, [chosen.session], with_parts=not chosen.result_only)


def split(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Separate photographs, at least one, from overrides: NAME=VALUE is an override unless it is a file."""
    overrides = [text for text in words if "=" in text and not os.path.exists(text)]  # noqa: PTH110 (never raises)
    try:
        photos = [path(text) for text in words if text not in overrides]
    except ArgumentTypeError as error:
        raise UserError(f"argument PHOTO: {error}") from None
    if not photos:
        raise UserError("name a photograph or a folder of photographs (see oldrestore restore --help)")
    return photos, overrides


def without_stages(overrides: list[str], chosen) -> list[str]:
    """Prepend what the flags mean to the overrides, which take precedence; refuse contradictions."""
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


def restoring_network(chosen):
    """Load the network of ``--restorer``: a weights file if one of that name exists, else a run."""
    if chosen.restorer is None:
        return None
    from oldrestore.engines.chosen_network import network_of_file, network_of_run

    if chosen.restorer.suffix == ".safetensors" or chosen.restorer.is_file():
        return network_of_file(chosen.restorer)
    return network_of_run(str(chosen.restorer), chosen.outputs, chosen.checkpoint)
