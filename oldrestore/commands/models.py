"""``oldrestore models``: lists the networks, what they cost, what they predict and which losses fit."""

from __future__ import annotations

import json
from collections.abc import Sequence

from oldrestore import runtime
from oldrestore.commands.arguments import parser
from oldrestore.tables import loose_lines, word_table


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("models", "Lists the networks of conf/model, at the settings they have there.")
    options.add_argument("--json", action="store_true", help="print a JSON list")
    chosen = options.parse_args(arguments)
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    from oldrestore.catalogue.networks import list_networks

    networks = list(list_networks())
    if chosen.json:
        print(json.dumps([network.to_json() for network in networks], indent=2))
    else:
        show(networks)
    return 0


def show(networks) -> None:
    """Print the table, and below it the papers and what is missing."""
    from rich.console import Console

    console = Console(highlight=False)
    # A pipe has no width to respect: what reads it wants whole lines.
    if not console.is_terminal:
        console = Console(width=200, highlight=False)
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
    table = word_table(headings, rows, console.width, right=(1, 2))
    if table is not None:
        console.print(table)
    else:
        # A narrow terminal: the losses stand below, once for all models that they fit.
        without = [row[:-1] for row in rows]
        console.print(word_table(headings[:-1], without, console.width, right=(1, 2)) or loose_lines(without))
        console.print("\nlosses that fit")
        for losses in dict.fromkeys(row[-1] for row in rows):
            console.print(f"{', '.join(row[0] for row in rows if row[-1] == losses)}: {losses}", markup=False)
    console.print()
    for network in networks:
        if network.source:
            console.print(f"{network.name}: {network.source.replace('``', '')}", markup=False)
    for network in networks:
        if network.problem:
            console.print(f"{network.name}: {network.problem}", markup=False)
