"""Whatever a folder is called, SQLAlchemy and MLflow open the file that is meant, and make nothing beside it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from oldrestore.tracking import sqlite_uri as module
from oldrestore.tracking.mlflow_store import resolve_uri
from oldrestore.tracking.sqlite_uri import sqlite_path, sqlite_uri

NAMES = ["plain", "a b", "a%20b", "a#b", "a?b", "a?b%20c#d", "ä;:@&=+,x", "a[b]'\"", "file:x?uri=true"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_that_is_named_is_opened(name, tmp_path):
    path = tmp_path / name / "x.db"
    path.parent.mkdir()
    uri = sqlite_uri(path)
    assert sqlite_path(uri) == path
    assert resolve_uri(uri, tmp_path) == uri
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    engine.dispose()
    assert [p.relative_to(tmp_path) for p in tmp_path.rglob("*")] == [Path(name), Path(name, "x.db")]


def test_sqlalchemy_2_0_is_told_in_its_own_way(monkeypatch):
    monkeypatch.setattr(module, "is_decoded", lambda: False)
    assert sqlite_uri(Path("/a?b%20c#d/x.db")) == "sqlite+pysqlite:///file:/a%3Fb%2520c%23d/x.db?uri=true"
    assert sqlite_path("sqlite+pysqlite:///file:/a%3Fb%2520c%23d/x.db?uri=true") == Path("/a?b%20c#d/x.db")
    assert sqlite_path("sqlite:////a%20b/x.db") == Path("/a%20b/x.db")
    monkeypatch.setattr(module, "is_decoded", lambda: True)
    assert sqlite_path("sqlite:////a%20b/x.db?timeout=3") == Path("/a b/x.db")
    assert sqlite_path("postgresql:///x.db") is None
