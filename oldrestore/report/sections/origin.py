"""Where runs come from: what all share once, and what differs as columns; and the commands that repeat them."""

from __future__ import annotations

from typing import Any

from oldrestore.report.contents import Group
from oldrestore.report.origin import Origin
from oldrestore.report.section import Section, View

SPLITS = {"train": "training photographs", "val": "validation photographs", "judged": "judged photographs"}


def origin(view: View) -> Section:
    """Make the section."""
    body = view.render("origin", origins=_parts(view.group))
    return Section("origin", "Where the runs come from", body, link="Provenance")


def _parts(group: Group) -> dict[str, Any]:
    """Return ``shared`` (name, value), ``columns``, and for each run its ``values`` of them and its commands."""
    facts = [_facts(origin) for origin in group.origins]
    names = list(dict.fromkeys(name for each in facts for name in each))
    shared = [(name, facts[0][name]) for name in names if len({each.get(name) for each in facts}) == 1]
    columns = [name for name in names if name not in dict(shared)]
    runs = []
    for origin, each in zip(group.origins, facts, strict=True):
        runs.append(
            {
                "run": origin.run_id,
                "design": origin.design,
                "seed": origin.seed,
                "state": origin.state,
                "started": (origin.started or "")[:16].replace("T", " "),
                "seconds": "" if origin.seconds is None else f"{origin.seconds:.0f}",
                "values": [each.get(name, "") for name in columns],
                "reproduce": origin.reproduce,
                "typed": f"oldrestore train {origin.typed}" if origin.typed else "",
            }
        )
    return {"shared": shared, "columns": columns, "runs": runs}


def _facts(origin: Origin) -> dict[str, str]:
    facts: dict[str, str] = {}
    protocol = origin.protocol
    version = f", version {protocol['version']}" if protocol.get("version") is not None else ""
    facts["protocol"] = f"{protocol.get('name') or 'unnamed'}{version}, hash {str(protocol['hash'])[:12]}"
    for split, name in SPLITS.items():
        described = origin.photographs.get(split)
        if described:
            print_ = str(described.get("fingerprint") or "none")[:12]
            facts[name] = f"{described.get('count')} of {described.get('source')}, fingerprint {print_}"
    if origin.judge:
        facts["judge"] = f"{origin.judge.get('name')}, fingerprint {str(origin.judge.get('fingerprint'))[:12]}"
    facts["commit"] = origin.commit or "not recorded"
    if origin.dirty is not None:
        facts["uncommitted changes"] = (
            f"yes, kept as a patch ({origin.patch_sha256[:12]})"
            if origin.dirty and origin.patch_sha256
            else "yes"
            if origin.dirty
            else "no"
        )
    if origin.code_hash:
        facts["code"] = f"hash {origin.code_hash[:12]}"
    facts |= {f"{name} version": value for name, value in origin.versions.items()}
    facts |= origin.machine
    facts |= {f"package {name}": value for name, value in origin.packages.items()}
    return facts
