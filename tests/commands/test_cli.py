"""The command line as a shell sees it: help without heavy imports, listings, and narrow terminals."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from PIL import Image

from oldrestore.cli import VERBS, main
from oldrestore.commands.sweep import show
from oldrestore.run import one_run
from tests.generated_photographs import make_folder


def test_help_lists_every_verb_and_none_is_a_wrong_request(cli):
    printed = cli("--help").out
    assert all(verb in printed for verb in VERBS)
    assert "usage" in cli(code=2).out


def test_what_sweeps_call_themselves_with_is_not_in_their_help(capsys):
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    assert set(re.findall(r"--job\w*", capsys.readouterr().out)) == {"--jobs"}


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
    config = OmegaConf.create({"outputs": outputs, "experiment": "e", "run_id": "r", "trainer": {}})
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


def test_runs_of_an_empty_folder_says_what_to_do(cli, tmp_path):
    assert "oldrestore train experiments=quickstart" in cli("runs", f"outputs={tmp_path}").out
    assert cli("runs", "--json", f"outputs={tmp_path}").content == []


def test_train_prints_the_configuration_without_running(cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    printed = cli("train", "--cfg", "job", "experiments=quickstart", "seed=3").out
    assert "seed: 3" in printed and "width: 0.25" in printed
    assert list(tmp_path.iterdir()) == []


def test_doctor_finds_everything_here(cli):
    findings = {finding["what"]: finding for finding in cli("doctor", "--json").content}
    assert findings["labelled photographs"]["found"] == "labelled_photos: 80 test"
    assert findings["judge"]["verdict"] == "ok"
    assert all(finding["verdict"] != "missing" for finding in findings.values())


def test_data_describe_counts_what_a_folder_holds_and_says_what_is_left_out(cli, tmp_path):
    make_folder(tmp_path)
    folder = tmp_path / "train" / "0"
    photo = sorted(folder.glob("*.jpg"))[0]
    for number in range(30):
        (folder / f"copy-{number:02}.jpg").write_bytes(photo.read_bytes())
        (folder / f"note.{number}").write_text("x")
    (tmp_path / "val").rename(tmp_path / "Valid2017")
    (tmp_path / "test").mkdir()
    request = ["data", "describe", "dataset=image_folder", f"dataset.root={tmp_path}"]
    printed = cli(*request).out
    assert "note: train is train/, val is Valid2017/" in printed
    assert f"note: the split 'test' of image_folder is empty: {tmp_path / 'test'} holds no" in printed
    assert "60 files left out (--left-out or --json names each):\n" in printed
    assert "   30  a duplicate of another photograph (train/0/" in printed
    lines = printed.split("names each):\n")[1].splitlines()
    assert len(lines) == 21 and lines[-1] == "   11  for 11 more reasons"
    named = cli(*request, "--left-out").out.split("60 files left out:\n")[1].splitlines()
    assert len(named) == 60 and "train/0/note.29  not a photograph by its name (.29)" in named
    splits = cli(*request, "--json").content
    assert (splits["train"]["count"], splits["val"]["count"], splits["val"]["labelled"]) == (6, 3, 3)
    assert len(splits["train"]["ignored_files"]) == 30 and len(splits["train"]["left_out"]) == 30


def test_data_describe_says_how_many_photographs_are_grouped(cli, tmp_path):
    make_folder(tmp_path)
    photo = sorted((tmp_path / "train" / "0").glob("*.jpg"))[0]
    with Image.open(photo) as opened:
        opened.save(photo.with_name(f"{photo.stem}-small.jpg"), quality=60)
        opened.save(tmp_path / "val" / "0" / "again.jpg", quality=50)
    request = ["data", "describe", "dataset=image_folder", f"dataset.root={tmp_path}"]
    assert "grouped by name: 2 photographs in 1 group of several\n" in cli(*request, "dataset.group_by=name").out
    said = cli(*request, "dataset.group_by=similarity").out
    # What is like a validation photograph is left out, and no group of several remains.
    assert "grouped by similarity: each photograph for itself\n" in said
    assert "    2  of one group with a photograph that is held out (train/0/" in said
    assert "grouped" not in cli(*request).out


def test_data_prior_prints_a_distribution_and_plots_it(cli, tmp_path):
    make_folder(tmp_path / "photos")
    figure = tmp_path / "prior.png"
    settings = ["dataset=image_folder", f"dataset.root={tmp_path / 'photos'}", "dataset.crops.size=64"]
    bins = cli("data", "prior", "--json", "-o", figure, *settings, "dataset.crops.crop=64").content["bins"]
    assert len(bins) == 313
    assert sum(b["p"] for b in bins) == pytest.approx(1.0)
    assert min(Image.open(figure).size) >= 300


def test_reasons_of_files_left_out_break_between_words_on_a_terminal_only(monkeypatch, cli):
    whole = cli("data", "describe", "dataset=photos").out
    assert max(map(len, whole.splitlines())) > 80  # in a pipe, a reason is a line
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("data", "describe", "dataset=photos").out.split("left out", 1)[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == " ".join(whole.split("left out", 1)[1].split())


def test_the_table_of_a_sweep_goes_on_below_itself_on_a_narrow_terminal(monkeypatch, capsys):
    names = [f"val/measure_{index}" for index in range(6)]
    metrics = {name: SimpleNamespace(in_words=lambda name=name: f"{name[-1]}.5000 ± 0.2500") for name in names}
    row = SimpleNamespace(settings={"loss": "cross_entropy"}, seeds=[0, 1], jobs=2, metrics=metrics)
    summary = SimpleNamespace(
        directions=lambda: "", shown=lambda: names, rows=[row], jobs=[], kept_in_words=list, baselines={}
    )
    show(summary)
    assert max(map(len, capsys.readouterr().out.splitlines())) > 80
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    show(summary)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert [text.count(f"{index}.5000 ± 0.2500") for index in range(6)] == [1] * 6
    assert text.count("cross_entropy") > 1
