"""The ui verb: three pages that answer on loopback, and nothing left behind, however it is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from oldrestore.cli import main
from oldrestore.tracking import ui as pages


@pytest.mark.parametrize("option", ["--mlflow-port", "--visualdl-port", "--reports-port"])
@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "1e3", "٣", "9" * 5000])
def test_a_port_that_is_none_is_named(tmp_path, capsys, option, value):
    assert main(["ui", f"{option}={value}", f"outputs={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert f"{option}: must be a whole number from 1 to 65535, not '{value}'" in said
    assert len(said.splitlines()) == 1


def test_a_server_that_dies_ends_the_verb(tmp_path, capsys, monkeypatch):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    log = tmp_path / "log"
    log.write_text("it began\nthe disk is full\n")
    process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    process.wait()
    dead = pages.Server("mlflow", "http://127.0.0.1:1/", process, log)
    monkeypatch.setattr(pages, "serve", lambda *_, **__: contextlib.nullcontext((dead,)))
    try:
        assert main(["ui", f"outputs={tmp_path}"]) == 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    out, err = capsys.readouterr()
    assert "reports   http://127.0.0.1:" in out
    assert err == "oldrestore: the mlflow server ended: the disk is full\n"


def lines_until(process: subprocess.Popen, last: str) -> list[str]:
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(last):
            break
    return lines


def family(process: subprocess.Popen) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_three_links_answer_and_a_signal_ends_them_all(tmp_path, number):
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    command = [sys.executable, "-m", "oldrestore", "ui", f"outputs={outputs}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        *links, last = lines_until(process, "Ctrl-C")
        assert last == "Ctrl-C stops them"
        urls = dict(line.split() for line in links)
        assert list(urls) == ["mlflow", "visualdl", "reports"]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for url in urls.values():
            assert url.startswith("http://127.0.0.1:")
            assert opener.open(url, timeout=30).status == 200
        started = family(process)
        assert len(started) >= 3
        ports = {int(url.split(":")[2].split("/")[0]) for url in urls.values()}
        process.send_signal(number)
        assert process.wait(40) == 0
        assert process.stderr.read() == ""
        psutil.wait_procs(started, timeout=5)
        assert not [one for one in started if one.is_running()]
        held = {c.laddr.port for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        assert not ports & held
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_signal_while_it_starts_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "oldrestore", "ui", f"outputs={tmp_path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while len(family(process)) < 2:
            assert time.monotonic() < until, "no server was started"
            time.sleep(0.05)
        started = family(process)
        process.terminate()
        assert process.wait(40) == 0
        assert "http" not in process.stdout.read()
        psutil.wait_procs(started, timeout=5)
        assert not [one for one in started if one.is_running()]
        assert not list(Path(tmp_path).glob("*.html"))
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
