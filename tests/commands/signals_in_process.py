"""Ctrl-C and SIGTERM within a process; `test_stopping_and_going_on` runs this file in one of its own.

Now and then Paddle (3.3.1) crashed while it traced a network in a process in which these had run before; a program that
was stopped ends, and traces nothing.
"""

from __future__ import annotations

import json
import signal

import pytest

from oldrestore.cli import main
from oldrestore.runs.inference import each_photo
from oldrestore.runs.inference.stopping import held, paddle_imported_and_sigterm_as_ctrl_c
from tests.commands.test_stopping_and_going_on import album, arguments, files_of


@pytest.mark.parametrize("verb", ["colorize", "restore"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("ctrl_c")
def test_what_is_done_stays_and_the_next_call_goes_on(verb, number, colorizers, capsys, monkeypatch, tmp_path):
    photos, out = album(tmp_path / "album", 3), tmp_path / "out"
    write, calls = each_photo.NewFiles.write, []

    def stopped_while_writing(self, path, data):
        write(self, path, data)
        calls.append(path)
        if len(calls) == 3:  # the first of the second photograph's two files
            signal.raise_signal(number)

    monkeypatch.setattr(each_photo.NewFiles, "write", stopped_while_writing)
    asked = arguments(verb, photos, out, colorizers[0])
    assert main(asked) == 1
    printed = capsys.readouterr()
    done = "coloured" if verb == "colorize" else "restored"
    expected = f"oldrestore: 2 of 3 {done}; stopped; the same command with --skip-existing goes on\n"
    assert printed.err == expected
    assert {path.name for path in out.iterdir()} == files_of(verb, 0, 1)
    record = json.loads((out / f"{verb}.json").read_text())["files"]
    assert set(record) == {f"p{number}-{done.replace('coloured', 'colorized')}.png" for number in (0, 1)}
    before = {path: path.read_bytes() for path in out.glob("*.png")}

    assert main(asked) == 2
    err = capsys.readouterr().err
    assert "and 3 more outputs exist already: name another folder, or add --skip-existing" in err
    assert main([*asked, "--skip-existing", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["skipped"] == [str(photos / "p0.png"), str(photos / "p1.png")]
    assert [entry["photograph"] for entry in summary["done"]] == [str(photos / "p2.png")]
    assert {path.name for path in out.iterdir()} == files_of(verb, 0, 1, 2)
    assert {path: path.read_bytes() for path in before} == before
    assert len(json.loads((out / f"{verb}.json").read_text())["files"]) == 3


@pytest.mark.parametrize("verb", ["colorize", "restore"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("ctrl_c")
def test_stopped_before_the_first_photograph(verb, number, colorizers, capsys, monkeypatch, tmp_path):
    from oldrestore.commands import colorize

    monkeypatch.setattr(colorize, "load_networks", lambda chosen: signal.raise_signal(number))
    assert main(arguments(verb, album(tmp_path / "album", 1), tmp_path / "out", colorizers[0])) == 1
    assert capsys.readouterr().err == "oldrestore: stopped\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_waits_for_the_block_and_a_second_does_not(number):
    before = signal.getsignal(signal.SIGTERM)
    done = []
    with paddle_imported_and_sigterm_as_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt), held():
            signal.raise_signal(number)
            done.append("written")
        with pytest.raises(KeyboardInterrupt), held():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("not reached")
    assert done == ["written"]
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
