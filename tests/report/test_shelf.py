"""The index of reports over real HTTP: what it lists, what it escapes, and what nobody gets out of it."""

from __future__ import annotations

import http.client
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from oldrestore.errors import UserError
from oldrestore.report.shelf import find_report, list_reports, reports_folder
from oldrestore.report.shelf_page import address_of, shelf_page, size_in_words
from oldrestore.report.shelf_server import ReportsServer

SECRET = "the contents of a file that is no report"


def page(
    title: str, created: str = "2026-01-02T03:04:05+00:00", runs: str = "12", generator="oldrestore report"
) -> str:
    head = f'<meta name="generator" content="{generator}"><meta name="created" content="{created}">'
    return f'<!doctype html><html><head><title>{title}</title>{head}<meta name="runs" content="{runs}"></head><p>x</p>'


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = reports_folder(tmp_path / "outputs")
    (folder / "deeper").mkdir(parents=True)
    (folder / "one.html").write_text(page("One"))
    (folder / "deeper" / "two ü&?#.html").write_text(page("Two", "2026-02-02T03:04:05+00:00", "1"))
    (folder / "notes.txt").write_text(SECRET)
    (folder / "other.html").write_text(page("Other", generator="somebody else") + SECRET)
    (folder / ".hidden.html").write_text(page("Hidden"))
    (tmp_path / "outputs" / "secret.html").write_text(page("Secret") + SECRET)
    (folder / "link.html").symlink_to(tmp_path / "outputs" / "secret.html")
    (folder / "loop.html").symlink_to(folder / "loop.html")
    return tmp_path / "outputs"


@pytest.fixture
def server(outputs: Path):
    with ReportsServer(outputs) as started:
        yield started


