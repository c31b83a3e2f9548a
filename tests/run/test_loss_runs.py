"""Losses from the command line: sums and schedules, pairs that do not fit, sweeps, the example in the docs."""

import csv
import re
import shutil

import numpy as np
import paddle
import pytest

from oldrestore.batch import Batch, Prediction
from oldrestore.cli import main
from oldrestore.config.build import build
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.location import configuration_root
from oldrestore.config.multirun import expand_jobs, sweep_parameters
from oldrestore.config.pairs import check_pair, choices, predictions, readings
from oldrestore.config.plugins import VARIABLE, use_plugins
from oldrestore.errors import UserError
from oldrestore.records.run import Run
from tests.plugins import write_plugin

QUICK = ("tracking=none", "evaluation.judged=null", "evaluation.samples=0", "trainer.evaluate_every=0")
SUMS = [name for name, node in choices("loss").items() if node["_target_"].endswith(".Composite")]
SCHEDULE = "{_target_:oldrestore.losses.weight_schedule.Linear,start:0,end:8,from_:1,until:5}"


def fitting_model(loss: str) -> str:
    return next(name for name, node in choices("model").items() if readings(choices("loss")[loss]) <= predictions(node))


def train_sum(workshop, *overrides: str) -> dict[str, np.ndarray]:
    """Train with a weighted sum, check the total, and return the curves."""
    code, folder = workshop.train(*QUICK, *overrides)
    assert code == 0
    run = Run(folder)
    curves = {name.removeprefix("train/"): curve.values for name, curve in run.curves.items()}
    terms = run.config["loss"]["terms"]
    total = sum(curves.get(f"weight/{name}", term["weight"]) * curves[name] for name, term in terms.items())
    np.testing.assert_allclose(curves["loss"], total, rtol=1e-5)
    return curves


@pytest.mark.slow
@pytest.mark.parametrize("loss", SUMS)
def test_each_sum_runs_from_the_command_line_with_a_curve_for_each_term(workshop, loss):
    train_sum(workshop, f"loss={loss}", f"model={fitting_model(loss)}", "trainer.max_iterations=2")


def test_a_scheduled_weight_is_a_curve_of_the_run(workshop):
    curves = train_sum(workshop, "model=siggraph17", "loss=siggraph17_full", f"loss.terms.regression.weight={SCHEDULE}")
    assert curves["weight/regression"].tolist() == [0.0, 0.0, 2.0, 4.0, 6.0, 8.0]


def test_an_impossible_pair_exits_2_with_both_names_and_the_setting_that_fits(workshop, capsys):
    code, folder = workshop.train("model=eccv16", "loss=l2")
    assert (code, folder) == (2, None)
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "the loss L2 reads ab but the model Eccv16 predicts logits: " in message
    assert "set loss.annealed_mean=0.38, or choose another model (ddcolor, " in message
    quick = ("trainer.max_iterations=1", *QUICK)
    assert workshop.train("model=eccv16", "loss=l2", "loss.annealed_mean=0.38", *quick)[0] == 0


def jobs_of(sweep: str) -> list[list[str]]:
    return expand_jobs([f"sweeps={sweep}"], training=True)


@pytest.mark.parametrize("sweep", ["loss_designs", "rebalancing", "dispersion_claim", "seeds", "four_losses"])
def test_every_job_of_a_sweep_is_a_run_that_could_start(sweep):
    base = [f"experiments={sweep}"] if sweep == "dispersion_claim" else []
    jobs = [(dict(text.split("=", 1) for text in job), job) for job in jobs_of(sweep)]
    assert {settings["seed"] for settings, _ in jobs} == {"0", "1", "2"}
    budgets = set()
    for job in [job for settings, job in jobs if settings["seed"] == "0"]:
        config = compose_config([*base, *job])
        check_pair(config.model, config.loss)
        budgets.add((config.trainer.max_iterations, config.trainer.batch_size, config.model.get("width")))
    assert len(budgets) == 1


def test_the_sweeps_are_as_large_as_they_say():
    designs = {job[2] for job in jobs_of("loss_designs")}
    assert len(designs) >= 12 and len(jobs_of("loss_designs")) == 3 * len(designs)
    shares = {float(job[2].partition("=")[2]) for job in jobs_of("rebalancing")}
    assert shares == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert len({job[3] for job in jobs_of("rebalancing")}) >= 2


def test_the_temperatures_change_a_run_of_eccv16_and_of_no_regression():
    jobs = expand_jobs(["sweeps=temperature", "evaluation.size=64"])
    run = compose_config([])
    assert [override_config(run, job).model.temperature for job in (jobs[0], jobs[-1])] == [0.1, 1.0]
    temperatures = {float(job[0].removeprefix("model.temperature=")) for job in jobs}
    assert len(temperatures) == len(jobs) >= 10 and (min(temperatures), max(temperatures)) == (0.1, 1.0)
    with pytest.raises(UserError, match=r"no setting 'model.temperature'"):
        override_config(compose_config(["model=resnet", "loss=l2"]), jobs[0])


