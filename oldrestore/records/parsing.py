"""Reads single files of a run folder, which may come from anyone; an error names what is wrong in one sentence."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from oldrestore.errors import UserError, in_words
from oldrestore.files import write_atomically

LARGEST = 16 * 2**20
QUICK_COPY = "config.json"


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds; `UserError` if the file is missing or damaged."""
    try:
        text = _bytes_of(path)
    except FileNotFoundError:
        raise UserError(f"{path.parent} has no {path.name}") from None
    try:
        content = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it holds a {type(content).__name__}")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration of a run as plain values; `UserError` if it is missing or damaged."""
    path = Path(folder) / "config.yaml"
    try:
        config = _read_yaml(path)
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run folder: it has no config.yaml") from None
    if not isinstance(config, dict):
        raise UserError(f"{path} is not a mapping of names to values")
    return config


def read_overrides(folder: Path) -> list[str]:
    """Return what the user typed; empty if the file is missing, `UserError` if it is damaged."""
    path = Path(folder) / "overrides.yaml"
    overrides = _read_optional_yaml(path, list)
    if not all(isinstance(text, str) for text in overrides):
        raise UserError(f"{path} is damaged: it holds other things than texts")
    return overrides


def read_choices(folder: Path) -> dict[str, str]:
    """Return what was chosen of each group; empty if the file is missing, `UserError` if it is damaged."""
    return _read_optional_yaml(Path(folder) / "choices.yaml", dict)


def _read_optional_yaml(path: Path, kind: type) -> Any:
    try:
        content = _read_yaml(path) or kind()
    except FileNotFoundError:
        return kind()
    if not isinstance(content, kind):
        raise UserError(f"{path} is damaged: it holds a {type(content).__name__}")
    return content


def _read_yaml(path: Path) -> Any:
    import yaml  # not needed to list runs, which is faster without

    from oldrestore.records.run_yaml import load_run_yaml

    content = _bytes_of(path, LARGEST + 1)
    if len(content) > LARGEST:
        raise UserError(f"{path} has more than {LARGEST:,} bytes, which no configuration has")
    try:
        return load_run_yaml(content.decode())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def read_lines(path: Path) -> list[str]:
    """Return the whole lines of a file that grows; none if it is missing."""
    return _whole_text(path).split("\n")[:-1]


def read_table(
    path: Path, kinds: Mapping[str, Callable[[str], Any]], otherwise: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """Return the whole rows of a CSV file that grows; none if it is missing, `UserError` if it is damaged."""
    text = _whole_text(path)
    while text.count('"') % 2:  # a row was torn at a line break within a quoted name
        text = text[: text.rfind("\n", 0, -1) + 1]
    rows: list[dict[str, Any]] = []
    try:
        for row in parse_table(text, kinds, otherwise):
            rows.append(row)
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is damaged after {len(rows)} rows: {error}") from None
    return rows


def parse_table(
    text: str, kinds: Mapping[str, Callable[[str], Any]], otherwise: Callable[[str], Any]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV table; empty cells are None, except in columns of text.

    `kinds` names what reads the cells of a column, and `otherwise` reads the columns that it does not name.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = [(name, kinds.get(name, otherwise)) for name in next(reader, [])]
    for cells in filter(None, reader):
        if len(cells) > len(columns):
            raise ValueError("it has more cells than names")
        cells += [""] * (len(columns) - len(cells))
        pairs = zip(columns, cells, strict=True)
        yield {name: kind(cell) if cell or kind is str else None for (name, kind), cell in pairs}


def _whole_text(path: Path) -> str:
    try:
        content = _bytes_of(path)
    except FileNotFoundError:
        return ""
    try:
        return content[: content.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def write_quick_copy(folder: Path) -> None:
    """Copy ``config.yaml`` and ``choices.yaml`` to ``config.json``, if JSON can hold exactly what they say.

    A list of runs reads the copy fifty times faster. It holds the hash of the files, which are the record.
    """
    try:
        content = {"of": _hash_of(folder), "config": read_config(folder), "choices": read_choices(folder)}
        text = json.dumps(content, ensure_ascii=False)
        if json.loads(text) == content:
            write_atomically(folder / QUICK_COPY, text + "\n")
    except (UserError, TypeError):
        pass  # a list of runs then reads the YAML, or shows nothing


def read_quick_copy(folder: Path) -> dict[str, Any] | None:
    """Return the copy: `config` and `choices`; None if there is none or the YAML files have changed since."""
    try:
        content = json.loads((folder / QUICK_COPY).read_bytes())
        whole = content["of"] == _hash_of(folder) and {type(content[name]) for name in ("config", "choices")} == {dict}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return content if whole else None


def _hash_of(folder: Path) -> str:
    found = hashlib.sha256((folder / "config.yaml").read_bytes())
    choices = folder / "choices.yaml"
    if choices.exists():
        found.update(b"\0" + choices.read_bytes())
    return found.hexdigest()


def _bytes_of(path: Path, length: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(length)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {in_words(error)}") from None
