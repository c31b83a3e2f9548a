"""What needs no network, beside designs: its figures, which designs do not beat it, and figures counted from it."""

import csv
from functools import partial

import numpy as np
import pytest
from scipy import stats

from oldrestore.comparison.compare import compare_runs
from oldrestore.evaluation.baseline_scores import TITLES, BaselineScore, cache_path
from oldrestore.records.run import Run
from oldrestore.tables import csv_table
from tests.comparison.synthetic import make_run, scores

# How much better than a design in the middle each baseline is.
SHIFTS = dict(zip(TITLES, (-0.03, -0.02, 0.0, 0.2, 0.25, 0.3), strict=True))
SHOWN = ["auc", "psnr", "colorfulness", "iter_accuracy", "gap_closed", "gap_closed_from_floor"]


def baseline_rows(shifts):
    """Scores of constant colours: those of a design that is as much better; the tint is judged right more often."""
    for name, shift in shifts.items():
        for set_name, (images, metrics) in scores(shift, seed=7).items():
            if (name, set_name) == ("original", "judged"):
                continue  # among the scores of every run
            for metric, (values, weights) in metrics.items():
                if metric.startswith(("orig_", "gray_")) or (name == "tint" and metric == "colorfulness"):
                    continue
                for image, value, weight in zip(images, values, weights, strict=True):
                    yield BaselineScore(name, set_name, image, metric, float(value), float(weight), 0.0, 6.0)


def csv_of(shifts):
    return csv_table([row._asdict() for row in baseline_rows(shifts)], BaselineScore._fields)


@pytest.fixture
def runs(tmp_path):
    """A design below the floor, one at it, and one clearly above; two seeds each."""
    found = []
    for number, shift in enumerate((-0.05, 0.0, 0.08)):
        for seed in (0, 1):
            settings = {"seed": seed, "loss.sigma": 5.0 + number}
            folder = make_run(tmp_path, f"d{number}-{seed}", settings, scored=scores(shift, seed))
            (folder / "baselines.csv").write_text(csv_of(SHIFTS))
            found.append(Run(folder))
    return found


@pytest.fixture
def compare(cli, tmp_path):
    return partial(cli, "compare", "--experiment", "e", f"outputs={tmp_path}")


def test_baselines_stand_beside_the_designs(runs):
    found = compare_runs(runs, measures=SHOWN)
    assert list(found.baselines) == list(TITLES.values())
    values = scores(-0.03, seed=7)["val"][1]
    assert found.baselines["gray"]["psnr"].value == pytest.approx(values["psnr"][0].mean())
    assert "colorfulness" not in found.baselines["best tint"]
    judged = scores()["judged"][1]
    accuracies = {title: cells["iter_accuracy"].value for title, cells in found.baselines.items()}
    assert accuracies["originals"] == pytest.approx(judged["orig_correct"][0].mean())
    gaps = {title: cells["gap_closed"].value for title, cells in found.baselines.items()}
    assert gaps["originals"] == 1


def test_a_design_is_compared_with_the_better_floor(runs):
    found = compare_runs(runs, measures=SHOWN)
    psnr = [cells["psnr"].against_floor for cells in found.cells]
    assert {one.floor for one in psnr} == {"best tint"}
    assert [one.beaten for one in psnr] == [False, False, True]
    assert found.cells[2]["psnr"].mark == "best" and not found.cells[2]["psnr"].below_floor
    assert [cells["colorfulness"].against_floor for cells in found.cells] == [None] * 3
    assert found.below_floor(found.measures[1]) == ["best tint"]
    # Over single seeds: photographs are paired, and Holm's family is the three designs.
    single = compare_runs([run for run in runs if run.seed == 0], measures=["auc"])
    floor = np.array([row.value for row in baseline_rows({"tint": 0.0}) if row.metric == "auc"])
    tests = [stats.ttest_rel(scores(shift, 0)["val"][1]["auc"][0], floor) for shift in (-0.05, 0.0, 0.08)]
    for cells, test in zip(single.cells, tests, strict=True):
        against = cells["auc"].against_floor
        assert against.difference.difference == pytest.approx(test.statistic * test._standard_error)
    smallest = min(cells["auc"].against_floor.difference.p_value for cells in single.cells)
    assert min(cells["auc"].against_floor.p_holm for cells in single.cells) == pytest.approx(3 * smallest)


def test_baselines_do_not_count_as_designs(runs):
    shown, hidden = (compare_runs(runs, measures=SHOWN[:-1], baselines=beside) for beside in (True, False))
    assert hidden.baselines == {}
    for ours, theirs in zip(shown.cells, hidden.cells, strict=True):
        assert all(cell.against_floor is None for cell in theirs.values())
        pairs = [(ours[name], theirs[name]) for name in theirs]
        assert all((a.value, a.low, a.mark, a.p_holm) == pytest.approx((b.value, b.low, b.mark, b.p_holm), nan_ok=True)
                   for a, b in pairs)  # fmt: skip


def test_the_gap_is_counted_from_the_better_floor(runs):
    found = compare_runs(runs[-1:], measures=SHOWN)
    right = {name: values.mean() for name, (values, _) in scores(0.08, 1)["judged"][1].items()}
    tint = np.mean([row.value for row in baseline_rows({"tint": 0.0}) if row.metric == "iter_correct"])
    assert tint > right["gray_correct"]
    expected = (right["iter_correct"] - tint) / (right["orig_correct"] - tint)
    cell = found.cells[0]["gap_closed_from_floor"]
    assert cell.value == pytest.approx(expected)
    assert cell.low < cell.value < cell.high
    assert found.baselines["best tint"]["gap_closed_from_floor"].value == 0
    assert found.baselines["originals"]["gap_closed_from_floor"].value == 1


