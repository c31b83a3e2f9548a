"""Losses from the command line: sums and schedules end to end, pairs that do not fit, sweeps, the page's example."""

from __future__ import annotations

import csv
import itertools
import re
import shutil

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import oldrestore.losses
from oldrestore.cli import main
from oldrestore.config import compose, folders, location
from oldrestore.config.compose import compose_config, override_config
from oldrestore.config.location import configuration_root
from oldrestore.config.multirun import expand_jobs, sweep_parameters
from oldrestore.config.pairs import check_pair, choices, predictions, readings
from oldrestore.errors import UserError
from oldrestore.records.run import Run

QUICK = ("tracking=none", "evaluation.judged=null", "evaluation.samples=0", "trainer.evaluate_every=0")
SUMS = [name for name, node in choices("loss").items() if node["_target_"].endswith(".Composite")]
SCHEDULE = "{_target_:oldrestore.losses.weight_schedule.Linear,start:0,end:8,from_:1,until:5}"


def fitting_model(loss: str) -> str:
    return next(name for name, node in choices("model").items() if readings(choices("loss")[loss]) <= predictions(node))


@pytest.mark.slow
@pytest.mark.parametrize("loss", SUMS)
def test_each_sum_runs_from_the_command_line_with_a_curve_for_each_term(workshop, loss):
    code, folder = workshop.train(f"loss={loss}", f"model={fitting_model(loss)}", "trainer.max_iterations=2", *QUICK)
    assert code == 0
    metrics = Run(folder).curves
    terms = choices("loss")[loss]["terms"]
    weights = {
        name: metrics[f"train/weight/{name}"].values if isinstance(term["weight"], dict) else term["weight"]
        for name, term in terms.items()
    }
    weighted = sum(weights[name] * metrics[f"train/{name}"].values for name in terms)
    np.testing.assert_allclose(metrics["train/loss"].values, weighted, rtol=1e-5)


def test_a_scheduled_weight_is_a_curve_of_the_run(workshop):
    schedule = f"loss.terms.regression.weight={SCHEDULE}"
    code, folder = workshop.train("model=siggraph17", "loss=siggraph17_full", schedule, *QUICK)
    assert code == 0
    metrics = Run(folder).curves
    weights = metrics["train/weight/regression"].values
    assert weights.tolist() == [0.0, 0.0, 2.0, 4.0, 6.0, 8.0]
    total = metrics["train/classification"].values + weights * metrics["train/regression"].values
    np.testing.assert_allclose(metrics["train/loss"].values, total, rtol=1e-5)


def test_an_impossible_pair_exits_2_with_both_names_and_the_pairs_that_fit(workshop, capsys):
    code, folder = workshop.train("model=eccv16", "loss=l2")
    assert (code, folder) == (2, None)
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "losses.regression.L2 reads ab" in message and "models.eccv16.Eccv16 predicts logits" in message
    fitting = dict(pair.split(" with ") for pair in message.partition("pairs that fit are ")[2].split("; "))
    assert "l2" in fitting["resnet"].split(", ") and "l2" not in fitting["eccv16"].split(", ")
    assert {"cross_entropy", "annealed_mean_l2"} <= set(fitting["eccv16"].split(", "))


def test_with_a_temperature_the_same_loss_fits():
    config = compose_config(["model=eccv16", "loss=l2", "loss.annealed_mean=0.38"])
    check_pair(config.model, config.loss)
    with pytest.raises(UserError, match=r"reads logits but the model .*ResNet predicts ab"):
        check_pair(choices("model")["resnet"], config.loss)


def jobs_of(sweep: str) -> list[list[str]]:
    node = yaml.safe_load((configuration_root() / "sweeps" / f"{sweep}.yaml").read_text())
    texts = [f"{key}={values}" for key, values in node["hydra"]["sweeper"]["params"].items()]
    parsed = OverridesParser.create().parse_overrides(texts)
    values = [[f"{o.key_or_group}={value}" for value in o.sweep_string_iterator()] for o in parsed]
    return [list(job) for job in itertools.product(*values)]


def without_seed(jobs: list[list[str]]) -> list[list[str]]:
    """Return each job once: seeds change nothing that is checked."""
    return [list(job) for job in dict.fromkeys(tuple(o for o in job if not o.startswith("seed=")) for job in jobs)]


@pytest.mark.parametrize("sweep", ["loss_designs", "rebalancing", "dispersion_claim", "seeds", "four_losses"])
def test_every_job_of_a_sweep_is_a_run_that_could_start(sweep):
    jobs = jobs_of(sweep)
    base = [f"experiments={sweep}"] if sweep == "dispersion_claim" else []
    budgets = set()
    for job in without_seed(jobs):
        config = compose_config([*base, f"sweeps={sweep}", *job])
        check_pair(config.model, config.loss)
        budgets.add((config.trainer.max_iterations, config.trainer.batch_size, config.model.get("width")))
    assert len(budgets) == 1
    assert len({job[0] for job in jobs}) == 3 and all(text.startswith("seed=") for job in jobs for text in job[:1])


