"""Finds one setting in the text of a configuration without parsing the rest: a list of a thousand runs asks often."""

from __future__ import annotations

import re
from typing import Any

import yaml

from oldrestore.records.run_yaml import LOADER, refuse_unfolding

# Most values are one word or number on the line of their key, and need no parser.
_PLAIN_WORD = re.compile(r"[A-Za-z_][\w./-]*|\"[\w./-]+\"")
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]*")
_WORDS = {"null": None, "true": True, "false": False}
# What YAML 1.1 reads as something else than a word.
_NOT_WORDS = {"yes", "no", "on", "off", "y", "n"}


def look_up(text: str, name: str) -> Any:
    """Return a setting by its dotted name; None where it is not there.

    Parameters
    ----------
    text : str
        YAML in blocks, as ``config.yaml`` of a run is written: one key a line, deeper ones further in.
    name : str
        ``loss.terms.0.weight``; a section gives a dict.
    """
    parts = name.split(".")
    block = text
    for number, part in enumerate(parts):
        found = _entry(block, part)
        if found is None:
            return None
        inline, block = found
        if inline or block.lstrip().startswith("- "):
            return _within(_parse(inline, block), parts[number + 1 :])
    return _within(_parse("", block), [])


def _entry(block: str, key: str) -> tuple[str, str] | None:
    """Return what stands on the line of a key of the outermost level, and the lines that belong to it."""
    first = re.search(r"^( *)[^\s#]", block, re.MULTILINE)
    if first is None:
        return None
    indent = first[1]
    line = re.search(rf"^{indent}{re.escape(key)}:(?: +(.*))?$", block, re.MULTILINE)
    if line is None:
        return None
    # Deeper lines belong to it, and items of a list, which may stand no deeper than their key.
    end = re.compile(rf"^ {{0,{len(indent)}}}(?![ #\n]|- )", re.MULTILINE).search(block, line.end() + 1)
    return (line[1] or "").strip(), block[line.end() + 1 : end.start() if end else len(block)]


def _parse(inline: str, block: str) -> Any:
    if inline and not block.strip():
        if inline in _WORDS:
            return _WORDS[inline]
        if _PLAIN_WORD.fullmatch(inline) and inline.lower() not in _WORDS.keys() | _NOT_WORDS:
            return inline.strip('"')
        if _WHOLE_NUMBER.fullmatch(inline):
            return int(inline)
    try:
        # A value that goes on in further lines is parsed with them.
        text = f"{inline}\n{block}" if inline else block
        refuse_unfolding(text)
        return yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return None


def _within(value: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
