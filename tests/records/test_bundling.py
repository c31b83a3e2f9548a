"""A bundle of real runs: what is in it, what is not, and that the same runs give the same bytes."""

import csv
import hashlib
import json
import os
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
import yaml

from oldrestore.records.bundle import open_bundle
from oldrestore.records.bundling import pack
from oldrestore.records.finding import find_run, find_runs, sweeps_of
from oldrestore.records.run import Run

VERBATIM = ("data.json", "metrics.jsonl", "per_image.csv", "baselines.csv", "choices.yaml")


@pytest.fixture
def two_runs(tracked_run, tmp_path) -> list[Path]:
    """The tiny run, and a copy with another seed, an evaluation and a second panel."""
    outputs = tmp_path / "outputs"
    one, two = outputs / "tiny" / tracked_run.name, outputs / "tiny" / "20990101-000000-copy"
    for copy in (one, two):
        shutil.copytree(tracked_run, copy, ignore=shutil.ignore_patterns("evaluations"))  # of other tests
        provenance = json.loads((copy / "provenance.json").read_text())  # with what is not committed here and now
        kept = {name: value for name, value in provenance.items() if not name.startswith("patch")}
        (copy / "provenance.json").write_text(json.dumps(kept))
    config = (two / "config.yaml").read_text()
    (two / "config.yaml").write_text(config.replace("seed: 0\n", "seed: 1\n").replace(one.name, two.name))
    evaluation = two / "evaluations" / "20990101-000001-eval"
    (evaluation / "samples").mkdir(parents=True)
    for name in ("config.yaml", "data.json", "per_image.csv"):
        shutil.copyfile(two / name, evaluation / name)
    (evaluation / "overrides.yaml").write_text(f'- "checkpoint=last"\n- "dataset.root={tmp_path}/other photos"\n')
    return [one, two]


def contents(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_runs_give_the_same_bytes_wherever_and_whenever(two_runs, tmp_path):
    elsewhere = tmp_path / "another" / "place"
    shutil.copytree(two_runs[0].parent, elsewhere / "tiny", copy_function=shutil.copyfile)
    for path in elsewhere.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1e9, 1e9))
    copies = [elsewhere / "tiny" / run.name for run in reversed(two_runs)]
    pack(two_runs, [], tmp_path / "one.zip", "all", "all")
    pack(copies, [], tmp_path / "two.zip", "all", "all")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert names == ["manifest.json", *sorted(names[1:])]
        facts = {(m.date_time, m.external_attr, m.create_system, m.extra, m.comment) for m in archive.infolist()}
    assert facts == {((1980, 1, 1, 0, 0, 0), 0o100644 << 16, 3, b"", b"")}


def test_records_are_the_same_bytes_and_listed_with_their_hashes(two_runs, tmp_path):
    file = tmp_path / "x.zip"
    packed = pack(two_runs, [], file)
    held = contents(file)
    manifest = json.loads(held.pop("manifest.json"))
    for one in manifest["files"]:
        content = held[one.get("stored", one["path"])]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["size"], one["sha256"])
    assert {one.get("stored", one["path"]) for one in manifest["files"]} == set(held)
    root = open_bundle(file)
    for run in two_runs:
        for name in VERBATIM:
            assert (root / "tiny" / run.name / name).read_bytes() == (run / name).read_bytes()
    shared = [one for one in manifest["files"] if one["path"].endswith("/baselines.csv")]
    assert ["stored" in one for one in shared] == [False, True], "of both runs, and once in the file"
    assert packed.runs == 2 and packed.size == file.stat().st_size
    assert not [name for name in held if "visualdl" in name or name.endswith(("log.txt", "curves.png", ".safetensors"))]


def test_nothing_names_the_machine(two_runs, tracked_run, tmp_path):
    host, pid = socket.gethostname(), Run(tracked_run).status["pid"]
    file = tmp_path / "x.zip"
    pack(two_runs, [], file, "all", "all")
    for name, content in contents(file).items():
        for private in (str(tmp_path), str(tracked_run.parent.parent), "/tmp/", "mlflow.db"):
            assert private.encode() not in content, (name, private)
    root = open_bundle(file)
    status = json.loads((root / "tiny" / two_runs[0].name / "status.json").read_text())
    assert not {"pid", "host", "process_started", "process_ticks", "sinks"} & status.keys()
    assert host not in json.dumps(status) and str(pid) not in status.values()
    config, before = (Run(folder).config for folder in (root / "tiny" / two_runs[0].name, two_runs[0]))
    assert config["outputs"] == "outputs" and config["dataset"]["root"].startswith("left-out/")
    for section in ("model", "loss", "optimizer", "trainer", "tracking"):
        assert config[section] == before[section]
    typed = yaml.safe_load((root / "tiny" / two_runs[1].name / "overrides.yaml").read_text())
    assert not [text for text in typed if text.startswith(("outputs=", "tracking"))]
    (evaluation,) = Run(root / "tiny" / two_runs[1].name).evaluations
    kept, moved = evaluation.overrides
    assert kept == "checkpoint=last" and moved.startswith("dataset.root=left-out/") and "photos" not in moved