def ask(server: ReportsServer, path: str, method: str = "GET", host: str | None = None):
    """Send a path as it stands, as no browser would; returns status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def test_reports_are_listed_newest_first_with_what_they_say(outputs):
    found = list_reports(reports_folder(outputs))
    assert [(report.name, report.title, report.runs) for report in found] == [
        ("deeper/two ü&?#.html", "Two", 1),
        ("one.html", "One", 12),
    ]
    assert found[1].made == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found[1].size == len(page("One"))
    assert list_reports(outputs / "nothing") == []


def test_a_report_that_says_little_is_known_by_its_file(outputs):
    path = reports_folder(outputs) / "bare.html"
    path.write_text(page(" \n ", "yesterday", "many"))
    os.utime(path, (0, 86_400))
    bare = find_report(path.parent, "bare.html")
    assert (bare.title, bare.runs, bare.made) == ("bare", None, datetime(1970, 1, 2, tzinfo=UTC))
    path.write_text(page("Head") + "<body><svg><title>A chart</title></svg><meta name='runs' content='99'>")
    assert (find_report(path.parent, "bare.html").title, find_report(path.parent, "bare.html").runs) == ("Head", 12)


def test_a_page_that_cannot_be_read_hides_no_other(outputs):
    folder = reports_folder(outputs)
    (folder / "broken.html").write_text("<![nonsense[ <meta" + page("Broken"))
    (folder / "bytes.html").write_bytes(bytes(range(256)) * 100)
    (folder / "empty.html").write_bytes(b"")
    names = [report.name for report in list_reports(folder)]
    assert {"one.html", "deeper/two ü&?#.html"} <= set(names)
    assert not {"bytes.html", "empty.html"} & set(names)


def test_the_index_links_to_what_is_served(server):
    status, headers, body = ask(server, "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert body.index("Two") < body.index("One")
    assert "2026-01-02 03:04 UTC" in body
    assert "12 runs" in body
    assert "1 run ·" in body
    assert 'href="/deeper/two%20%C3%BC%26%3F%23.html"' in body
    for path in ("/one.html", "/one.html?query=1#part", "/deeper/two%20%C3%BC%26%3F%23.html"):
        status, headers, body = ask(server, path)
        assert status == 200
        assert body.startswith("<!doctype html>")
        assert "connect-src" not in headers["Content-Security-Policy"], "default-src 'none' refuses every fetch"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, headers, body = ask(server, "/one.html", "HEAD")
    assert (status, body, int(headers["Content-Length"])) == (200, "", len(page("One")))


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.html",
        "/..%2fsecret.html",
        "/%2e%2e/secret.html",
        "/%2e%2e%2fsecret.html",
        "/%252e%252e%252fsecret.html",
        "/deeper/../../secret.html",
        "/deeper/..%2f..%2fsecret.html",
        "/deeper/../one.html",
        "/./one.html",
        "/..\\secret.html",
        "/%5c..%5csecret.html",
        "/one.html%00",
        "/one.html%00.txt",
        "/one.html/",
        "/notes.txt",
        "/other.html",
        "/.hidden.html",
        "/link.html",
        "/loop.html",
        "/deeper",
        "/deeper/",
        "/%ff%fe.html",
        "/" + "a" * 5000,
    ],
)
def test_nothing_else_is_served(server, path):
    status, _, body = ask(server, path)
    assert status == 404
    assert SECRET not in body
    assert "secret" not in body
    assert "two" not in body, "no listing"


def test_an_absolute_path_is_not_served(server, outputs):
    for path in (str(outputs / "secret.html"), "/" + str(outputs / "secret.html"), "%2f" + str(outputs)[1:]):
        status, _, body = ask(server, path)
        assert status == 404
        assert SECRET not in body


def test_every_answer_has_safe_headers_and_no_version(server):
    for path in ("/", "/one.html", "/none.html", "/favicon.ico"):
        _, headers, _ = ask(server, path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "Python" not in headers["Server"]
    assert ask(server, "/favicon.ico")[0] == 204
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, "/one.html", method)[0] == 501


def test_another_hosts_name_is_refused(server):
    """A page on the web that has its name point to 127.0.0.1 may not read reports."""
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example:8050", ":8050", ""):
        status, _, body = ask(server, "/", host=host)
        assert status == 403
        assert "One" not in body
    for host in (f"localhost:{server.port}", "127.0.0.1:9000", "localhost"):
        assert ask(server, "/", host=host)[0] == 200, "forwarded by ssh to another port"


def test_names_and_titles_are_escaped(outputs, server):
    folder = reports_folder(outputs)
    # The title of a page cannot hold a tag; its escaped form can, and so can a file's name.
    (folder / "<script>alert(1)<\u2044script>.html").write_text(
        page("&lt;script&gt;alert(2)&lt;/script&gt;", "", "<b>")
    )
    (folder / "\"onmouseover='alert(3)'.html").write_text(page('"><img src=x onerror=alert(4)>', "", "1" * 5000))
    os.close(os.open(os.fsencode(folder) + b"/\xff.html", os.O_CREAT))
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.html")).write_text(page("Bytes"))
    _, headers, body = ask(server, "/")
    for raw in ("<script>", "<img", "onmouseover='alert", "<b>"):
        assert raw not in body
    assert "&lt;script&gt;alert(1)" in body
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in body
    assert "script-src" not in headers["Content-Security-Policy"], "no script runs on the index at all"
    for report in list_reports(folder):
        status, _, content = ask(server, address_of(report))
        assert status == 200
        assert content == report.path.read_text()


def test_it_listens_on_loopback_alone_and_frees_its_port(outputs):
    with ReportsServer(outputs) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/"
        listening = [c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert ("127.0.0.1", server.port) in [tuple(address) for address in listening]
        assert {address.ip for address in listening if address.port == server.port} == {"127.0.0.1"}
        with pytest.raises(UserError, match=f"port {server.port} on 127.0.0.1 is in use"):
            ReportsServer(outputs, server.port)
        with ReportsServer(outputs) as other:
            assert other.port != server.port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
    server.stop()
    with ReportsServer(outputs, server.port) as again:
        assert ask(again, "/")[0] == 200


def test_an_open_connection_does_not_hold_the_end_up(outputs):
    with ReportsServer(outputs) as server:
        silent = socket.create_connection(("127.0.0.1", server.port))
    silent.close()


def test_no_reports_says_what_makes_one(tmp_path):
    with ReportsServer(tmp_path) as server:
        status, _, body = ask(server, "/")
        assert status == 200
        assert "oldrestore report --experiment NAME" in body
        # One that is written later is there at the next look.
        reports_folder(tmp_path).mkdir()
        (reports_folder(tmp_path) / "a.html").write_text(page("Later"))
        assert "Later" in ask(server, "/")[2]
    assert "&lt;b&gt;" in shelf_page([], "<b>")


@pytest.mark.parametrize(("size", "words"), [(1, "1 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (4.96e6, "5.0 MB")])
def test_sizes(size, words):
    assert size_in_words(size) == words
