"""``oldrestore models``: lists the networks, what they cost, what they predict and which losses fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from oldrestore import runtime
from oldrestore.commands.arguments import add_plugins, parser
from oldrestore.tables import listing_console, print_listing


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("models", "Lists the networks of conf/model, with the settings of their files.")
    add_plugins(options)
    options.flag("--json", does="print a JSON list")
    chosen = options.parse_args(arguments)
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    from oldrestore.catalogue.networks import list_networks

    networks = list(list_networks())
    if chosen.json:
        print(json.dumps([asdict(network) for network in networks], indent=2))
    else:
        show(networks)
    return 0


def show(networks) -> None:
    """Print the table, and below it the papers and what is missing."""
    console = listing_console()
    rows = [
        (
            network.name,
            "" if network.parameters is None else f"{network.parameters:,}",
            "" if network.gflops is None else f"{network.gflops:.1f}",
            ", ".join(network.predicts),
            ", ".join(network.losses),
        )
        for network in networks
    ]
    headings = ("model", "parameters", "GFLOPs at 256", "predicts", "losses that fit")
    if not print_listing(console, headings, rows, right=(1, 2)):
        console.print("\nlosses that fit")  # once for all models that they fit
        for losses in dict.fromkeys(row[-1] for row in rows):
            console.print(f"{', '.join(row[0] for row in rows if row[-1] == losses)}: {losses}", markup=False)
    papers = [f"{network.name}: {network.source.replace('``', '')}" for network in networks if network.source]
    problems = [f"{network.name}: {network.problem}" for network in networks if network.problem]
    console.print("", *papers, *problems, sep="\n", markup=False)
