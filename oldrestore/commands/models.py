"""``oldrestore models``: lists the networks, what they cost, what they predict and which losses fit."""

from __future__ import annotations

import json
from collections.abc import Sequence

from oldrestore import runtime
from oldrestore.commands.arguments import parser


def run(arguments: Sequence[str]) -> int:
    """Carry out the verb."""
    options = parser("models", "Lists the networks of conf/model, at the settings they have there.")
    options.add_argument("--json", action="store_true", help="print a JSON list")
    chosen = options.parse_args(arguments)
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    from oldrestore.runs.networks import list_networks

    networks = list(list_networks())
    if chosen.json:
        print(json.dumps([network.to_json() for network in networks], indent=2))
    else:
        show(networks)
    return 0


def show(networks) -> None:
    """Print the table, and below it the papers and what is missing."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    # A pipe has no width to respect: what reads it wants whole lines.
    if not console.is_terminal:
        console = Console(width=200, highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("GFLOPs at 256", justify="right", no_wrap=True)
    table.add_column("predicts")
    table.add_column("losses that fit")
    for network in networks:
        parameters = "" if network.parameters is None else f"{network.parameters:,}"
        gflops = "" if network.gflops is None else f"{network.gflops:.1f}"
        table.add_row(network.name, parameters, gflops, ", ".join(network.predicts), ", ".join(network.losses))
    console.print(table)
    console.print()
    for network in networks:
        if network.source:
            console.print(f"{network.name}: {network.source}", markup=False)
    for network in networks:
        if network.problem:
            console.print(f"{network.name}: {network.problem}", markup=False)
