"""Runs are filtered and sorted by what their folders say, and by nothing else."""

import json
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from oldrestore.cli import main
from oldrestore.plain import flatten
from oldrestore.records.listing import read_condition
from oldrestore.records.parsing import write_quick_copy
from oldrestore.records.run import Run

CONFIG = """
seed: 0
experiment: e
note: a long line of words that YAML folds because it is wider than eighty characters, as it
  does by default
model: {_target_: oldrestore.models.eccv16.Eccv16, width: 0.25, weights: null}
loss:
  _target_: oldrestore.losses.classification.SoftCrossEntropy
  focal_gamma: 2.0
  rebalance: {lambda_: 0.5, clamp: null}
  terms: [{weight: 1.0, name: 'yes'}, {weight: 0.1, name: '1e-3'}]
schedule: {milestones: [200, 375], names: []}
trainer: {learner: {amp: 'off'}, monitor: val/loss, deterministic: true}
tracking: {}
empty: ''
last: 1
"""


def make_run(outputs: Path, name: str, **changes) -> Path:
    folder = outputs / changes.get("experiment", "e") / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.replace("seed: 0", f"seed: {changes.get('seed', 0)}"))
    status = {"state": changes.get("state", "finished"), "started": f"2026-01-01T00:00:{name[-2:]}Z", "pid": 2**22 - 1}
    if "auc" in changes:
        status["summary"] = {"val/auc": changes["auc"]}
    (folder / "status.json").write_text(json.dumps(status))
    if "loss" in changes:
        (folder / "choices.yaml").write_text(f'loss: "{changes["loss"]}"\nmodel: "eccv16"\n')
    if "typed" in changes:
        (folder / "overrides.yaml").write_text("".join(f'- "{text}"\n' for text in changes["typed"]))
    if "metrics" in changes:
        lines = [{"iteration": i, "time": 0.0, "values": {"val/auc": v}} for i, v in enumerate(changes["metrics"])]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def outputs(tmp_path) -> Path:
    make_run(tmp_path, "r01", loss="focal", auc=0.9, seed=3)
    make_run(tmp_path, "r02", loss="l1", auc=0.7)
    make_run(tmp_path, "r03", typed=["loss=focal", "seed=1"], metrics=[0.1, 0.85], state="killed", seed=1)
    make_run(tmp_path, "r04", loss="focal", experiment="other")
    make_run(tmp_path, "r05", loss="focal", auc="NaN", state="failed", seed=20)
    return tmp_path


def listed(outputs, capsys, *arguments) -> list[str]:
    capsys.readouterr()
    assert main(["runs", f"outputs={outputs}", "--json", *arguments]) == 0
    return [run["run_id"] for run in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["r01", "r02", "r03", "r04", "r05"]),
        (["--where", "loss.name=focal"], ["r01", "r03", "r04", "r05"]),
        (["--where", "loss=focal"], ["r01", "r03", "r04", "r05"]),
        (["--where", "loss.name=SoftCrossEntropy"], ["r01", "r02", "r03", "r04", "r05"]),
        (["--where", "model.name=eccv16", "--where", "loss.name!=focal"], ["r02"]),
        (["--where", "loss.name=focal", "--where", "val/auc>0.8"], ["r01", "r03"]),
        (["--where", "loss.name=focal", "--sort", "val/auc"], ["r03", "r01", "r04", "r05"]),
        (["--sort", "val/auc", "--descending", "--limit", "4"], ["r01", "r03", "r02", "r04"]),
        (["--sort", "seed", "--where", "experiment=e"], ["r02", "r03", "r01", "r05"]),
        (["--limit", "2"], ["r04", "r05"]),
        (["--descending", "--limit", "2"], ["r05", "r04"]),
        (["--where", "state=killed"], ["r03"]),
        (["--where", "state!=finished", "--where", "seed<=1"], ["r03"]),
        (["--where", "model.weights=null", "--where", "trainer.deterministic=true", "--limit", "1"], ["r05"]),
        (["--where", "loss.rebalance.lambda_=0.50", "--where", "experiment=oth*"], ["r04"]),
        (["--where", "run_id>=r04"], ["r04", "r05"]),
        (["--where", "nothing=1"], []),
    ],
)
def test_what_holds_is_listed_in_order(arguments, expected, outputs, capsys):
    assert listed(outputs, capsys, *arguments) == expected


