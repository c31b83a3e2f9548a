"""``oldrestore doctor``: what this machine has, what is slow or missing, and how to fix it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from oldrestore import runtime
from oldrestore.commands.arguments import parser

MARKS = {"ok": "[green]ok[/green]", "slow": "[yellow]slow[/yellow]", "missing": "[red]missing[/red]"}


def run(arguments: Sequence[str]) -> int:
    """Run the command; the exit code is 1 if something that a run needs is missing."""
    options = parser("doctor", "Says what this machine has, what is slow or missing, and how to fix it.")
    options.flag("--measure", does="also time matrix products and a convolution (a few seconds)")
    options.flag("--json", does="print a JSON list")
    chosen = options.parse_args(arguments)
    set_here = runtime.prepare()

    from oldrestore.catalogue.doctor import examine

    findings = list(examine(set_here, chosen.measure))
    if chosen.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        show(findings)
    return 1 if any(finding.verdict == "missing" for finding in findings) else 0


def show(findings) -> None:
    """Print the findings, each problem followed by the line that fixes it."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = MARKS[finding.verdict] + " " * (7 - len(finding.verdict))
        console.print(f"{mark}  {finding.what:<{width}}  {escape(finding.found)}")
        if finding.mend:
            console.print(f"{'':<7}  {'':<{width}}  [bold]{escape(finding.mend)}[/bold]")
