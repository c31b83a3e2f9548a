"""Reads the YAML files that people write; an error is one sentence with the line."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from oldrestore.errors import UserError, in_words


def read_yaml(path: Path) -> DictConfig:
    """Return the names and values of a YAML file, with interpolations unresolved; often there are none."""
    return mapping_of(read_text(path), path)


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without the byte order mark that some editors put first."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"'{shown(path)}' cannot be read: {in_words(error)}") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"'{shown(path)}' cannot be read: it is UTF-16, save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"'{shown(path)}' cannot be read: line {line} is not UTF-8, save the file as UTF-8") from None


def mapping_of(text: str, path: Path) -> DictConfig:
    """Parse the text of a YAML file; `path` is for messages."""
    try:
        config = OmegaConf.load(io.StringIO(text))
    except (YAMLError, OmegaConfBaseException, ValueError, OSError, RecursionError) as error:
        raise UserError(f"'{shown(path)}' cannot be read: {_complaint(error, text)}") from None
    if not isinstance(config, DictConfig):
        raise UserError(f"'{shown(path)}' cannot be read: it holds a list where lines of NAME: VALUE should be")
    return config


def shown(path: Path) -> str:
    """Return a path as it is typed from the working folder: relative if it is inside, else unchanged."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _complaint(error: Exception, text: str) -> str:
    if isinstance(error, RecursionError):
        return "it holds itself, or lists within lists too deep"
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line} has the character U+{ord(text[error.position]):04X}, which YAML does not allow"
    if isinstance(error, MarkedYAMLError):
        return _marked(error, text)
    if isinstance(error, GrammarParseError):
        return "it has a ${ that is not closed, or does not hold a name"
    if isinstance(error, OSError):  # raised by OmegaConf for a single number
        return "it holds a single value where lines of NAME: VALUE should be"
    return str(error).strip().partition("\n")[0]


def _marked(error: MarkedYAMLError, text: str) -> str:
    """Say what is wrong and where, in the words of the author rather than of the parser."""
    mark = error.problem_mark or error.context_mark
    opened = error.context_mark or mark
    context, problem = error.context or "", error.problem or "it is not YAML"
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    if "'\\t'" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return f"line {mark.line + 1} has a tab, use spaces"
    if "quoted scalar" in context:
        return f"line {opened.line + 1} opens a quote that is not closed"
    if context.startswith("while parsing a flow"):
        return f"line {opened.line + 1} opens a bracket that is not closed, or lacks a comma"
    if problem.startswith("found duplicate key"):
        return f"line {mark.line + 1} gives {problem.removeprefix('found duplicate key ')} again"
    if problem.startswith("mapping values are not allowed"):
        return f"line {mark.line + 1} has a ':' too many, quote the value or fix the indentation"
    if problem.startswith("expected <block end>"):
        return f"line {mark.line + 1} does not fit the indentation of the lines before it"
    if problem == "but found another document":
        return f"line {mark.line + 1} begins a second document, only one is read"
    where = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{where}{problem}"
