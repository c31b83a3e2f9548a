"""The command line as a shell sees it: exit codes, one-sentence errors, and nothing heavy imported for help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oldrestore.cli import VERBS, main


def test_help_lists_every_verb(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in VERBS)


def test_no_verb_is_a_wrong_request(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trian"], "there is no verb 'trian': choose one of train"),
        (["runs", "--jsn"], "unrecognized arguments: --jsn"),
        (["runs", "folder"], "'folder' is not understood here: only outputs=FOLDER is"),
        (["evaluate", "no-such-run"], "there is no run 'no-such-run'"),
        (["evaluate"], "required: run (see"),
        (["report"], "name the runs, or give --experiment NAME"),
        (["data", "prepare", "photos"], "'photos' cannot be fetched"),
        (["data", "describe", "dataset=photo"], "there is no dataset 'photo': choose one of"),
        (["data", "describe", "dataset=image_folder"], "dataset.root"),
        (["train", "sweeps=temperature"], "trains nothing: give it a finished run"),
        (["train", "-m", "sweeps=temperature", "seed=1,2"], "oldrestore evaluate RUN --multirun sweeps=temperature"),
        (["runs", "outputs=/no/such/folder"], "there is no outputs folder '/no/such/folder'"),
        (["runs", "--json", f"outputs={__file__}"], f"there is no outputs folder '{__file__}'"),
        (["ui", "outputs=/no/such/folder"], "there is no outputs folder '/no/such/folder'"),
        (["train", "model=eccv17"], "there is no model 'eccv17': choose one of"),
        (
            ["train", "trainer.max_iterations=-1"],
            "trainer.max_iterations must be greater than or equal to 1, not -1",
        ),
        (["train", "--fast"], "unrecognized arguments: --fast"),
        (["train", "--experimental-rerun", "x"], "unrecognized arguments: --experimental-rerun"),
        (["train", "--config-name", "x"], "unrecognized arguments: --config-name"),
        (["train", "--cfg", "job", "-m"], "--multirun and --cfg exclude each other: give one of them"),
        (["train", "--resolve"], "--package and --resolve say how a configuration is printed: give --cfg job too"),
        (["train", "seed=0,1"], "'seed=0,1' gives several values where one is taken: a list is written [a,b]"),
        (
            ["train", "resume=last", "outputs=${nope}"],
            "outputs refers to ${nope}, and there is no setting of that name",
        ),
        (["train", "-m", "outputs=${nope}", "seed=0,1"], "outputs refers to ${nope}, and there is no setting"),
        (["train", "-m", "outputs=", "seed=0,1"], "outputs is empty: name a file or folder"),
        (["data", "describe", "dataset=image_folder", "dataset.root="], "dataset.root is empty: name a file or folder"),
        (
            ["data", "describe", "dataset=image_folder", "dataset.root=~/[x] #,"],
            "/[x] #, of image_folder does not exist",
        ),
        (["runs", "outputs='~/no such'"], f"there is no outputs folder '{Path.home()}/no such'"),
        (["colorize", __file__, "--output=~/x", "--hints=~/no"], f"the hints '{Path.home()}/no' cannot be read"),
        (["weights", "export", "~/no.safetensors", "--format=onnx", "-o", "x"], f"'{Path.home()}/no.safetensors'"),
        (["evaluate", "~/no run", "--outputs=~/no"], "there is no run '~/no run'"),
        (
            ["train", "outputs=/proc/nowhere", "evaluation.judged=null", "model.width=0.0625"],
            "at /proc/nowhere/default/",
        ),
        (
            ["train", "trainer.monitor=val/nope", "evaluation.judged=null", "model.width=0.0625"],
            "choose one of val/loss",
        ),
        (["train", "outputs=x", "seed=one"], "seed must be a valid integer, not 'one'"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence_with_exit_code_2(
    arguments, sentence, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("oldrestore: ")
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


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
    from types import SimpleNamespace

    from oldrestore.run import one_run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(one_run, "all_sent", lambda folder: True)
    said = []
    outcome = SimpleNamespace(state="finished", reason=None, tables=list)
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


def test_data_describe_counts_what_a_folder_holds(capsys, tmp_path):
    from tests.generated_photographs import make_folder

    make_folder(tmp_path)
    (tmp_path / "train" / "0" / "broken.jpg").write_bytes(b"not a photograph")
    assert main(["data", "describe", "--json", "dataset=image_folder", f"dataset.root={tmp_path}"]) == 0
    splits = json.loads(capsys.readouterr().out)
    assert splits["train"]["count"] == 6
    assert splits["val"]["count"] == 3
    assert splits["val"]["labelled"] == 3
    assert [left["name"] for left in splits["train"]["left_out"]] == ["train/0/broken.jpg"]


def test_data_describe_says_what_is_left_out_and_names_each_file_when_asked(capsys, tmp_path):
    from tests.generated_photographs import make_folder

    make_folder(tmp_path)
    folder = tmp_path / "train" / "0"
    photo = sorted(folder.glob("*.jpg"))[0]
    for number in range(30):
        (folder / f"copy-{number:02}.jpg").write_bytes(photo.read_bytes())
        (folder / f"note.{number}").write_text("x")
    (tmp_path / "val").rename(tmp_path / "Valid2017")
    request = ["data", "describe", "dataset=image_folder", f"dataset.root={tmp_path}"]
    assert main(request) == 0
    printed = capsys.readouterr().out
    assert "note: train is train/, val is Valid2017/\n" in printed
    assert "60 files left out (--left-out or --json names each):\n" in printed
    assert "   30  a duplicate of another photograph (train/0/" in printed
    lines = printed.split("names each):\n")[1].splitlines()
    assert len(lines) == 21 and lines[-1] == "   11  for 11 more reasons"
    assert main([*request, "--left-out"]) == 0
    named = capsys.readouterr().out.split("60 files left out:\n")[1].splitlines()
    assert len(named) == 60 and "train/0/note.29  not a photograph by its name (.29)" in named
    assert main([*request, "--json"]) == 0
    train = json.loads(capsys.readouterr().out)["train"]
    assert len(train["ignored_files"]) == 30 and len(train["left_out"]) == 30


def test_data_describe_goes_on_past_a_split_that_is_empty(capsys, tmp_path):
    from tests.generated_photographs import make_folder

    make_folder(tmp_path)
    (tmp_path / "test").mkdir()
    assert main(["data", "describe", "dataset=image_folder", f"dataset.root={tmp_path}"]) == 0
    assert f"note: the split 'test' of image_folder is empty: {tmp_path / 'test'} holds no" in capsys.readouterr().out


def test_data_prior_refuses_a_name_before_it_counts(capsys, tmp_path):
    assert main(["data", "prior", "-o", str(tmp_path / "prior.txt")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "must end in .png, .pdf or .svg" in captured.err


def test_data_prior_prints_a_distribution_and_plots_it(capsys, tmp_path):
    from PIL import Image

    from tests.generated_photographs import make_folder

    make_folder(tmp_path / "photos")
    figure = tmp_path / "prior.png"
    arguments = ["--json", "-o", str(figure), "dataset=image_folder", f"dataset.root={tmp_path / 'photos'}"]
    assert main(["data", "prior", *arguments, "dataset.crops.size=64", "dataset.crops.crop=64"]) == 0
    bins = json.loads(capsys.readouterr().out)["bins"]
    assert len(bins) == 313
    assert sum(b["p"] for b in bins) == pytest.approx(1.0)
    assert min(Image.open(figure).size) >= 300
