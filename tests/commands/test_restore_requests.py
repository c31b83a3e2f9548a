"""``oldrestore restore`` asked wrongly says so in one sentence and writes nothing; its settings can be printed."""

from __future__ import annotations

import pytest
from PIL import Image

from oldrestore.cli import main
from tests.commands.restoring import gray, restore


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.jpg", "-o", "out"], "there is no photograph or folder 'missing.jpg'"),
        (["old.png"], "-o"),
        (["restore/fill=telea", "-o", "out"], "name a photograph or a folder"),
        (["old.png", "-o", "out", "restore/fill=tela"], "there is no restore/fill 'tela'"),
        (["old.png", "-o", "out", "restore.fill.largest_smal=3"], "did you mean 'largest_small'?"),
        (["old.png", "-o", "out", "--skip", "everything"], "--skip"),
        (["old.png", "-o", "out", "--skip", "fill", "restore/fill=telea"], "contradict each other"),
        (["old.png", "-o", "out", "--skip", "colorize", "--run", "last"], "leave --skip colorize out"),
        (["old.png", "-o", "out", "--mask", "no.png"], "there is no mask 'no.png'"),
        (["old.png", "-o", "out", "--mask", "old.png", "restore/detect=none"], "--mask takes the place"),
        (["old.png", "-o", "out", "--run", "nothing"], "there is no run 'nothing'"),
        (["old.png", "-o", "out", "--restorer", "no.safetensors"], "there is no weights file 'no.safetensors'"),
        (["old.png", "-o", "out", "restore/fill=sagan"], "name one with --restorer WEIGHTS"),
        (["old.png", "-o", "out", "--model", "eccv16"], "--model says what --weights FILE holds"),
        (["empty", "-o", "out"], "there is no photograph in empty"),
        (["", "-o", "out"], "PHOTO: the name is empty"),
        (["old.png", "-o", ""], "the name is empty"),
        (["n" * 300, "-o", "out"], "cannot be looked up (the name is too long)"),
        (["old.png", "-o", "out", "--mask", "n" * 300], "cannot be looked up (the name is too long)"),
        (["old.png", "-o", "out", "restore.no=" + "n" * 300], "there is no setting 'restore.no'"),
    ],
)
def test_wrong_requests(arguments, sentence, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(gray(0)).save(tmp_path / "old.png")
    (tmp_path / "empty").mkdir()
    assert main(["restore", *arguments]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"old.png", "empty"}


def test_outputs_in_a_loop_of_links_are_refused(capsys, tmp_path):
    Image.fromarray(gray(0)).save(tmp_path / "old.png")
    (tmp_path / "loop").symlink_to("loop")
    for verb in ("restore", "colorize"):
        for folder in ("loop", "loop/deeper"):
            assert main([verb, str(tmp_path / "old.png"), "-o", str(tmp_path / folder)]) == 2
            assert "cannot be looked up (a loop of links)" in capsys.readouterr().err


def test_a_restorer_that_nothing_needs_or_of_another_kind_is_refused(colorizers, capsys, tmp_path):
    Image.fromarray(gray(0)).save(tmp_path / "old.png")
    arguments = [tmp_path / "old.png", "-o", tmp_path / "out", "--skip", "colorize", "--restorer", colorizers[0]]
    code, _, err = restore(capsys, *arguments)
    assert code == 2
    assert "--restorer is for restore/fill=sagan" in err
    code, _, err = restore(capsys, *arguments, "restore/fill=sagan")
    assert code == 2
    assert "Eccv16 reads L_b1hw" in err


def test_a_folder_that_cannot_be_written_is_said_at_once(capsys, tmp_path):
    Image.fromarray(gray(0)).save(tmp_path / "old.png")
    for verb in ("restore", "colorize"):
        assert main([verb, str(tmp_path / "old.png"), "-o", str(tmp_path / "old.png" / "out")]) == 2
        assert "outputs cannot be written to" in capsys.readouterr().err


def test_the_settings_are_printed(capsys, tmp_path):
    assert main(["restore", "any.jpg", "-o", "out", "--cfg", "restore.fill.largest_small=3"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("restore:\n")
    assert "largest_small: 3" in printed
