"""Names an SQLite file as SQLAlchemy reads it, whatever its folders are called, and finds the file again."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

# In a URI the first begins a query and the second stands for another character.
SPECIAL = re.compile("[?%]")
_WRITTEN = re.compile(r"sqlite(?:\+\w+)?:///(?P<file>[^?]+)(?:\?(?P<query>.*))?", re.DOTALL)


def sqlite_uri(path: Path) -> str:
    """Return the URI of an SQLite file: ``sqlite:////runs/mlflow.db``.

    A path with ``?`` or ``%`` is percent-encoded. It then begins with ``sqlite+pysqlite:``, which is the same driver:
    of ``sqlite:///PATH``, MLflow makes the folder of PATH as it is written, encoded or not.
    """
    text = os.fspath(Path(path).absolute())
    if not SPECIAL.search(text):
        return f"sqlite:///{text}"
    encoded = quote(os.fsencode(text))
    # What SQLAlchemy 2.0 does not decode, SQLite itself does.
    return f"sqlite+pysqlite:///{encoded}" if _is_decoded() else f"sqlite+pysqlite:///file:{encoded}?uri=true"


def sqlite_path(uri: str) -> Path | None:
    """Return the file that SQLAlchemy opens for an SQLite URI; None for any other URI."""
    written = _WRITTEN.fullmatch(uri)
    if written is None:
        return None
    file = written["file"]
    if file.startswith("file:") and parse_qs(written["query"] or "").get("uri") == ["true"]:
        return Path(unquote(file.removeprefix("file:"), errors="surrogateescape"))
    return Path(unquote(file, errors="surrogateescape") if "%" in file and _is_decoded() else file)


@cache
def _is_decoded() -> bool:
    """Whether this SQLAlchemy decodes the path of a URI: since 2.1 it does."""
    from sqlalchemy.engine import make_url

    return make_url("sqlite:////a%25b").database == "/a%b"