def test_the_sweeps_are_as_large_as_they_say():
    designs = {job[1] for job in jobs_of("loss_designs")}
    assert len(designs) >= 12 and len(jobs_of("loss_designs")) == 3 * len(designs)
    shares = {float(job[1].partition("=")[2]) for job in jobs_of("rebalancing")}
    assert shares == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert len({job[2] for job in jobs_of("rebalancing")}) >= 2


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
    with pytest.raises(UserError, match=r"there is no sweep 'temperatur': choose one of .*temperature"):
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
        (own,) = run.glob(f"evaluations/{row['evaluation']}")
        assert yaml.safe_load((own / "config.yaml").read_text())["model"]["temperature"] == float(
            row["model.temperature"]
        )
        scores = list(csv.DictReader((own / "per_image.csv").open()))
        values = {}
        for metric in ("auc_rebalanced", "colorfulness"):
            measured = [(float(s["weight"]), float(s["value"])) for s in scores if s["metric"] == metric]
            values[metric] = sum(w * v for w, v in measured) / sum(w for w, _ in measured)
        assert float(row["auc_rebalanced"]) == pytest.approx(values["auc_rebalanced"])
        assert float(row["colorfulness"]) == pytest.approx(values["colorfulness"])
        table = list(csv.DictReader((own / "accuracy.csv").open()))
        assert row["iter_accuracy"] == table[-1]["iter_accuracy"] and row["n"] == "3"
    assert rows[0]["colorfulness"] != rows[1]["colorfulness"]


def test_a_wrong_value_among_several_stops_before_the_first(tracked_run, capsys):
    before = sorted(tracked_run.glob("evaluations/*"))
    assert main(["evaluate", str(tracked_run), "--multirun", "model.temperature=0.5,7"]) == 2
    assert "model.temperature must be less than or equal to 2, not 7" in capsys.readouterr().err
    assert sorted(tracked_run.glob("evaluations/*")) == before


@pytest.fixture
def with_the_pages_example(monkeypatch, tmp_path):
    """Do what the page says: its blocks as files, in a copy of the configuration and beside the package's losses."""
    root = configuration_root()
    page = (root / "docs" / "add_a_loss.md").read_text()
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", page, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "yaml", "yaml"]
    for folder in ("conf", "experiments", "sweeps"):
        shutil.copytree(root / folder, tmp_path / "root" / folder)
    code = tmp_path / "code"
    code.mkdir()
    (code / "charbonnier.py").write_text(blocks[0][1])
    (tmp_path / "root" / "conf" / "loss" / "charbonnier.yaml").write_text(blocks[1][1])
    (tmp_path / "root" / "conf" / "loss" / "my_mix.yaml").write_text(blocks[2][1])
    monkeypatch.setattr(oldrestore.losses, "__path__", [*oldrestore.losses.__path__, str(code)])
    for module in (location, compose, folders):
        monkeypatch.setattr(module, "configuration_root", lambda: tmp_path / "root")


def test_the_pages_example_trains(workshop, with_the_pages_example, capsys):
    resnet = ("model=resnet", *QUICK)
    code, folder = workshop.train("loss=charbonnier", *resnet)
    assert code == 0
    values = Run(folder).curves["train/loss"].values
    assert len(values) == 6 and np.isfinite(values).all()
    assert values[-1] < values[0]

    assert workshop.train("loss=charbonnier", "loss.epsilon=-1", *resnet)[0] == 2
    assert "loss.epsilon must be greater than 0, not -1" in capsys.readouterr().err
    assert workshop.train("loss=charbonnier", "model=eccv16")[0] == 2
    assert "Charbonnier reads ab but the model" in capsys.readouterr().err


@pytest.mark.slow
def test_the_pages_sum_trains(workshop, with_the_pages_example):
    code, folder = workshop.train("loss=my_mix", "model=resnet", *QUICK)
    assert code == 0
    metrics = Run(folder).curves
    weights = metrics["train/weight/colorfulness"].values
    assert weights.tolist() == [0.0, 0.0, 0.0, 2.5, 5.0, 5.0]
    total = metrics["train/error"].values + weights * metrics["train/colorfulness"].values
    np.testing.assert_allclose(metrics["train/loss"].values, total, rtol=1e-5)


def test_the_pages_example_is_the_formula(with_the_pages_example):
    import paddle

    from oldrestore.batch import Batch, Prediction
    from oldrestore.config.build import build

    rng = np.random.default_rng(0)
    true, predicted = rng.uniform(-60, 60, (2, 2, 2, 8, 8))
    batch = Batch(paddle.full([2, 1, 8, 8], 50.0), paddle.to_tensor(true.astype(np.float32)))
    value = build(choices("loss")["charbonnier"])(Prediction(ab=paddle.to_tensor(predicted.astype(np.float32))), batch)
    expected = np.sqrt(((predicted - true) ** 2).sum(axis=1) + 1.0).mean()
    assert float(value) == pytest.approx(expected, rel=1e-5)
