"""``oldrestore bundle``: packs runs into one file that compares, reports and reproduces them elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from oldrestore.commands.arguments import parser, path, split_outputs
from oldrestore.config.location import at_home
from oldrestore.errors import UserError
from oldrestore.tables import byte_size

EPILOG = """\
RUN is as for oldrestore compare: a run folder, a run id or its beginning, outputs/sweeps/NAME, or another bundle.
A bundle is a zip file. It holds configuration, provenance, metrics, scores, evaluations and pictures of its runs, and
names neither folders nor hosts, users, processes or trackers of the machine that they were made on. The same runs give
the same bytes. compare, report and reproduce take FILE, or FILE#RUN for one of its runs, in place of a run folder.

examples:
  oldrestore bundle outputs/sweeps/four_losses -o four_losses.zip
  oldrestore bundle RUN RUN -o two.zip --checkpoints best --samples none
  oldrestore compare four_losses.zip outputs/quickstart/RUN
  oldrestore reproduce four_losses.zip#RUN
  oldrestore bundle --unpack two.zip -o elsewhere/outputs      to resume, evaluate or colour with its runs
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("bundle", "Packs runs into one file that compare, report and reproduce take.", EPILOG)
    options.add_argument("-o", "--output", type=path, required=True, metavar="FILE", help="the bundle, a .zip file")
    checkpoints = "weights to pack: none (default), best, or all"
    options.add_argument("--checkpoints", choices=("none", "best", "all"), default="none", help=checkpoints)
    samples = "sample panels to pack: the last of each series (default), all, or none"
    options.add_argument("--samples", choices=("last", "all", "none"), default="last", help=samples)
    patch = "uncommitted changes to pack: public (default; if they name no host, user or outputs folder), any, or none"
    options.add_argument("--patch", choices=("public", "any", "none"), default="public", help=patch)
    options.flag("--unpack", does="unpack bundles into the outputs folder FILE instead")
    options.flag("--json", does="print JSON")
    runs = "runs, sweeps' folders, bundles; or outputs=FOLDER, the root of the run folders"
    options.add_argument("runs", nargs="+", metavar="RUN", help=runs)
    chosen = options.parse_intermixed_args(arguments)
    outputs, names = split_outputs(chosen.runs)
    if not names:
        raise UserError("bundle needs a run: a run folder, a run id, or outputs/sweeps/NAME")
    return unpack(names, chosen.output) if chosen.unpack else pack_runs(names, outputs, chosen)


def pack_runs(names: Sequence[str], outputs: Path, chosen) -> int:
    """Pack what is named, and say what the bundle holds and what it leaves out."""
    from oldrestore.records.bundle import is_bundle
    from oldrestore.records.bundling import pack
    from oldrestore.records.finding import find_runs, sweeps_of

    target: Path = chosen.output
    if target.suffix != ".zip":
        raise UserError(f"a bundle is a zip file: name one, as -o {target.with_name(target.name or 'runs')}.zip")
    if target.exists() and not (target.is_file() and is_bundle(target)):
        raise UserError(f"'{target}' exists and is no bundle: name another file")
    folders = [folder for name in names for folder in find_runs(name, outputs)]
    sweeps = [folder for name in names for folder in sweeps_of(name)]
    packed = pack(folders, sweeps, target, chosen.checkpoints, chosen.samples, chosen.patch)
    for runs, line in (
        (packed.with_patch, "uncommitted changes are packed, untracked files included (--patch none leaves them out)"),
        (packed.without_patch if chosen.patch != "none" else (), "uncommitted changes name the machine: left out"),
    ):
        if runs:
            more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
            print(f"oldrestore: {runs[0]}{more}: {line}", file=sys.stderr)
    if chosen.json:
        print(json.dumps({"file": str(target), **vars(packed)}, indent=2))
        return 0
    print(f"runs        {packed.runs}, {byte_size(packed.size / packed.runs)} each")
    for part, size in packed.parts.items():
        print(f"{part:<11} {byte_size(size) if size else 'none'}")
    places = f"{packed.places} place{'s' * (packed.places > 1)} of folders, files or trackers"
    print(f"left out    {', '.join([*([places] if packed.places else []), 'hosts, processes, printed logs'])}")
    print(f"size        {byte_size(packed.size)}")
    print(target)
    return 0


def unpack(names: Sequence[str], target: Path) -> int:
    """Copy the run folders of bundles into an outputs folder, over none that is there."""
    from oldrestore.records.bundle import open_bundle

    roots = [open_bundle(Path(at_home(name))) for name in names]
    folders = [(folder, target / folder.relative_to(root)) for root in roots for folder in sorted(root.glob("*/*"))]
    if there := next((copy for _, copy in folders if copy.exists()), None):
        raise UserError(f"'{there}' exists: unpack into another folder")
    for folder, copy in folders:
        shutil.copytree(folder, copy)
        print(copy)
    return 0
