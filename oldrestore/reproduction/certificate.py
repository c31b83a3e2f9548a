"""What a reproduction found, as a certificate in Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oldrestore.files import write_atomically
from oldrestore.tables import markdown_table

DISTANCES = ("differing", "largest difference", "relative")
LONGEST_PATCH = 20_000  # characters of changes that are printed; the run folder has all of them


def as_markdown(certificate: Mapping[str, Any]) -> str:
    """Return a certificate (`oldrestore.reproduction.reproduce.Reproduction.to_json`) for people."""
    comparison, code = certificate["comparison"], certificate["code"]
    lines = [
        f"# Reproduction of {certificate['run_id']}",
        "",
        f"**{certificate['in_words']}**",
        "",
        f"- The run: {certificate['origin']}, `{certificate['experiment']}/{certificate['run_id']}`"
        + (f", MLflow {certificate['mlflow_run_id']}" if certificate["mlflow_run_id"] else ""),
        f"- Carried out again: `{certificate['new_folder']}`, {certificate['time']}",
        f"- Iterations: {certificate['iterations']} of {certificate['max_iterations']}",
        f"- How they ended: {certificate['state_then'] or 'not recorded'} then, {certificate['state_now']} now",
        f"- Photographs: {certificate['data_in_words']}",
        *(f"- Moved: `{name}` was `{then}`, is `{now}`" for name, (then, now) in certificate["places"].items()),
        f"- Code: {code['in_words']}" + (" (from a worktree made for it)" if certificate["worktree"] else ""),
        f"- Tolerance: {comparison['tolerance']:g} of the largest value of each metric and tensor",
        "",
    ]
    lines += _metrics(comparison) + _weights(comparison)
    if comparison["not_compared"]:
        lines += ["Not compared:", "", *(f"- {line}" for line in comparison["not_compared"]), ""]
    lines += _environment(certificate["environment"]) + _changes(code)
    return "\n".join(lines).rstrip() + "\n"


def write_certificate(path: Path, certificate: Mapping[str, Any]) -> None:
    """Write it as ``.json`` or ``.md``, as the name of the file says."""
    text = as_markdown(certificate)
    if path.suffix.lower() == ".json":
        text = json.dumps(certificate, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text)


def _metrics(comparison: Mapping[str, Any]) -> list[str]:
    rows = []
    for metric in comparison["metrics"]:
        lone = f" + {metric['only_one']} in one run only" if metric["only_one"] else ""
        rows.append([metric["name"], metric["points"], f"{metric['differing']}{lone}", *_distances(metric)])
    return ["## Metrics", "", markdown_table(["metric", "values", *DISTANCES], rows), ""]


def _weights(comparison: Mapping[str, Any]) -> list[str]:
    if not comparison["weights"]:
        return []
    rows = []
    for weights in comparison["weights"]:
        differing = f"{weights['differing']} (most: {weights['worst']})" if weights["differing"] else "0"
        rows.append([weights["checkpoint"], weights["tensors"], differing, *_distances(weights)])
    return ["## Weights", "", markdown_table(["checkpoint", "tensors", *DISTANCES], rows), ""]


def _environment(differences: Mapping[str, Any]) -> list[str]:
    if not differences:
        return ["## Environment", "", "Python, packages, machine, threads and flags are the same.", ""]
    rows = [[name, *("none" if value is None else str(value) for value in pair)] for name, pair in differences.items()]
    return ["## Environment", "", markdown_table(["", "then", "now"], rows), ""]


def _changes(code: Mapping[str, Any]) -> list[str]:
    if code["same"] or not code["files"]:
        return []
    lines = ["## Files that differ", "", *(f"- {name}" for name in code["files"]), ""]
    text = "".join(section for section in code["changed"].values() if "\nGIT binary patch\n" not in section)
    if text:
        cut = text[:LONGEST_PATCH]
        lines += ["Uncommitted now:", "", "```diff", cut.rstrip("\n"), "```"]
        lines += ["(cut: provenance.json has all of it)"] if len(cut) < len(text) else []
    return lines


def _distances(compared: Mapping[str, Any]) -> list[str]:
    values = compared["largest"], compared["relative"]
    return [value if isinstance(value, str) else f"{value:.3g}" for value in values]