def test_different_places_stay_different(two_runs, tmp_path):
    for run, weights in zip(two_runs, ("/home/me/a/w.safetensors", "/home/me/b/w.safetensors"), strict=True):
        config = yaml.safe_load((run / "config.yaml").read_text())
        config["model"]["weights"] = weights
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    pack(two_runs, [], tmp_path / "x.zip")
    one, two = (Run(folder).config["model"]["weights"] for folder in find_runs(str(tmp_path / "x.zip"), tmp_path))
    assert one != two and {Path(text).name for text in (one, two)} == {"w.safetensors"}
    assert "me" not in one.split("/")


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("dataset.root=/home/me/my photos", "dataset.root=left-out"),
        ("+dataset.root='~/photos'", "+dataset.root='left-out'"),
        ("model.weights=../../me/w.safetensors", "model.weights=left-out/w.safetensors"),
        ("'/home/me/a b.jpg': no such file", "'left-out/a b.jpg': no such file"),
        ("at http://me:secret@host.example:5000/x, twice", "at left-out, twice"),
        ("see /home/me/x and /home/me/y.log.", "see left-out and left-out/y.log."),
        ("dataset.root=data/photos", "dataset.root=data/photos"),
        ("val/loss and/or 1 / 2", "val/loss and/or 1 / 2"),
        ("design=loss / width", "design=loss / width"),
    ],
)
def test_places_are_left_out_of_any_text(text, public, two_runs, tmp_path):
    status = json.loads((two_runs[0] / "status.json").read_text())
    (two_runs[0] / "status.json").write_text(json.dumps({**status, "reason": text}))
    pack(two_runs[:1], [], tmp_path / "x.zip")
    (folder,) = find_runs(str(tmp_path / "x.zip"), tmp_path)
    assert Run(folder).status["reason"] == public


@pytest.mark.parametrize(
    ("patch", "kept"),
    [
        ("+x = 1\n", True),
        ("+root = '/home/somebody/data'\n", False),
        ("+# by somebody\n", False),
        ("+somebodys\n", True),
    ],
)
def test_a_patch_that_names_the_user_is_left_out_unless_it_is_asked_for(two_runs, tmp_path, patch, kept):
    run = two_runs[0]
    provenance = json.loads((run / "provenance.json").read_text())
    provenance |= {"patch": patch, "patch_sha256": "0" * 64, "command": ["/home/somebody/bin/oldrestore", "train"]}
    (run / "provenance.json").write_text(json.dumps(provenance))
    (run / "overrides.yaml").write_text("- dataset.root=/home/somebody/photos\n")
    for asked, whole in (("public", kept), ("any", True), ("none", False)):
        packed = pack([run], [], tmp_path / "x.zip", patch=asked)
        (found,) = find_runs(str(tmp_path / "x.zip"), tmp_path)
        held, name = Run(found).provenance, f"tiny/{run.name}"
        assert held["patch"] == (patch if whole else None) and ("patch_left_out" in held) == (not whole)
        assert (packed.with_patch, packed.without_patch) == (([name], []) if whole else ([], [name]))
        assert held["command"] == ["oldrestore", "train"]


@pytest.mark.parametrize(
    ("checkpoints", "samples", "weights", "pictures"),
    [
        ("none", "none", [], []),
        ("best", "last", ["best"], ["validation-000006"]),
        ("all", "all", ["best", "last"], ["validation-000003", "validation-000006"]),
    ],
)
def test_checkpoints_and_samples_by_option(two_runs, tmp_path, checkpoints, samples, weights, pictures):
    packed = pack(two_runs[:1], [], tmp_path / "x.zip", checkpoints, samples)
    (folder,) = find_runs(str(tmp_path / "x.zip"), tmp_path)
    assert sorted(Run(folder).checkpoints) == weights
    assert [Path(name).stem for name in Run(folder).panels] == pictures
    for name in (*(f"checkpoints/{w}.safetensors" for w in weights), *(f"samples/{p}.png" for p in pictures)):
        assert (folder / name).read_bytes() == (two_runs[0] / name).read_bytes()
    assert bool(packed.parts["checkpoints"]) == bool(weights) and bool(packed.parts["samples"]) == bool(pictures)


