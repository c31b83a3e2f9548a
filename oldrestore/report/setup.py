"""What was compared, on top of the page: network, dataset, photographs, iterations, seeds and budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oldrestore.comparison.compare import Compared
from oldrestore.errors import UserError
from oldrestore.records.run import Run

MOST = 4  # values that are listed one by one


def setup_of(compared: Compared) -> dict[str, str]:
    """Facts about all runs of a comparison by name; what runs do not record is left out."""
    runs = [run for design in compared.designs for run in design.runs]
    trainings = [training for run in runs if (training := _training_of(run)) is not None]
    facts = {
        "network": _listed(trainings, lambda run: _choice(run, "model")),
        "dataset": _listed(trainings, lambda run: _choice(run, "dataset")),
        "photographs": _photographs(compared, trainings),
        "iterations": _iterations(trainings),
        "seeds": _seeds(compared),
        "budget": _budget(compared, trainings),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _training_of(run: Run) -> Run | None:
    try:
        return run.training if run.training.config else None
    except UserError:  # a weights file was evaluated
        return None


def _choice(run: Run, group: str) -> str | None:
    target = (run.config.get(group) or {}).get("_target_")
    return run.choices.get(group) or (target.rpartition(".")[2] if isinstance(target, str) else None)


def _listed(runs: Sequence[Run], of: Callable[[Run], Any]) -> str:
    values = list(dict.fromkeys(str(value) for run in runs if (value := of(run)) is not None))
    return ", ".join(values[:MOST]) + (f" and {len(values) - MOST} more" if len(values) > MOST else "")


def _photographs(compared: Compared, trainings: Sequence[Run]) -> str:
    counts = sorted({data["count"] for run in trainings if (data := run.data.get("train") or {}).get("count")})
    parts = [f"{_range(counts)} to train on"] if counts else []
    measured = compared.measured_on
    if (measured.get("val") or {}).get("count"):
        parts.append(f"{measured['val']['count']} to validate")
    if (measured.get("judged") or {}).get("count"):
        judges = [(measured.get("judge") or {}).get("name"), *measured.get("further_judges", ())]
        by = f" by {' and '.join(filter(None, judges))}" if any(judges) else ""
        parts.append(f"{measured['judged']['count']} judged{by}")
    return ", ".join(parts)


def _iterations(trainings: Sequence[Run]) -> str:
    settings = [run.config.get("trainer") or {} for run in trainings]
    iterations = sorted({one["max_iterations"] for one in settings if one.get("max_iterations")})
    batches = sorted({one["batch_size"] for one in settings if one.get("batch_size")})
    if not iterations:
        return ""
    return _range(iterations) + (f", batches of {_range(batches)}" if batches else "")


def _seeds(compared: Compared) -> str:
    counts = sorted({len(design.runs) for design in compared.designs})
    seeds = sorted({seed for design in compared.designs for seed in design.seeds if seed is not None})
    named = f" ({', '.join(map(str, seeds))})" if 0 < len(seeds) <= 2 * MOST else ""
    each = " for each design" if len(compared.designs) > 1 else ""
    return f"{_range(counts)}{each}{named}"


def _budget(compared: Compared, trainings: Sequence[Run]) -> str:
    """Time of all trainings, and that of one; how many there are."""
    unique = list({run.folder: run for run in trainings}.values())
    seconds = [float(value) for run in unique if (value := run.get("time/training_seconds")) is not None]
    if not seconds:
        return ""
    device = _listed(unique, lambda run: _provenance(run).get("device"))
    on = f" on {device}" if device else ""
    if len(seconds) == 1:
        return f"{_time(seconds[0])}{on}"
    return f"{_time(sum(seconds))}{on}: {len(seconds)} runs of {_time(sum(seconds) / len(seconds))} on average"


def _provenance(run: Run) -> dict[str, Any]:
    try:
        return run.provenance
    except UserError:
        return {}


def _range(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _time(seconds: float) -> str:
    """Hours and minutes; minutes and seconds below an hour."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"
