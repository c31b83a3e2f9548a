"""Runs and designs are called as a person chose, else by what tells them apart; no two alike, none too long."""

import pytest

from oldrestore.cli import main
from oldrestore.config.compose import compose_config
from oldrestore.errors import UserError
from oldrestore.records.design_names import file_names, name_of_job, name_of_run, named, names_among
from oldrestore.records.run import Run
from tests.comparison.synthetic import make_run

CONFIG = {
    "model": {"width": 0.5, "weights": "/somewhere/else/net 5.safetensors"},
    "loss": {"_target_": "oldrestore.losses.classification.Focal", "gamma": 2.0},
    "optimizer": {"learning_rate": 0.00015},
}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"loss": "focal", "model.width": 0.5}, "loss=focal, width=0.5"),
        ({"a.weight": 1.0, "b.weight": 2}, "a.weight=1, b.weight=2"),
        ({"loss.terms.0.weight": 0.1, "loss.terms.1.weight": 0.25}, "terms.0.weight=0.1, terms.1.weight=0.25"),
        ({"loss.rebalance.lambda_": 0.5, "trainer.deterministic": True}, "lambda=0.5, deterministic=true"),
        ({"loss": "l1", "loss.gamma": None}, "loss=l1"),
        ({"loss.gamma": None}, "gamma=null"),
        ({"model.weights": "/a/b/net.safetensors"}, "weights=net.safetensors"),
        ({"weight": 1, "loss.weight": 2}, "weight=1, loss.weight=2"),
        ({}, ""),
    ],
)
def test_settings_are_called_as_briefly_as_tells_them_apart(settings, name):
    assert named(settings) == name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (["experiments=quickstart", "loss=focal", "model.width=1/2"], "quickstart, loss=focal, width=0.5"),
        (["optimizer.learning_rate=1.5e-4", "optimizer.learning_rate=15e-5"], "learning_rate=0.00015"),
        (
            ["seed=3", "experiment=e", "outputs=/o", "dataset.root=/p", "tracking=none"],
            "loss=Focal",
        ),
        (["trainer.workers=2", "sweeps=losses", "resume=auto", "hydra.job.chdir=true", "~schedule"], "loss=Focal"),
        (["+loss.gamma=2", "dataset@evaluation.judged='labelled_photos'"], "gamma=2, judged=labelled_photos"),
        (["model.weights=net"], "weights=net 5.safetensors"),
        (["evaluation.size=64", "trainer.device=cpu"] * 2, "size=64, device=cpu"),
        (["experiments=quickstart", "judge=[a,b]", "++evaluation.evaluators.b={_target_:B}"], "quickstart"),
        ([], "loss=Focal"),
    ],
)
def test_a_run_is_called_by_what_was_typed(typed, name):
    assert name_of_run(CONFIG, {}, typed) == name
    assert name_of_run({**CONFIG, "design": "my own"}, {}, typed) == "my own"


def test_a_run_that_records_nothing_is_called_by_its_loss():
    assert name_of_run(CONFIG, {"loss": "focal"}, []) == "loss=focal"
    assert name_of_run({}, {}, []) == ""


@pytest.mark.parametrize(
    ("columns", "chosen", "names"),
    [
        ({"loss": ["l1", "l2"]}, [None, None], ["loss=l1", "loss=l2"]),
        ({"loss": ["l1", "l2"]}, ["mine", None], ["mine", "loss=l2"]),
        # Of one chosen name: what differs between them follows, and not what differs from the others.
        (
            {"loss": ["l1", "l1", "l2"], "model.width": [0.5, 1.0, 1.0]},
            ["mine", "mine", None],
            ["mine (width=0.5)", "mine (width=1)", "loss=l2, width=1"],
        ),
        ({}, ["mine", "mine", "mine"], ["mine", "mine (2)", "mine (3)"]),
        ({"loss": ["l1", "l2"]}, ["loss=l2", None], ["loss=l2", "loss=l2 (2)"]),
        ({}, [None, None], ["design (1)", "design (2)"]),
        # Alike to four digits.
        ({"loss.sigma": [5.0, 5.00001]}, [None, None], ["sigma=5", "sigma=5 (2)"]),
        # Too long for a chart: the first settings alone, where they tell designs apart.
        ({"loss": ["l1", "l2"], "note": ["x" * 44, "y"]}, [None, None], ["loss=l1", "loss=l2"]),
        ({"note": ["x" * 44, "x" * 45]}, [None, None], ["note=" + "x" * 38 + "…", "note=" + "x" * 34 + "… (2)"]),
        # The longest value gives way.
        (
            {"loss": ["gradient_rebalanced_cross_entropy"] * 2, "model.width": [0.5, 0.25]},
            [None, None],
            ["loss=gradient_rebalanced_cross_e…, width=0.5", "loss=gradient_rebalanced_cross_…, width=0.25"],
        ),
        ({"loss": ["l1", "l2"]}, ["two\nlines\x1b[31m", None], ["two lines [31m", "loss=l2"]),
    ],
)
def test_no_two_designs_have_one_name(columns, chosen, names):
    assert names_among(columns, chosen) == names
    assert len(set(names)) == len(names) and max(map(len, names)) <= 44


def test_a_job_is_called_by_what_its_sweep_varies():
    assert name_of_job(None, {"loss": "focal", "model.width": "0.5"}) == "loss=focal, width=0.5"
    assert name_of_job("mine", {"loss": "'l1'", "design": "mine"}) == "mine, loss=l1"
    assert name_of_job("mine", {}) == "mine" and name_of_job(None, {}) is None


def test_names_become_parts_of_file_names():
    names = ["loss=focal, width=0.5", "a/b", "a:b", "A b", "../..", "日本 語", "loss_1"]
    assert file_names(names) == ["loss-focal-width-0.5", "a-b", "a-b-2", "A-b-3", "design", "日本-語", "loss_1"]


@pytest.mark.parametrize(
    "name", ["", " ", "two\\nlines", "x" * 45, pytest.param("'a\tb'", id="tab")], ids=lambda name: repr(name[:4])
)
def test_a_name_is_one_short_line(name):
    text = name.replace("\\n", "\n")
    with pytest.raises(UserError, match="design is a name of at most 44 characters in one line"):
        compose_config([f"design='{text}'"])


def test_a_name_is_any_text():
    assert compose_config(["design=2023"]).design == "2023"
    assert compose_config(["design=half the width's (é)"]).design == "half the width's (é)"
    assert compose_config([]).design is None


def test_runs_lists_and_finds_them(tmp_path, capsys):
    make_run(tmp_path, "r1", {"design": "ours"})
    (make_run(tmp_path, "r2", choices={"loss": "l1"}) / "overrides.yaml").write_text('- "model.width=0.25"\n')
    assert main(["runs", f"outputs={tmp_path}"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["run", "experiment", "design", "state"]
    assert [row.split()[2] for row in rows] == ["ours", "width=0.25"]
    assert main(["runs", f"outputs={tmp_path}", "--where", "design=our*"]) == 0
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()[1:]] == ["r1"]
    assert [Run(tmp_path / "e" / name).design for name in ("r1", "r2")] == ["ours", "width=0.25"]
