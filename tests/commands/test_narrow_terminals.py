"""What verbs print in narrow terminals: no name is cut, and wide tables go on below themselves."""

from __future__ import annotations

import pytest

from oldrestore.catalogue import losses, networks
from oldrestore.cli import main


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_names_are_whole_in_narrow_terminals(columns, monkeypatch, capsys):
    name = "gradient_rebalanced_cross_entropy"
    facts = [networks.NetworkFacts("eccv16", "Eccv16", 5, 1.25, ["L_b1hw"], ["logits"], [name], "See ``train``.")]
    monkeypatch.setattr(networks, "list_networks", lambda: iter(facts))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert name in text and "\u2026" not in text
    assert "See train." in text
    facts = [losses.LossFacts(name, "CrossEntropy", reads=["logits"], models=["eccv16"], source="Zhang et al. 2016")]
    monkeypatch.setattr(losses, "list_losses", lambda: iter(facts))
    assert main(["losses"]) == 0
    text = capsys.readouterr().out
    assert name in text and "\u2026" not in text and "Zhang et al. 2016" in " ".join(text.split())


def test_reasons_of_files_left_out_break_between_words_on_a_terminal_only(monkeypatch, capsys):
    assert main(["data", "describe", "dataset=photos"]) == 0
    whole = capsys.readouterr().out
    assert max(map(len, whole.splitlines())) > 80  # in a pipe, a reason is a line
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["data", "describe", "dataset=photos"]) == 0
    lines = capsys.readouterr().out.split("left out", 1)[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == " ".join(whole.split("left out", 1)[1].split())


def test_the_table_of_a_sweep_goes_on_below_itself_on_a_narrow_terminal(monkeypatch, capsys):
    from types import SimpleNamespace

    from oldrestore.commands.sweep import show

    names = [f"val/measure_{index}" for index in range(6)]
    metrics = {name: SimpleNamespace(in_words=lambda name=name: f"{name[-1]}.5000 ± 0.2500") for name in names}
    row = SimpleNamespace(settings={"loss": "cross_entropy"}, seeds=[0, 1], jobs=2, metrics=metrics)
    summary = SimpleNamespace(shown=lambda: names, rows=[row], jobs=[])
    show(summary)
    assert max(map(len, capsys.readouterr().out.splitlines())) > 80
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    show(summary)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert [text.count(f"{index}.5000 ± 0.2500") for index in range(6)] == [1] * 6
    assert text.count("cross_entropy") > 1