def test_what_is_typed_goes_before_the_file_and_values_are_combined():
    jobs = expand_jobs(["sweeps=temperature", "model.temperature=0.5,1", "seed=1,2"])
    assert jobs == [[f"model.temperature={t}", f"seed={s}"] for t in ("0.5", "1") for s in "12"]
    assert sweep_parameters("seeds") == {"seed": "0,1,2"}
    with pytest.raises(UserError, match="sweeps=loss_designs is for training"):
        expand_jobs(["sweeps=loss_designs"])
    with pytest.raises(UserError, match="there is no sweep 'temperatur': did you mean 'temperature'"):
        expand_jobs(["sweeps=temperatur"])


def test_evaluations_that_vary_are_one_table(tracked_run, capsys, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tracked_run, run)
    arguments = ["sweeps=temperature", "model.temperature=0.2,1.0", "evaluation.samples=0"]
    assert main(["evaluate", str(run), "--multirun", *arguments]) == 0
    (path,) = run.glob("evaluations/*/evaluations.csv")
    assert capsys.readouterr().out.rstrip().endswith(str(path))
    rows = list(csv.DictReader(path.open()))
    assert [row["model.temperature"] for row in rows] == ["0.2", "1.0"]
    for row in rows:
        # Each row is what evaluating with this temperature alone gives.
        evaluation = Run(run / "evaluations" / row["evaluation"])
        assert evaluation.config["model"]["temperature"] == float(row["model.temperature"])
        for metric in ("auc_rebalanced", "colorfulness"):
            scores = evaluation.scores[evaluation.scores["metric"] == metric]
            assert float(row[metric]) == pytest.approx(np.average(scores["value"], weights=scores["weight"]))
        final = evaluation.accuracy_rows[-1]
        assert (float(row["iter_accuracy"]), row["n"]) == (final["iter_accuracy"], "3")
    assert rows[0]["colorfulness"] != rows[1]["colorfulness"]


def test_a_wrong_value_among_several_stops_before_the_first(tracked_run, capsys):
    before = sorted(tracked_run.glob("evaluations/*"))
    assert main(["evaluate", str(tracked_run), "--multirun", "model.temperature=0.5,7"]) == 2
    assert "model.temperature must be less than or equal to 2, not 7" in capsys.readouterr().err
    assert sorted(tracked_run.glob("evaluations/*")) == before


@pytest.fixture
def with_the_pages_example(monkeypatch, tmp_path):
    """Do what the page says: its blocks as the files of a plugin."""
    page = (configuration_root() / "docs" / "add_a_loss.md").read_text()
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", page, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "yaml", "yaml"]
    files = ("charbonnier.py", "conf/loss/charbonnier.yaml", "conf/loss/my_mix.yaml")
    plugin = write_plugin(tmp_path / "my_losses", dict(zip(files, (text for _, text in blocks), strict=True)))
    monkeypatch.setenv(VARIABLE, "")
    use_plugins(plugin)


def test_the_pages_example_trains(workshop, with_the_pages_example, capsys):
    resnet = ("model=resnet", "loss.annealed_mean=null", *QUICK)
    code, folder = workshop.train("loss=charbonnier", *resnet)
    assert code == 0
    values = Run(folder).curves["train/loss"].values
    assert len(values) == 6 and np.isfinite(values).all()
    assert values[-1] < values[0]
    assert workshop.train("loss=charbonnier", "trainer.max_iterations=1", *QUICK)[0] == 0  # eccv16's logits

    assert workshop.train("loss=charbonnier", "loss.epsilon=-1", *resnet)[0] == 2
    assert "loss.epsilon must be greater than 0, not -1" in capsys.readouterr().err
    assert workshop.train("loss=charbonnier", "model=resnet")[0] == 2
    page = (configuration_root() / "docs" / "add_a_loss.md").read_text()
    # As the page shows it, up to the list of losses, which grows.
    shown = " ".join(re.search(r"^oldrestore: the loss Charb.*? or loss \(", page, re.MULTILINE | re.DOTALL)[0].split())
    assert shown in capsys.readouterr().err


@pytest.mark.slow
def test_the_pages_sum_trains(workshop, with_the_pages_example):
    curves = train_sum(workshop, "loss=my_mix")
    assert curves["weight/colorfulness"].tolist() == [0.0, 0.0, 0.0, 2.5, 5.0, 5.0]


def test_the_pages_example_is_the_formula(with_the_pages_example):
    rng = np.random.default_rng(0)
    true, predicted = rng.uniform(-60, 60, (2, 2, 2, 8, 8))
    batch = Batch(paddle.full([2, 1, 8, 8], 50.0), paddle.to_tensor(true.astype(np.float32)))
    value = build(choices("loss")["charbonnier"] | {"annealed_mean": None})(
        Prediction(ab=paddle.to_tensor(predicted.astype(np.float32))), batch
    )
    expected = np.sqrt(((predicted - true) ** 2).sum(axis=1) + 1.0).mean()
    assert float(value) == pytest.approx(expected, rel=1e-5)
