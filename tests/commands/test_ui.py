"""The ui verb: two pages that answer on loopback, the index of reports, and nothing left behind after it stops."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psutil
import pytest

from oldrestore.tracking import ui as pages


def test_a_server_that_dies_ends_the_verb(tmp_path, cli, monkeypatch):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    log = tmp_path / "log"
    log.write_text("it began\nthe disk is full\n")
    process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    process.wait()
    dead = pages.Server("mlflow", "http://127.0.0.1:1/", process, log)
    monkeypatch.setattr(pages, "serve", lambda *_, **__: contextlib.nullcontext((dead,)))
    try:
        said = cli("ui", f"outputs={tmp_path}", code=1)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert f"reports   {(tmp_path / 'reports' / 'index.html').as_uri()}" in said.out.splitlines()
    assert said.err == "oldrestore: the mlflow server ended: the disk is full\n"


def family(process: subprocess.Popen) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


@pytest.fixture
def served(tmp_path):
    """`oldrestore ui` on an empty folder."""
    command = [sys.executable, "-m", "oldrestore", "ui", f"outputs={tmp_path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_three_links_answer_and_a_signal_ends_them_all(served, number):
    links = list(itertools.takewhile(lambda line: not line.startswith("Ctrl-C"), served.stdout))
    urls = dict(line.split() for line in links)
    assert list(urls) == ["mlflow", "visualdl", "reports"]
    index = Path(url2pathname(urlsplit(urls.pop("reports")).path))
    assert "oldrestore report --experiment NAME" in index.read_text(encoding="utf-8")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url in urls.values():
        assert url.startswith("http://127.0.0.1:")
        assert opener.open(url, timeout=30).status == 200
    started = family(served)
    assert len(started) >= 3
    ports = {int(url.split(":")[2].split("/")[0]) for url in urls.values()}
    served.send_signal(number)
    assert served.wait(40) == 0
    assert served.stderr.read() == ""
    assert not psutil.wait_procs(started, timeout=5)[1]
    held = {c.laddr.port for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert not ports & held


@pytest.mark.slow
def test_a_signal_while_it_starts_leaves_nothing(served, tmp_path):
    until = time.monotonic() + 60
    while len(family(served)) < 2:
        assert time.monotonic() < until, "no server was started"
        time.sleep(0.05)
    started = family(served)
    served.terminate()
    assert served.wait(40) == 0
    assert "http" not in served.stdout.read()
    assert not psutil.wait_procs(started, timeout=5)[1]
    assert not list(tmp_path.glob("*.html"))