def of_two_judges(shift, seed=0):
    """Scores of a design, also by a judge that says what the first says of other designs, with its agreement."""
    scored = scores(shift, seed)
    photos, right = scores(shift - 0.1, seed)["judged"]
    images = scored["val"][0]
    hard = np.random.default_rng(5).gamma(2.0, 0.2, len(images))
    distances = {"kl": (hard * (1 - shift), np.ones(len(images))), "gray_kl": (hard * 1.3, np.ones(len(images)))}
    return scored | {"other": (photos, right), "other_agreement": (images, distances)}


def test_a_further_judge_has_floors_of_its_own(tmp_path):
    rows = []
    for baseline, shift in SHIFTS.items():
        for set_name, (images, metrics) in of_two_judges(shift, 7).items():
            for metric in ("iter_correct",) if "iter_correct" in metrics else ("kl",) if "kl" in metrics else ():
                values = metrics[metric][0]
                rows += [BaselineScore(baseline, set_name, *one, 1.0, 0.0, 6.0)._asdict()
                         for one in zip(images, [metric] * len(images), map(float, values), strict=True)]  # fmt: skip
    runs = []
    for number, shift in enumerate((-0.1, 0.15)):
        scored = of_two_judges(shift)
        folder = make_run(tmp_path, f"d{number}", {"loss.sigma": 5.0 + number}, scored=scored)
        (folder / "baselines.csv").write_text(csv_table(rows, BaselineScore._fields))
        runs.append(Run(folder))
    shown = ["other/iter_accuracy", "other_agreement/kl", "other/gap_closed_from_floor", "gap_closed_from_floor"]
    found = compare_runs(runs, measures=shown)
    for name in ("other/iter_accuracy", "other_agreement/kl"):
        floors = [cells[name].against_floor for cells in found.cells]
        assert {one.floor for one in floors} == {"best tint"}, "no ceiling is a floor"
        assert [one.beaten for one in floors] == [False, True], name
        assert not any(cells[name].mark for cells in found.baselines.values())
    tint = np.mean([row["value"] for row in rows if (row["baseline"], row["set"]) == ("tint", "other")])
    right = {name: values.mean() for name, (values, _) in of_two_judges(0.15)["other"][1].items()}
    expected = (right["iter_correct"] - tint) / (right["orig_correct"] - tint)
    assert found.cells[1]["other/gap_closed_from_floor"].value == pytest.approx(expected)
    assert found.cells[1]["gap_closed_from_floor"].value != pytest.approx(expected)
    assert found.baselines["gray"]["other/iter_accuracy"].value == pytest.approx(
        np.mean([row["value"] for row in rows if (row["baseline"], row["set"]) == ("gray", "other")])
    )


def test_baselines_are_found_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path / "cache"))
    data = {"protocol": {"name": "photos", "version": 1, "hash": "ab", "settings": {}}}
    run = Run(make_run(tmp_path / "outputs", "old", data=data))
    assert list(compare_runs([run], measures=["psnr", "iter_accuracy"]).baselines) == ["gray", "originals"]
    path = cache_path(run.data, "t", False)
    path.parent.mkdir(parents=True)
    path.write_text(csv_of({"gray": 0.0, "tint": 0.0}))
    found = compare_runs([Run(run.folder)], measures=["psnr", "iter_accuracy"])
    assert list(found.baselines) == ["gray", "best tint", "originals"]
    assert "psnr" in found.baselines["gray"]


def test_scores_of_other_photographs_are_no_baseline(runs):
    path = runs[0].folder / "baselines.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "39.jpg" not in line))
    found = compare_runs([Run(runs[0].folder)], measures=["psnr", "iter_accuracy"])
    assert "psnr" not in found.baselines["gray"] and "iter_accuracy" in found.baselines["gray"]


def test_figures_of_evaluators_have_the_baselines_that_they_measured(tmp_path):
    names = ["a.jpg", "b.jpg", "c.jpg"]
    level = {"network": 30.0, "biharmonic": 28.0, "mean": 20.0}
    holes = {f"{name}_psnr_hole": (value + np.arange(3.0), np.ones(3)) for name, value in level.items()}
    run = Run(make_run(tmp_path, "r", scored={"holes": (names, holes)}))
    found = compare_runs([run], measures=["holes/network_psnr_hole"])
    assert {title: cells["holes/network_psnr_hole"].value for title, cells in found.baselines.items()} == {
        "filled with the mean": 21.0,
        "biharmonic": 29.0,
    }
    assert found.cells[0]["holes/network_psnr_hole"].against_floor.floor == "biharmonic"


def test_tables_have_a_row_for_each_and_say_what_is_not_beaten(runs, compare):
    lines = compare("--figures", "psnr,auc", "--metric", "psnr").out.splitlines()
    assert [line.split("  ")[0] for line in lines[7:13]] == list(TITLES.values())
    assert "!" in lines[1] and "!" in lines[3] and "!" not in lines[5]
    told = "! not significantly better than the better of gray and the best tint"
    assert any(line.startswith(told) for line in lines)
    assert "PSNR: differences from best tint, which needs no network" in lines
    plain = compare("--figures", "psnr,auc", "--no-baselines").out
    assert "gray" not in plain and "!" not in plain and "tint" not in plain
    rows = list(csv.DictReader(compare("--figures", "psnr", "--csv").out.splitlines()))
    assert [row["psnr_floor"] for row in rows] == ["best tint"] * 3 + [""] * 6
    latex = compare("--figures", "psnr", "--latex").out
    assert "of the originals' own colours." in latex
    assert "best tint & " in latex and "quarter of the chroma & " in latex and r"\ddagger" in latex
    markdown = compare("--figures", "psnr", "--markdown").out
    assert "| best tint |" in markdown and "!" in markdown
