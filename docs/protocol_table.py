"""Writes the table of pinned settings in docs/protocols.md from the protocols themselves.

python docs/protocol_table.py            # rewrites the table
python docs/protocol_table.py --check    # exit code 1 where it is not what the protocols say
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from oldrestore.config.location import configuration_root
from oldrestore.config.roles import Role, role_of
from oldrestore.evaluation.protocol import FIXED, Protocol, protocol_settings
from oldrestore.scoring.protocols import shipped_evaluation

PAGE = Path(__file__).with_name("protocols.md")
BEGIN, END = "<!-- written by docs/protocol_table.py -->", "<!-- end -->"
REBALANCED = {
    "measured": "prior of the photographs measured",
    "training": "prior of the run's training photographs",
    "published": "published prior of ImageNet (a file of yours)",
}


def table() -> str:
    """Return the tables: one row a protocol, its evaluators' settings, and what all have in common."""
    names = sorted(path.stem for path in (configuration_root() / "conf" / "evaluation").glob("*.yaml"))
    head = ["protocol", "version", "hash", "photographs", "n", "network sees", "rebalanced AuC", "judged", "judge"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    further = ["| protocol | evaluator | pinned |", "|---|---|---|"]
    for name in names:
        shipped = shipped_evaluation(name)
        evaluation = shipped["evaluation"]
        own = Protocol(name, evaluation["version"], protocol_settings(shipped))
        lines.append("| " + " | ".join([f"`{name}`", str(own.version), f"`{own.hash[:8]}`", *_row(shipped)]) + " |")
        for evaluator, node in evaluation["evaluators"].items():
            at = f"evaluation.evaluators.{evaluator}"
            kept = {k: v for k, v in node.items() if k != "_target_" and Role.SCORE in role_of(f"{at}.{k}")}
            pinned = ", ".join(f"{k} {_short(v)}" for k, v in kept.items())
            further.append(f"| `{name}` | `{evaluator}` ({node['_target_'].rpartition('.')[2]}) | {pinned} |")
    common = [f"- {what}: {words}" for what, words in FIXED.items()]
    return "\n".join([*lines, "", *further, "", "In all of them:", "", *common])


def _row(shipped: dict[str, Any]) -> list[str]:
    evaluation, crops = shipped["evaluation"], shipped["evaluation"].get("crops")
    if crops is not None:
        cut = f"{crops['size']} x {crops['size']}, {_fit(crops['fit'])}, {crops['filter']}"
    else:
        own = shipped["dataset"]["crops"]
        cut = f"as `dataset.crops`: {own['evaluation_size']} by default, {_fit(own['fit'])}, bicubic"
    if not evaluation["color"]:
        return [cut, str(evaluation.get("count") or "any"), *["-"] * 4]
    judged, judge = evaluation["judged"], shipped["judge"]
    looked_at = "-"
    if judged is not None:
        source = "the same" if judged == "dataset" else f"`{judged['_target_'].rpartition('.')[2]}`"
        looked_at = f"{source}, split {evaluation['judged_split']}"
    called = judge.get("variant") or ""
    who = (
        "-"
        if judged is None and evaluation["name"] != "agreement"
        else f"{judge['_target_'].rpartition('.')[2]} {called}".strip()
    )
    return [
        cut,
        str(evaluation.get("count") or "any"),
        f"{evaluation['size']}, {_fit(evaluation['fit'])}",
        REBALANCED[evaluation.get("rebalancing", "measured")],
        looked_at,
        who,
    ]


def _fit(fit: str) -> str:
    return "squashed" if fit == "squash" else "shorter side"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        if "_target_" in value:
            return value["_target_"].rpartition(".")[2]
        return "{" + ", ".join(f"{k}: {_short(v)}" if not isinstance(v, dict) else k for k, v in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def page_with(text: str) -> str:
    """Return the page with its table replaced."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    wanted = page_with(table())
    if "--check" in sys.argv:
        sys.exit(int(wanted != PAGE.read_text()))
    PAGE.write_text(wanted)