def test_the_table_shows_what_was_asked_for(outputs, capsys):
    assert main(["runs", f"outputs={outputs}", "--where", "loss.name=l1", "--sort", "val/auc"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert " ".join(heading.split()) == "run experiment design state iter orig gray n loss.name val/auc"
    assert row.split() == ["r02", "e", "loss=l1", "finished", "l1", "0.7"]
    assert main(["runs", f"outputs={outputs}", "--where", "seed=99"]) == 0
    assert capsys.readouterr().out == f"no runs under {outputs} with seed=99\n"


def test_the_table_fits_a_terminal(tmp_path, capsys, monkeypatch):
    typed = ["loss=focal", "model.width=0.25", "optimizer.learning_rate=1e-4"]
    folder = make_run(tmp_path, "20261122-110723-0123456789", experiment="quickstart_again", typed=typed)
    table = "iteration,iter_accuracy,orig_accuracy,gray_accuracy,n\n80,0.825,1.0,0.8125,80\n"
    (folder / "accuracy.csv").write_text(table)
    whole = "loss=focal, width=0.25, learning_rate=1e-4"
    for width, name in ((None, whole), (200, whole), (100, "loss=focal, width=0.…"), (40, "loss=focal…")):
        monkeypatch.setattr("oldrestore.commands.runs.columns", lambda width=width: width)
        assert main(["runs", f"outputs={tmp_path}"]) == 0
        heading, row = capsys.readouterr().out.splitlines()
        assert row == f"20261122-110723-0123456789  quickstart_again  {name}  finished  82.5% 100.0% 81.3% 80"
        assert heading.rstrip().endswith(" gray  n") and len(heading) == len(row)


def test_a_name_that_no_run_has_is_named(outputs, capsys):
    assert main(["runs", f"outputs={outputs}", "--where", "loss.nme=focal", "--where", "seed=1"]) == 0
    assert capsys.readouterr().out == f"no runs under {outputs} with loss.nme=focal, seed=1 (no run has a loss.nme)\n"
    assert main(["runs", f"outputs={outputs}", "--sort", "val/acu"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 6
    assert printed.err == "note: not sorted, because none of these runs has 'val/acu'\n"


def test_what_is_no_condition_or_limit_is_refused(capsys):
    for option, text, sentence in (
        ("--where", "focal", "--where 'focal' is not understood"),
        ("--where", "=3", "--where '=3' is not understood"),
        ("--limit", "0", "at least 1, not '0'"),
        ("--limit", "many", "not 'many'"),
    ):
        assert main(["runs", option, text]) == 2
        assert sentence in capsys.readouterr().err


def test_a_damaged_run_does_not_hide_the_others(tmp_path, capsys):
    for name, status in (("a", '{"state": "finished"}'), ("b", '{"state": '), ("c", "")):
        (tmp_path / "x" / name).mkdir(parents=True)
        (tmp_path / "x" / name / "status.json").write_text(status)
    (tmp_path / "x" / "a" / "accuracy.csv").write_bytes(b"iteration,iter_accuracy\n20,\xff\xfe")
    assert main(["runs", "--json", f"outputs={tmp_path}"]) == 0
    states = {run["run_id"]: run["state"] for run in json.loads(capsys.readouterr().out)}
    assert states == {"a": "finished", "b": "unreadable", "c": "unreadable"}


def test_conditions_read_as_they_are_typed():
    for text, name, sign, value in [
        ("val/auc>=.8", "val/auc", ">=", 0.8),
        ("a.b == true", "a.b", "=", True),
        ("x!=null", "x", "!=", None),
        ("model.weights='a b'", "model.weights", "=", "a b"),
        ("seed=1e-3", "seed", "=", 1e-3),
    ]:
        condition = read_condition(text)
        assert (condition.name, condition.sign, condition.value) == (name, sign, value)


@pytest.mark.parametrize("quick", [True, False])
def test_a_setting_is_found_by_its_dotted_name(tmp_path, quick):
    folder = make_run(tmp_path, "r01")
    if quick:
        write_quick_copy(folder)
    assert (folder / "config.json").exists() == quick
    parsed = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    names = [*flatten(parsed), "loss.rebalance", "loss.terms", "schedule.milestones", "trainer.learner", "tracking"]
    run = Run(folder)
    for name in names:
        node = parsed
        for part in name.split("."):
            node = node[int(part)] if isinstance(node, list) else node[part]
        assert repr(run.get(name)) == repr(node), name  # true is not 1, and NaN is itself
    for name in ("nothing", "loss.nothing", "seed.nothing", "width", "loss.terms.7", "model.width.x"):
        assert run.get(name) is None, name


def test_values_are_those_that_omegaconf_reads(tmp_path):
    text = "a: 1e-3\nb: 2026-01-01\nc: 5.0E6\nd: yes\ne: 012\nf: .inf\ng: '1e3'\nh: 0x1f\n"
    (tmp_path / "config.yaml").write_text(text)
    assert repr(Run(tmp_path).config) == repr(OmegaConf.to_container(OmegaConf.create(text)))
    assert repr(dict(Run(tmp_path).composed)) == repr(Run(tmp_path).config)


def test_the_quick_copy_counts_only_for_the_files_that_it_was_made_of(tmp_path):
    folder = make_run(tmp_path, "r01", loss="focal")
    write_quick_copy(folder)
    copy = (folder / "config.json").read_text()
    # Of a copy that is in order the YAML is not even looked at.
    assert Run(folder).get("loss.focal_gamma") == 2.0
    (folder / "config.json").write_text(copy.replace("2.0", "3.0"))
    assert Run(folder).get("loss.focal_gamma") == 3.0
    assert Run(folder).config["loss"]["focal_gamma"] == 2.0
    for name, old, new, values in (
        ("config.yaml", "2.0", "4.0", [4.0, "focal"]),
        ("choices.yaml", "focal", "l1", [2.0, "l1"]),
    ):
        whole = (folder / name).read_text()
        (folder / name).write_text(whole.replace(old, new))
        assert [Run(folder).get(setting) for setting in ("loss.focal_gamma", "loss.name")] == values
        (folder / name).write_text(whole)
    for damaged in ("", "[]", "{}", copy[:-9], "[" * 100_000, copy.replace('"config": {', '"config": [{')):
        (folder / "config.json").write_text(damaged)
        assert Run(folder).get("loss.focal_gamma") == 2.0, damaged[:20]


@pytest.mark.parametrize("text", ["1: 2\n", "a: .nan\n", "a: [\n", "- 1\n", "a: !!binary YQ==\n"])
def test_what_json_cannot_hold_is_not_copied(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    write_quick_copy(tmp_path)
    assert not (tmp_path / "config.json").exists()


def test_a_thousand_runs_are_listed_without_parsing_yaml(tmp_path, capsys, monkeypatch):
    for number in range(1000):
        loss = ("focal", "l1")[number % 2]
        write_quick_copy(make_run(tmp_path, f"r{number:04d}", loss=loss, auc=number / 1000, seed=number))
    monkeypatch.setattr(yaml, "load", lambda *a, **k: pytest.fail("YAML was parsed"))
    found = listed(tmp_path, capsys, "--where", "loss.name=focal", "--where", "seed>=10", "--sort", "val/auc")
    assert found == [f"r{number:04d}" for number in range(10, 1000, 2)]