def test_a_sweep_brings_its_done_jobs_and_its_tables(two_runs, tmp_path):
    sweep = tmp_path / "outputs" / "sweeps" / "mine"
    sweep.mkdir(parents=True)
    with (sweep / "jobs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["seed", "state", "reason", "folder", "log", "val/loss"])
        writer.writeheader()
        for seed, run in enumerate(reversed(two_runs)):
            writer.writerow({"seed": seed, "state": "done", "folder": run, "log": sweep / "a.log", "val/loss": 0.1})
        writer.writerow({"seed": 2, "state": "failed", "reason": f"'{tmp_path}/x y.png': no such file"})
    file = tmp_path / "x.zip"
    pack(find_runs(str(sweep), tmp_path), sweeps_of(str(sweep)), file)
    runs = find_runs(str(file), tmp_path)
    assert [run.name for run in runs] == [run.name for run in reversed(two_runs)], "in the order of the table"
    rows = list(csv.DictReader((sweeps_of(str(file))[0] / "jobs.csv").open()))
    assert [row["folder"] for row in rows] == [*(f"tiny/{run.name}" for run in reversed(two_runs)), ""]
    assert rows[2]["reason"] == "'left-out/x y.png': no such file" and {row["log"] for row in rows} == {""}
    pack(runs, sweeps_of(str(file)), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes(), "a bundle of a bundle is the bundle"


def test_one_run_of_a_bundle_is_named_as_below_an_outputs_folder(two_runs, tmp_path, refusal, monkeypatch):
    file = tmp_path / "x.zip"
    pack(two_runs, [], file)
    root = open_bundle(file)
    for name in (two_runs[1].name, f"tiny/{two_runs[1].name}", "2099"):
        assert find_runs(f"{file}#{name}", tmp_path) == [root / "tiny" / two_runs[1].name]
    (evaluation,) = find_runs(f"{file}#2099/evaluations/2099", tmp_path)
    assert Run(evaluation).is_evaluation
    assert "has no run 'no'" in refusal(find_runs, f"{file}#no", tmp_path)
    assert "beginning of 2 run ids" in refusal(find_runs, f"{file}#20", tmp_path)
    assert "has no run '../../x'" in refusal(find_runs, f"{file}#../../x", tmp_path)
    monkeypatch.chdir(two_runs[0].parent)
    assert find_runs(f"{file}#{two_runs[0].name}", tmp_path) == [root / "tiny" / two_runs[0].name], "not that of here"
    assert "--unpack" in refusal(find_run, str(file), tmp_path) and "--unpack" in refusal(
        find_run, f"{file}#2099", root
    )


def test_what_cannot_be_packed_is_said_in_a_sentence(two_runs, tmp_path, refusal):
    one, two = two_runs
    file = tmp_path / "x.zip"
    status = json.loads((one / "status.json").read_text())
    (one / "status.json").write_text(json.dumps({**status, "state": "running", "host": "elsewhere"}))
    assert "running (on elsewhere): wait" in refusal(pack, [one], [], file)
    (two / "data.json").unlink()
    (two / "data.json").symlink_to("/etc/hostname")
    assert "is a link to /etc/hostname" in refusal(pack, [two], [], file)
    (two / "data.json").unlink()
    assert "give its run" in refusal(pack, [two / "evaluations" / "20990101-000001-eval"], [], file)
    twin = tmp_path / "other" / "tiny" / two.name
    shutil.copytree(two, twin)
    assert "are both called tiny/" in refusal(pack, [two, twin], [], file)
    assert not file.exists()
    pack([two, two], [], file)
    assert len(find_runs(str(file), tmp_path)) == 1


def test_a_run_that_was_killed_says_so(two_runs, tmp_path):
    status = json.loads((two_runs[0] / "status.json").read_text())
    gone = {**status, "state": "running", "pid": 2**22 - 1, "process_ticks": None, "process_started": 1.0}
    (two_runs[0] / "status.json").write_text(json.dumps(gone))
    pack(two_runs[:1], [], tmp_path / "x.zip")
    (folder,) = find_runs(str(tmp_path / "x.zip"), tmp_path)
    assert Run(folder).kind.name == "killed"
