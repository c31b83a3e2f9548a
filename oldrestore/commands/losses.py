"""``oldrestore losses``: lists the losses, what they read and need, which models fit, and their sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from oldrestore import runtime
from oldrestore.commands.arguments import add_plugins, parser
from oldrestore.tables import listing_console, print_listing

EPILOG = "How to add one: docs/add_a_loss.md. A sum of several: loss=siggraph17_full is one."


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("losses", "Lists the losses of conf/loss, with the settings of their files.", EPILOG)
    add_plugins(options)
    form = options.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON list")
    form.add_argument("--markdown", action="store_true", help="print the table of docs/losses.md")
    chosen = options.parse_args(arguments)
    runtime.prepare()
    runtime.quiet_import_of_paddle()

    from oldrestore.catalogue.losses import list_losses, markdown_table

    losses = list(list_losses())
    if chosen.json:
        print(json.dumps([asdict(loss) for loss in losses], indent=2))
    elif chosen.markdown:
        print(markdown_table(losses), end="")
    else:
        show(losses)
    return 0


def show(losses) -> None:
    """Print the table, and below it what is missing."""
    console = listing_console()
    lists = [[", ".join(names) for names in (loss.reads, loss.needs, loss.models)] for loss in losses]
    rows = [(loss.name, *texts, loss.source) for loss, texts in zip(losses, lists, strict=True)]
    if not print_listing(console, ("loss", "reads", "needs", "models that fit", "source"), rows):
        console.print("\nsources")
        for row in rows:
            console.print(f"{row[0]}: {row[-1]}", markup=False)
    problems = [f"{loss.name}: {loss.problem}" for loss in losses if loss.problem]
    if problems:
        console.print("\n" + "\n".join(problems), markup=False)
