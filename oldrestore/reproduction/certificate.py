"""What a reproduction found, as a certificate in Markdown or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oldrestore.plain import encode_float

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
    lines += _metrics(comparison)
    lines += _weights(comparison)
    lines += _not_compared(comparison)
    lines += _environment(certificate["environment"])
    lines += _changes(code)
    return "\n".join(lines).rstrip() + "\n"


def write_certificate(path: Path, certificate: Mapping[str, Any]) -> None:
    """Write it as ``.json`` or ``.md``, as the name of the file says."""
    import json

    from oldrestore.files import write_atomically

    text = as_markdown(certificate)
    if path.suffix.lower() == ".json":
        text = json.dumps(certificate, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text)


def _metrics(comparison: Mapping[str, Any]) -> list[str]:
    lines = [
        "## Metrics",
        "",
        "| metric | values | differing | largest difference | relative |",
        "|---|---|---|---|---|",
    ]
    for metric in comparison["metrics"]:
        differing = str(metric["differing"])
        if metric["only_one"]:
            differing += f" + {metric['only_one']} in one run only"
        lines.append(
            f"| {metric['name']} | {metric['points']} | {differing} | {_short(metric['largest'])} | "
            f"{_short(metric['relative'])} |"
        )
    return [*lines, ""]


def _weights(comparison: Mapping[str, Any]) -> list[str]:
    if not comparison["weights"]:
        return []
    lines = ["## Weights", "", "| checkpoint | tensors | differing | largest difference | relative |"]
    lines.append("|---|---|---|---|---|")
    for weights in comparison["weights"]:
        differing = f"{weights['differing']} (most: {weights['worst']})" if weights["differing"] else "0"
        lines.append(
            f"| {weights['checkpoint']} | {weights['tensors']} | {differing} | {_short(weights['largest'])} | "
            f"{_short(weights['relative'])} |"
        )
    return [*lines, ""]


def _not_compared(comparison: Mapping[str, Any]) -> list[str]:
    if not comparison["not_compared"]:
        return []
    return ["Not compared:", "", *(f"- {line}" for line in comparison["not_compared"]), ""]


def _environment(differences: Mapping[str, Any]) -> list[str]:
    if not differences:
        return ["## Environment", "", "Python, packages, machine, threads and flags are the same.", ""]
    lines = ["## Environment", "", "| | then | now |", "|---|---|---|"]
    for name, (then, now) in differences.items():
        lines.append(f"| {name} | {'none' if then is None else then} | {'none' if now is None else now} |")
    return [*lines, ""]


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


def _short(value: float | str) -> str:
    number = encode_float(value) if not isinstance(value, str) else value
    return number if isinstance(number, str) else f"{number:.3g}"
