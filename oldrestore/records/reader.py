"""Reads run folders, also those of runs that still go on or that died in the middle of a line."""

from __future__ import annotations

import csv
import io
import json
import operator
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oldrestore.errors import UserError
from oldrestore.files import whole_lines, whole_text
from oldrestore.plain import decode_float
from oldrestore.records.processes import process_ticks

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Curve:
    """One scalar over a run.

    Attributes
    ----------
    iterations : int64 (N,)
        In the order written, which is increasing: what a resumed run trains again is not in the file.
    values : float64 (N,)
        Bit for bit as logged.
    seconds : float64 (N,)
        Of the run so far when the line was written, earlier attempts of a resumed run included.
    """

    iterations: np.ndarray
    values: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.values)


def read_metrics(folder: Path) -> dict[str, Curve]:
    """Return every scalar of a run by name, in the order the names first appear.

    Parameters
    ----------
    folder : Path
        The run folder; without ``metrics.jsonl`` the result is empty.

    Raises
    ------
    UserError
        A complete line is not what a run writes; the message says which.
    """
    import numpy as np  # a list of runs does without, and is the quicker for it

    path = Path(folder) / "metrics.jsonl"
    points: dict[str, list[tuple[int, float, float]]] = {}
    for number, line in enumerate(_lines_of(path), start=1):
        try:
            record = json.loads(line)
            for name, value in record["values"].items():
                point = (operator.index(record["iteration"]), decode_float(value), float(record["time"]))
                points.setdefault(name, []).append(point)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UserError(f"{path} line {number} is damaged: {error}") from None
    return {
        name: Curve(
            np.array([p[0] for p in curve], np.int64),
            np.array([p[1] for p in curve], np.float64),
            np.array([p[2] for p in curve], np.float64),
        )
        for name, curve in points.items()
        if curve
    }


def read_status(folder: Path) -> dict[str, Any]:
    """Return ``status.json`` with one key added: `alive`, as `is_alive` says.

    Raises
    ------
    UserError
        The file is missing or damaged.
    """
    status = _read_json(Path(folder) / "status.json")
    status["alive"] = is_alive(status)
    return status


def is_alive(status: dict[str, Any]) -> bool | None:
    """Say whether the process of a "running" status lives: None where that cannot be known from here.

    A process identifier alone is not enough, since numbers are used again: the start of the process must agree, in
    ticks since the machine was booted; where nobody counted them, in time to 5 s (clocks are adjusted). From another
    host nothing is known. A run that ended is not alive.
    """
    if status.get("state") != "running":
        return False
    if status.get("host") != socket.gethostname() or "pid" not in status:
        return None
    import psutil

    pid, started = status["pid"], status.get("process_started", 0.0)
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return None
    try:
        process = psutil.Process(pid)
        then, now = status.get("process_ticks"), process_ticks(pid)
        same = abs(process.create_time() - started) < 5.0 if None in (then, now) else then == now
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # the latter two: no number that a process can have
        return False
    except psutil.AccessDenied:
        return None


def state_in_words(status: dict[str, Any]) -> str:
    """Return the state as a list of runs shows it: ``finished``, ``running (process gone)``, ..."""
    state = status.get("state", "unknown")
    alive = status["alive"] if "alive" in status else is_alive(status)
    if state == "running" and alive is False:
        return "running (process gone)"
    if state == "running" and alive is None:
        return f"running (on {status.get('host', 'an unknown host')})"
    return state


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration as plain dicts and lists.

    Raises
    ------
    UserError
        ``config.yaml`` is missing or is not a YAML mapping.
    """
    import yaml

    from oldrestore.records.run_yaml import load_run_yaml

    path = Path(folder) / "config.yaml"
    try:
        config = load_run_yaml(path)
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run folder: it has no config.yaml") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path} is not a mapping of names to values")
    return config


def read_overrides(folder: Path) -> list[str]:
    """Return what the user typed; empty where the file is missing, `UserError` where it is damaged."""
    path = Path(folder) / "overrides.yaml"
    return list(_read_yaml(path, list)) if path.exists() else []


def read_choices(folder: Path) -> dict[str, str]:
    """Return what each group chose (``{"loss": "focal"}``); empty for folders that do not say."""
    path = Path(folder) / "choices.yaml"
    return dict(_read_yaml(path, dict)) if path.exists() else {}


def read_provenance(folder: Path) -> dict[str, Any]:
    """Return ``provenance.json``; raises `UserError` where it is missing or damaged."""
    return _read_json(Path(folder) / "provenance.json")


def read_data(folder: Path) -> dict[str, Any]:
    """Return ``data.json``; raises `UserError` where it is missing or damaged."""
    return _read_json(Path(folder) / "data.json")


def read_accuracy(folder: Path) -> list[dict[str, float | int | None]]:
    """Return the rows of ``accuracy.csv``; counts as int, the rest as float, empty cells as None."""
    return _read_table(
        Path(folder) / "accuracy.csv",
        {"trained_iterations": int, "iteration": int, "n": int},
        otherwise=float,
    )


def read_per_image(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of ``per_image.csv``; `value` and `weight` as float, `trained_iterations` as int."""
    return _read_table(
        Path(folder) / "per_image.csv",
        {"trained_iterations": int, "value": float, "weight": float},
        otherwise=str,
    )


def _read_table(
    path: Path, kinds: dict[str, Callable[[str], Any]], otherwise: Callable[[str], Any]
) -> list[dict[str, Any]]:
    rows = []
    try:
        for row in csv.DictReader(io.StringIO(_whole_rows(path), newline=""), restkey="", strict=True):
            if "" in row:
                raise ValueError("it has more cells than names")
            rows.append(
                {name: None if cell in ("", None) else kinds.get(name, otherwise)(cell) for name, cell in row.items()}
            )
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is damaged after {len(rows)} rows: {error}") from None
    return rows


def _whole_rows(path: Path) -> str:
    text = whole_text(path)
    while text.count('"') % 2:  # a row was torn at a line break within a quoted name
        text = text[: text.rfind("\n", 0, -1) + 1]
    return text


def _lines_of(path: Path) -> list[str]:
    try:
        return whole_lines(path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _read_yaml(path: Path, kind: type) -> Any:
    import yaml

    from oldrestore.records.run_yaml import load_run_yaml

    try:
        content = load_run_yaml(path)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content or kind(), kind):
        raise UserError(f"{path} is damaged: it holds a {type(content).__name__}")
    return content or kind()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.parent} has no {path.name}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it holds a {type(content).__name__}")
    return content
