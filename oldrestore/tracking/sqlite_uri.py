"""Converts between SQLite files and the URIs that SQLAlchemy reads, whatever the folders are called."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

# In a URI, the first begins a query and the second encodes another character.
SPECIAL = re.compile("[?%]")
_WRITTEN = re.compile(r"sqlite(?:\+\w+)?:///(?P<file>[^?]+)(?:\?(?P<query>.*))?", re.DOTALL)


def sqlite_uri(path: Path) -> str:
    """Return the URI of an SQLite file: ``sqlite:////runs/mlflow.db``.

    A path with ``?`` or ``%`` is percent-encoded. It then begins with ``sqlite+pysqlite:``, which is the same driver:
    for ``sqlite:///PATH``, MLflow would create the folder of PATH as it is written, encoded.
    """
    text = os.fspath(Path(path).absolute())
    if not SPECIAL.search(text):
        return f"sqlite:///{text}"
    encoded = quote(os.fsencode(text))
    # SQLite decodes what SQLAlchemy 2.0 does not.
    return f"sqlite+pysqlite:///{encoded}" if is_decoded() else f"sqlite+pysqlite:///file:{encoded}?uri=true"


def sqlite_path(uri: str) -> Path | None:
    """Return the file that SQLAlchemy opens for an SQLite URI; None for any other URI."""
    written = _WRITTEN.fullmatch(uri)
    if written is None:
        return None
    file = written["file"]
    if file.startswith("file:") and parse_qs(written["query"] or "").get("uri") == ["true"]:
        return Path(unquote(file.removeprefix("file:"), errors="surrogateescape"))
    return Path(unquote(file, errors="surrogateescape") if "%" in file and is_decoded() else file)


@cache
def is_decoded() -> bool:
    """Whether this SQLAlchemy decodes the path of a URI, as it does since 2.1."""
    from sqlalchemy.engine import make_url

    return make_url("sqlite:////a%25b").database == "/a%b"
