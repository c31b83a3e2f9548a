"""The command line as a shell sees it: help without heavy imports, listings, and narrow terminals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from oldrestore.catalogue import losses, networks
from oldrestore.cli import VERBS, main
from oldrestore.commands.sweep import show
from oldrestore.run import one_run
from tests.generated_photographs import make_folder


def test_help_lists_every_verb(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in VERBS)


def test_no_verb_is_a_wrong_request(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--help"], ["runs", "--help"], ["runs"], ["train", "--help"], ["doctor", "--help"]]
)
def test_help_and_runs_import_nothing_heavy(arguments, tmp_path):
    program = (
        "import sys\nfrom oldrestore.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'paddle', 'mlflow', 'visualdl', 'hydra', 'skimage', 'matplotlib'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(("outputs", "line"), [("outputs", "runs"), ("there", "runs outputs=there")])
def test_a_run_says_how_it_is_listed_from_where_it_was_started(outputs, line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(one_run, "all_sent", lambda folder: True)
    said = []
    outcome = SimpleNamespace(state="finished", reason=None, tables=list, ending=lambda: None)
    config = SimpleNamespace(outputs=outputs, experiment="e", run_id="r", trainer={})
    one_run.conclude(outcome, config, SimpleNamespace(say=lambda text="": said.append(text), show=None))
    assert f"next      oldrestore {line}" in said
    assert said[-1] == f"{outputs}/e/r"


@pytest.mark.parametrize("verb", ["losses", "train"])
def test_a_reader_that_has_seen_enough_is_no_failure(verb, tmp_path):
    """`oldrestore losses | head`: rich, which prints the table, would end the program with 1."""
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "oldrestore", verb, *(["--help"] if verb == "train" else [])]
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_runs_of_an_empty_folder_says_what_to_do(capsys, tmp_path):
    assert main(["runs", f"outputs={tmp_path}"]) == 0
    assert "oldrestore train experiments=quickstart" in capsys.readouterr().out
    assert main(["runs", "--json", f"outputs={tmp_path}"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_train_prints_the_configuration_without_running(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--cfg", "job", "experiments=quickstart", "seed=3"]) == 0
    printed = capsys.readouterr().out
    assert "seed: 3" in printed
    assert "width: 0.25" in printed
    assert list(tmp_path.iterdir()) == []


def test_doctor_finds_everything_here(capsys):
    assert main(["doctor", "--json"]) == 0
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["labelled photographs"]["found"] == "labelled_photos: 80 test"
    assert findings["judge"]["verdict"] == "ok"
    assert all(finding["verdict"] != "missing" for finding in findings.values())


def test_data_describe_counts_what_a_folder_holds_and_says_what_is_left_out(capsys, tmp_path):
    make_folder(tmp_path)
    folder = tmp_path / "train" / "0"
    photo = sorted(folder.glob("*.jpg"))[0]
    for number in range(30):
        (folder / f"copy-{number:02}.jpg").write_bytes(photo.read_bytes())
        (folder / f"note.{number}").write_text("x")
    (tmp_path / "val").rename(tmp_path / "Valid2017")
    (tmp_path / "test").mkdir()
    request = ["data", "describe", "dataset=image_folder", f"dataset.root={tmp_path}"]
    assert main(request) == 0
    printed = capsys.readouterr().out
    assert "note: train is train/, val is Valid2017/" in printed
    assert f"note: the split 'test' of image_folder is empty: {tmp_path / 'test'} holds no" in printed
    assert "60 files left out (--left-out or --json names each):\n" in printed
    assert "   30  a duplicate of another photograph (train/0/" in printed
    lines = printed.split("names each):\n")[1].splitlines()
    assert len(lines) == 21 and lines[-1] == "   11  for 11 more reasons"
    assert main([*request, "--left-out"]) == 0
    named = capsys.readouterr().out.split("60 files left out:\n")[1].splitlines()
    assert len(named) == 60 and "train/0/note.29  not a photograph by its name (.29)" in named
    assert main([*request, "--json"]) == 0
    splits = json.loads(capsys.readouterr().out)
    assert (splits["train"]["count"], splits["val"]["count"], splits["val"]["labelled"]) == (6, 3, 3)
    assert len(splits["train"]["ignored_files"]) == 30 and len(splits["train"]["left_out"]) == 30


def test_data_prior_prints_a_distribution_and_plots_it(capsys, tmp_path):
    make_folder(tmp_path / "photos")
    figure = tmp_path / "prior.png"
    arguments = ["--json", "-o", str(figure), "dataset=image_folder", f"dataset.root={tmp_path / 'photos'}"]
    assert main(["data", "prior", *arguments, "dataset.crops.size=64", "dataset.crops.crop=64"]) == 0
    bins = json.loads(capsys.readouterr().out)["bins"]
    assert len(bins) == 313
    assert sum(b["p"] for b in bins) == pytest.approx(1.0)
    assert min(Image.open(figure).size) >= 300


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
    names = [f"val/measure_{index}" for index in range(6)]
    metrics = {name: SimpleNamespace(in_words=lambda name=name: f"{name[-1]}.5000 ± 0.2500") for name in names}
    row = SimpleNamespace(settings={"loss": "cross_entropy"}, seeds=[0, 1], jobs=2, metrics=metrics)
    summary = SimpleNamespace(directions=lambda: "", shown=lambda: names, rows=[row], jobs=[])
    show(summary)
    assert max(map(len, capsys.readouterr().out.splitlines())) > 80
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    show(summary)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert [text.count(f"{index}.5000 ± 0.2500") for index in range(6)] == [1] * 6
    assert text.count("cross_entropy") > 1
