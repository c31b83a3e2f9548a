"""Comparisons: what is put together, what is refused, what is marked."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from oldrestore.comparison.compare import compare_runs
from oldrestore.comparison.measures import chosen_measures, known_measures, measure_of, table_of
from oldrestore.comparison.rendering import number, terminal
from oldrestore.evaluation.metric_table import metric_of
from oldrestore.records.run import Run
from oldrestore.statistics import wilson_interval
from oldrestore.statistics.mcnemar import mcnemar_detectable
from tests.comparison.synthetic import make_run, scores


@pytest.fixture
def outputs(tmp_path) -> Path:
    """Two designs of two seeds that can hardly be told apart, and one that is clearly better."""
    for design, shift in (("a", 0.0), ("b", 0.001), ("c", 0.08)):
        for seed in (0, 1):
            settings = {"seed": seed, "loss.sigma": {"a": 5.0, "b": 6.0, "c": 7.0}[design], "experiment": "sigmas"}
            make_run(tmp_path, f"{design}{seed}", settings, scored=scores(shift, seed))
    return tmp_path


def load(outputs: Path, *names: str) -> list[Run]:
    return [Run(next(outputs.glob(f"*/{name}"))) for name in names]


@pytest.fixture
def compare(cli, tmp_path):
    """Compare runs of the test's folder."""
    return partial(cli, "compare", f"outputs={tmp_path}")


@pytest.fixture
def designs(compare):
    """The designs that a comparison prints as JSON."""
    return lambda *arguments: compare(*arguments, "--json").content["designs"]


def test_seeds_are_aggregated_and_ties_marked(outputs, designs):
    found = designs("--experiment", "sigmas")
    assert [d["runs"] for d in found] == [["a0", "a1"], ["b0", "b1"], ["c0", "c1"]]
    assert [d["seeds"] for d in found] == [[0, 1]] * 3
    assert [d["differences"] for d in found] == [{"loss.sigma": s} for s in (5.0, 6.0, 7.0)]
    assert [d["figures"]["auc"]["mark"] for d in found] == ["", "", "best"]
    assert {d["figures"]["orig_accuracy"]["mark"] for d in found} == {""}  # neither way is better
    for design, shift in zip(found, (0.0, 0.001, 0.08), strict=True):
        each = []
        for seed in (0, 1):
            values, weights = scores(shift, seed)["val"][1]["auc_rebalanced"]
            each.append(np.average(values, weights=weights))
        assert design["figures"]["auc_rebalanced"]["value"] == pytest.approx(np.mean(each), abs=1e-12)
        assert design["figures"]["auc_rebalanced"]["seeds"] == 2
        assert design["training_seconds"] == 12.0
    found = designs("a0", "a1", "b0", "b1", "--figures", "auc")
    assert {d["figures"]["auc"]["mark"] for d in found} == {"best", "tied"}


def test_single_runs_have_paired_statistics(outputs):
    found = compare_runs(load(outputs, "a0", "c0"), measures=["auc", "psnr", "iter_accuracy", "gap_closed"])
    ours, best = (scores(shift, 0) for shift in (0.0, 0.08))
    cell = found.cells[0]["auc"]
    test = stats.ttest_rel(ours["val"][1]["auc"][0], best["val"][1]["auc"][0])
    assert cell.against_best.difference == pytest.approx(test.statistic * test._standard_error)
    student = test.confidence_interval()
    interval = cell.against_best.low, cell.against_best.high
    assert interval == pytest.approx((student.low, student.high), abs=0.075 * (student.high - student.low))
    assert cell.p_holm == cell.against_best.p_value == pytest.approx(1e-4, rel=0.01)
    right = int(ours["judged"][1]["iter_correct"][0].sum())
    share = found.cells[0]["iter_accuracy"]
    assert (share.value, share.low, share.high) == pytest.approx((right / 60, *wilson_interval(right, 60)))
    iter_, orig, gray = (ours["judged"][1][f"{v}_correct"][0].mean() for v in ("iter", "orig", "gray"))
    assert found.cells[0]["gap_closed"].value == pytest.approx((iter_ - gray) / (orig - gray))
    assert "say nothing about training again" in found.notes[-1]


@pytest.mark.parametrize(
    ("settings", "data", "sentence"),
    [
        ({}, {"val.fingerprint": "x", "val.photographs": {"01.jpg": "cc -"}}, "'01.jpg' has other contents"),
        ({}, {"judged.fingerprint": "x", "judged.count": 59}, "judged photographs of 'odd' are not those of 'a0'"),
        ({}, {"judge": {"name": "vgg16", "fingerprint": "x"}}, "the judge of 'odd' is vgg16, and that of 'a0'"),
        ({"evaluation.size": 64}, {}, "evaluation.size is 64 and 32"),
        ({"dataset.crops.evaluation_size": 48}, {}, "dataset.crops.evaluation_size is 48 and 32"),
        ({}, {"train.fingerprint": "x"}, "training photographs of 'odd'"),
        ({}, {"val": None}, "(none and 40"),
    ],
)
def test_what_was_measured_otherwise_is_refused_or_stands_apart(outputs, compare, settings, data, sentence):
    make_run(outputs, "odd", {"experiment": "sigmas", **settings}, data, scored=scores(0.0, 0))
    said = compare("a0", "odd", code=2)
    assert said.out == ""
    assert sentence in said.err and said.err.count("\n") == 1 and "--anyway" in said.err
    groups = compare("a0", "odd", "b0", "--anyway", "--json").content
    assert [[d["runs"] for d in group["designs"]] for group in groups] == [[["a0"], ["b0"]], [["odd"]]]


def test_further_judges_of_other_weights_are_refused(outputs, compare):
    for name, weights in (("j0", "s"), ("j1", "t"), ("j2", "s")):
        settings = {"experiment": "judges", "loss.sigma": len(name) + float(name[1])}
        make_run(outputs, name, settings, {"further_judges": {"squeezenet": weights}}, scores())
    said = compare("j0", "j1", code=2).err
    assert "the further judge squeezenet of 'j1' has other weights than that of 'j0'" in said
    compare("j0", "j2", "--resamples", "200")


def test_versions_of_a_protocol_are_told_apart(outputs, compare):
    stored = {"protocol": {"name": "photos", "version": 1, "hash": "p1"}}
    make_run(outputs, "v1", data=stored)
    make_run(outputs, "v1b", {"loss.sigma": 9.0}, data=stored)
    make_run(outputs, "v2", data={"protocol": {"name": "photos", "version": 2, "hash": "p2"}})
    compare("v1", "v1b")
    assert "the protocol of 'v2' (photos 2) is not that of 'v1' (photos 1)" in compare("v1", "v2", code=2).err
    changed = {"name": "seed_report", "version": 1, "hash": "s1", "changed": ["size"]}
    make_run(outputs, "other", data={"protocol": changed})
    sentence = "protocol of 'other' is seed_report 1, changed: size, and that of 'v1' is photos 1;"
    assert sentence in compare("v1", "other", code=2).err


def test_training_on_other_photographs_is_compared_where_the_settings_say_so(outputs, compare, designs):
    make_run(outputs, "fewer", {"dataset.fraction": 0.5}, {"train.fingerprint": "x"})
    found = designs("a0", "fewer")
    assert [d["differences"] for d in found] == [{"dataset.fraction": None}, {"dataset.fraction": 0.5}]
    # Said to be the same half, and is another.
    make_run(outputs, "swapped", {"dataset.fraction": 0.5, "seed": 1}, {"train.fingerprint": "y"})
    sentence = "the training photographs of 'swapped' are not those of 'fewer'"
    assert sentence in compare("a0", "fewer", "swapped", code=2).err


def test_differences_are_told_by_choice_and_below_equal_choices_alone(tmp_path, designs):
    loss = {"_target_": "oldrestore.losses.regression.L1", "beta": 1.0}
    focal = {"_target_": "oldrestore.losses.classification.Focal", "gamma": 2.0}
    make_run(tmp_path, "r0", {"loss": loss}, choices={"loss": "l1"})
    make_run(tmp_path, "r1", {"loss": focal}, choices={"loss": "focal"})
    make_run(tmp_path, "r2", {"loss": {**focal, "gamma": 3.0}}, choices={"loss": "focal"})
    assert [d["differences"] for d in designs("r0", "r1", "r2")] == [
        {"loss": "l1", "loss.gamma": None},
        {"loss": "focal", "loss.gamma": 2.0},
        {"loss": "focal", "loss.gamma": 3.0},
    ]
    assert [d["differences"] for d in designs("r0", "r1")] == [{"loss": "l1"}, {"loss": "focal"}]


def test_a_seed_run_twice_is_no_further_evidence(outputs, compare, designs):
    make_run(outputs, "again", {"loss.sigma": 5.0, "experiment": "x"}, scored=scores(0.0, 0))
    found = compare("a0", "a1", "again", "--json").content
    assert found["designs"][0]["seeds"] == [0, 1]
    assert any("a0 repeats seed 0 of loss=SoftCrossEntropy" in note for note in found["notes"])
    assert [d["runs"] for d in designs("a0", "a1", "again", "--by", "run")] == [["a0"], ["a1"], ["again"]]


def test_chosen_names_stand_everywhere_beside_what_differs(tmp_path, compare):
    for index, name in enumerate(("ours", "ours", "theirs")):
        for seed in (0, 1):
            settings = {"loss.sigma": 5.0 + index, "seed": seed, "design": name}
            make_run(tmp_path, f"n{index}{seed}", settings, scored=scores(0.02 * index, seed))
    names = ["ours (sigma=5)", "ours (sigma=6)", "theirs"]
    arguments = ["--experiment", "e", "--resamples", "200"]
    assert [d["name"] for d in compare(*arguments, "--json").content["designs"]] == names
    assert [row["name"] for row in csv.DictReader(compare(*arguments, "--csv").out.splitlines())][:3] == names
    lines = compare(*arguments).out.splitlines()
    assert lines[0].split()[:3] == ["design", "loss.sigma", "seeds"]
    assert "ours (sigma=6): n10 (seed 0), n11 (seed 1)" in lines
    assert "| theirs | 7 | 2 |" in compare(*arguments, "--markdown").out
    assert "theirs: n20 (seed 0), n21 (seed 1); loss.sigma 7" in compare(*arguments, "--latex").out
    # Runs that differ in the name alone are one design.
    make_run(tmp_path, "n22", {"loss.sigma": 7.0, "seed": 2, "design": "others"}, scored=scores(0.04, 2))
    found = compare(*arguments, "--json").content
    assert [d["name"] for d in found["designs"]] == names
    assert "theirs is one design, although runs of it are named 'others'" in found["notes"]


def test_seeds_that_ran_different_code_of_a_plugin_are_said_to(tmp_path, compare):
    for seed, digest in enumerate(("a" * 64, "b" * 64)):
        folder = make_run(tmp_path, f"p{seed}", {"seed": seed})
        plugin = {"name": "my_losses", "version": "0.1", "hash": digest}
        (folder / "provenance.json").write_text(json.dumps({"plugins": [plugin]}))
    notes = compare("--experiment", "e", "--resamples", "200", "--json").content["notes"]
    said = "version 0.1, hash aaaaaaaaaaaa (seed 0), version 0.1, hash bbbbbbbbbbbb (seed 1)"
    assert any(f"different code of the plugin my_losses: {said}; train them again" in note for note in notes)


def test_a_run_that_did_not_finish_is_said_to(outputs, compare):
    make_run(outputs, "cut", {"loss.sigma": 8.0}, state="killed", iteration=10)
    assert "cut is killed: scored at iteration 10 of 20" in compare("a0", "cut").out
    # Settings that change no score keep runs comparable.
    make_run(outputs, "more", {"evaluation.samples": 9, "trainer.workers": 4, "dataset.root": "/elsewhere"})
    compare("a0", "more")


def test_tables(outputs, compare):
    lines = compare("--where", "experiment=sig*", "--metric", "auc").out.splitlines()
    assert lines[0].split()[:5] == ["design", "seeds", "iter", "orig", "gray"]
    assert len({len(line) for line in lines[1:7:2]}) == 1
    assert lines[5].split()[0] == "sigma=7" and "*" in lines[5]
    assert "sigma=7: c0 (seed 0), c1 (seed 1)" in lines
    assert any(line.startswith("photographs: 60 (judged), 40 (val); protocol photos ") for line in lines)
    assert "AuC: differences from sigma=7, on the same 40 photographs" in lines
    rows = list(csv.DictReader(compare("--experiment", "sigmas", "--csv").out.splitlines()))
    assert [row["name"] for row in rows] == ["sigma=5", "sigma=6", "sigma=7", "gray", "originals"]
    assert [row["loss.sigma"] for row in rows] == ["5.0", "6.0", "7.0", "", ""]
    assert [row["design"] for row in rows[3:]] == ["gray", "originals"]
    assert float(rows[2]["auc_low"]) < float(rows[2]["auc"]) < float(rows[2]["auc_high"])
    assert rows[2]["auc_mark"] == "best" and rows[2]["auc_p_holm"] == ""
    assert rows[0]["auc_n"] == "40"
    markdown = compare("--experiment", "sigmas", "--markdown").out
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(table) == 7 and len({line.replace("\\|", "").count("|") for line in table}) == 1


POWER = "(80% power, 5% two-sided, one comparison)"


def test_the_smallest_detectable_difference(outputs, compare):
    """Of runs of one seed it is that of a paired test, here on the photographs that one alone is right on."""
    one, other = (scores(shift, 0)["judged"][1]["iter_correct"][0] for shift in (0.0, 0.001))
    detectable = mcnemar_detectable(float(np.mean(one != other)), 60, 0.05, 0.8)
    arguments = ["a0", "b0", "--metric", "iter_accuracy", "--resamples", "200"]
    said = compare(*arguments).out
    assert f"the smallest difference that 60 photographs detect is {100 * detectable:.1f}% {POWER}" in said
    assert "too few" not in said  # they differ significantly
    alike = make_run(outputs, "d0", {"loss.sigma": 9.0}, scored=scores(0.0, 3)).name
    assert "too few photographs to tell sigma=" in compare("a0", alike, "--metric", "auc", "--resamples", "200").out
    figures = compare(*arguments, "--json").content["designs"][0]["figures"]
    assert figures["iter_accuracy"]["against_best"]["detectable"] == pytest.approx(detectable)


def test_of_several_seeds_too_few_may_be_either(outputs, compare):
    said = compare("a0", "a1", "b0", "b1", "--metric", "auc").out
    assert "the smallest difference that 40 photographs and 2 seeds detect is 0.00" in said
    assert "too few photographs or seeds to tell sigma=6 from sigma=5" in said
    assert "too few" not in compare("a0", "a1", "c0", "c1", "--metric", "auc").out


def test_what_would_detect_a_difference(outputs, compare):
    arguments = ["a0", "b0", "--metric", "iter_accuracy", "--resamples", "200"]
    needed = compare(*arguments, "--detect", "0.02", "--json").content["needed"]
    one, other = (scores(shift, 0)["judged"][1]["iter_correct"][0] for shift in (0.0, 0.001))
    (design,) = needed.pop("designs")
    assert needed == {"figure": "iter_accuracy", "difference": 0.02}
    photographs = np.mean(one != other) * ((stats.norm.isf(0.025) + stats.norm.isf(0.2)) / 0.02) ** 2
    assert (design.pop("design"), design.pop("name")) == (1, "sigma=5")
    # The exact test takes a few percent more than the closed form.
    assert design == {"photographs": pytest.approx(1.025 * photographs, rel=0.02), "seeds": None}
    last = compare(*arguments, "--detect", "2%").out.splitlines()[-1]
    assert last.split() == ["sigma=5", str(design["photographs"]), "60", "-", "1"]
    both = compare("a0", "a1", "b0", "b1", "--metric", "auc", "--detect", "0.001").out.splitlines()[-1].split()
    assert both[0] == "sigma=5" and int(both[-2]) > 2
    alone = compare("a0", "--metric", "auc", "--detect", "0.01").out
    assert "AuC: there is no second design to detect a difference from" in alone


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name the runs, or give --experiment NAME or --where NAME=VALUE"),
        (["nothing"], "there is no run 'nothing'"),
        (["a0", "--experiment", "sigmas"], "not both"),
        (["--experiment", "other"], "there are no runs under"),
        (["a0", "a1", "--figures", "beauty"], "none of the runs has 'beauty': choose one of iter_accuracy"),
        (["a0", "a1", "--metric", "beauty"], "'beauty' is not among the figures shown"),
        (["a0", "a1", "--resamples", "few"], "at least 100, not 'few'"),
        (["a0", "a1", "--json", "--csv"], "not allowed with"),
        (["a0", "a1", "--detect", "0%"], "must be above 0, not '0%'"),
        (["a0", "a1", "--detect", "much"], "not 'much'"),
        (["a0", "a1", "--metric", "psnr", "--detect", "2%"], "--detect takes a difference of psnr in its unit, as 0.5"),
        (["a0", "a1", "--metric", "iter_accuracy", "--detect", "2"], "difference of iter_accuracy as 0.02 or 2%"),
        (["a0", "empty"], "run 'empty' has no scores of photographs to compare: it is failed"),
        (["a0", "partial"], "'39.jpg' is scored in one of them only"),
    ],
)
def test_wrong_requests_are_one_sentence(outputs, compare, arguments, sentence):
    make_run(outputs, "empty", scored={}, state="failed")
    make_run(outputs, "partial", {"loss.sigma": 9.0}, scored=scores(images=39))
    said = compare(*arguments, code=2)
    assert said.out == ""
    assert sentence in said.err and said.err.count("\n") == 1


def test_a_sweeps_folder_chooses_its_runs(outputs, compare):
    folder = outputs / "sweeps" / "mine"
    folder.mkdir(parents=True)
    rows = [f"done,{run.folder}" for run in load(outputs, "a0", "a1", "c0")]
    (folder / "jobs.csv").write_text("\n".join(["state,folder", *rows, "failed,"]))
    named = compare(str(folder), "--json", "--resamples", "200").out
    assert named == compare("a0", "a1", "c0", "--json", "--resamples", "200").out


def test_scores_that_are_no_numbers_are_told(tmp_path, compare, recwarn):
    found = scores()
    found["val"][1]["psnr"][0][[3, 4]] = np.nan, np.inf
    make_run(tmp_path, "odd", {"experiment": 'of "é"', "loss.sigma": 1.0}, scored=found)
    make_run(tmp_path, "even", {"experiment": 'of "é"', "loss.sigma": 2.0}, scored=scores(0.01, 1))
    printed = compare("--experiment", 'of "é"', "--resamples", "200").out
    assert "sigma=1 has no finite psnr: that of odd is none on 2 of 40 photographs ('03.jpg' is one)" in printed
    assert not [str(warned.message) for warned in recwarn if "invalid" in str(warned.message)]


def test_runs_without_scores_are_named_when_they_are_left_out(tmp_path, cli):
    make_run(tmp_path, "whole", scored=scores())
    make_run(tmp_path, "other", {"evaluation.size": 64}, scored=scores(0.01, 1))
    make_run(tmp_path, "empty", {"seed": 1}, scored={}, state="failed")
    named = ["whole", "empty", "other", f"outputs={tmp_path}", "--anyway", "--resamples", "200"]
    printed = cli("compare", *named)
    assert "oldrestore: empty failed (no reason is recorded): left out, for it has no scores" in printed.err
    # The second group says what keeps it apart.
    assert "# 1 of 2: not to be compared with the others\n" in printed.out
    assert "# 2 of 2: not to be compared with the others (the protocol of 'other'" in printed.out
    assert "evaluation.size is 64 and 32)" in printed.out
    reported = cli("report", *named, "--photographs", "0", "-o", tmp_path / "r.html")
    left_out = "empty failed (no reason is recorded): left out, for it has no scores"
    assert f"oldrestore: {left_out}" in reported.err
    assert f'<p class="warning">{left_out}</p>' in (tmp_path / "r.html").read_text()


def test_what_no_seed_changes_has_the_interval_of_one_run(tmp_path):
    runs = [Run(make_run(tmp_path, f"s{seed}", {"seed": seed}, scored=scores(0, seed))) for seed in range(3)]
    found = compare_runs(runs, resamples=200).cells[0]
    right = round(60 * found["orig_accuracy"].value)
    assert (found["orig_accuracy"].low, found["orig_accuracy"].high) == wilson_interval(right, 60)
    assert 0 <= found["iter_accuracy"].low < found["iter_accuracy"].high <= 1


def test_wide_letters_stand_in_line_and_markup_is_escaped(tmp_path, compare):
    for index, name in enumerate(("日本語", "<b>`x`")):
        settings = {"loss.sigma": 1.0 + index}
        make_run(tmp_path, f"w{index}", settings, scored=scores(0.01 * index, index), choices={"loss": name})
    arguments = ["w0", "w1", "--resamples", "200", "--figures", "auc"]
    first, _, second = compare(*arguments).out.splitlines()[1:4]
    assert first.index("0.8") + 3 == second.index("0.8")  # three letters of two columns each
    assert "\\<b>\\`x\\`" in compare(*arguments, "--markdown").out


def test_a_table_wider_than_the_terminal_goes_on_below_itself(outputs):
    # Whole columns and their figures: tests/test_tables.py.
    found = compare_runs(load(outputs, "a0", "a1", "b0", "b1", "c0", "c1"), resamples=200)
    whole = terminal(found).splitlines()
    end = whole.index("")
    narrow = terminal(found, width=60).splitlines()
    assert max(map(len, narrow)) <= 60 < max(map(len, whole[:end]))
    headings = [line for line in narrow if line.startswith("design ")]
    assert len(headings) > 1
    assert [name for line in headings for name in line.split()[1:]] == whole[0].split()[1:]
    assert "(seed\n" not in "\n".join(narrow)
    assert terminal(found, width=1000) == terminal(found)


def test_what_rounds_to_zero_has_no_sign():
    psnr, closed = (measure_of(metric_of(*name)) for name in (("val", "psnr"), ("judged", "gap_closed")))
    assert [number(v, psnr) for v in (-0.0004, -0.0, 0.0004, -0.0006)] == ["0.000", "0.000", "0.000", "-0.001"]
    assert [number(v, closed) for v in (-0.0004, -0.0, -0.0006)] == ["0.0%", "0.0%", "-0.1%"]


COLOR = ("auc", "auc_rebalanced", "psnr", "de2000", "colorfulness", "colorfulness_difference")
VERSIONS = [f"{v}_{what}" for v in ("iter", "orig", "gray", "tint") for what in ("correct", "probability")]
DIVERGENCES = ("kl", "gray_kl")


def test_figures_of_the_usual_table_in_their_order():
    of_sets = {"val": COLOR, "judged": VERSIONS, "agreement": DIVERGENCES}
    usual, further = known_measures([(name, metric) for name, metrics in of_sets.items() for metric in metrics])
    assert [(m.name, m.heading, m.set_name, m.better, m.form) for m in usual] == [
        ("iter_accuracy", "iter", "judged", "max", "percent"),
        ("orig_accuracy", "orig", "judged", None, "percent"),
        ("gray_accuracy", "gray", "judged", None, "percent"),
        ("gap_closed", "closed", "judged", "max", "percent"),
        ("auc", "AuC", "val", "max", "number"),
        ("auc_rebalanced", "AuC rebal", "val", "max", "number"),
        ("psnr", "PSNR", "val", "max", "number"),
        ("de2000", "dE2000", "val", "min", "number"),
        ("colorfulness", "CF", "val", None, "number"),
        ("colorfulness_difference", "delta CF", "val", "min", "number"),
        ("agreement/kl", "KL", "agreement", "min", "number"),
    ]
    assert [(m.name, m.heading, m.set_name, m.better, m.form) for m in further] == [
        ("gap_closed_probability", "closed p", "judged", "max", "percent"),
        ("gap_closed_from_floor", "closed, floor", "judged", "max", "percent"),
        ("gap_closed_probability_from_floor", "closed p, floor", "judged", "max", "percent"),
        ("judged/iter_probability", "p iter", "judged", "max", "number"),
        ("agreement/gray_kl", "KL gray", "agreement", None, "number"),
        ("kl_closed", "KL closed", "agreement", "max", "percent"),
    ]


def test_a_further_judge_stands_beside_the_first():
    of_sets = {
        "judged": VERSIONS,
        "agreement": DIVERGENCES,
        "squeezenet": VERSIONS,
        "squeezenet_agreement": DIVERGENCES,
    }
    usual, further = known_measures([(name, metric) for name, metrics in of_sets.items() for metric in metrics])
    assert [(m.name, m.heading) for m in usual] == [
        ("iter_accuracy", "iter"),
        ("squeezenet/iter_accuracy", "squeezenet iter"),
        ("orig_accuracy", "orig"),
        ("gray_accuracy", "gray"),
        ("gap_closed", "closed"),
        ("squeezenet/gap_closed", "squeezenet closed"),
        ("agreement/kl", "KL"),
        ("squeezenet_agreement/kl", "squeezenet KL"),
    ]
    assert [m.name for m in further if m.set_name.startswith("squeezenet")] == [
        "squeezenet/orig_accuracy",
        "squeezenet/gray_accuracy",
        "squeezenet/gap_closed_probability",
        "squeezenet/gap_closed_from_floor",
        "squeezenet/gap_closed_probability_from_floor",
        "squeezenet/iter_probability",
        "squeezenet_agreement/gray_kl",
        "squeezenet_agreement/kl_closed",
    ]
    assert [m.photographs for m in usual] == ["judged"] * 6 + ["val"] * 2
    shares = {"squeezenet/iter_accuracy", "squeezenet/orig_accuracy", "squeezenet/gray_accuracy"}
    assert {m.name for m in (*usual, *further) if m.is_share and m.set_name == "squeezenet"} == shares


@pytest.mark.parametrize(
    ("asked", "set_name", "better", "unit"),
    [
        ("ab_rmse", "val", "min", "Lab units"),
        ("judged/gray_probability", "judged", None, ""),
        ("holes/network_psnr_hole", "holes", "max", "dB"),
    ],
)
def test_other_figures_have_the_direction_of_the_table_or_none(asked, set_name, better, unit):
    (measure,) = chosen_measures([{(set_name, asked.rpartition("/")[2]): None}], [asked])
    assert (measure.name, measure.heading, measure.set_name) == (asked, asked, set_name)
    assert (measure.better, measure.unit, measure.form) == (better, unit, "number")


def test_scores_of_a_run_are_sorted_once(tmp_path):
    scored = {"val": (["b.jpg", "a.jpg"], {"psnr": (np.array([20.0, 30.0]), np.array([1.0, 2.0]))})}
    run = Run(make_run(tmp_path, "r", scored=scored))
    column = table_of(run)["val", "psnr"]
    assert column.images == ("a.jpg", "b.jpg")
    assert column.values.tolist() == [30.0, 20.0] and column.weights.tolist() == [2.0, 1.0]
    assert table_of(run) is table_of(run)


def evaluate(run: Path, name: str, checkpoint: str, iteration: int, settings: dict | None = None) -> None:
    """Write what ``oldrestore evaluate`` leaves below a run."""
    changed = {"experiment": "evaluations", "evaluation.samples": 7, **(settings or {})}
    folder = make_run(run, name, changed, {"train": None}, scores(0.0, 0), iteration=iteration)
    (folder / "status.json").unlink()
    (folder / "overrides.yaml").write_text(f'- "checkpoint={checkpoint}"\n')


def test_a_run_and_its_own_evaluation_differ_only_in_what_differs(outputs, compare, designs):
    run = outputs / "sigmas" / "a0"
    evaluate(run, "same", "best", 20, {"loss.sigma": 5.0})
    evaluate(run, "early", "best", 10, {"loss.sigma": 5.0})
    evaluate(run, "warm", "last", 20, {"loss.sigma": 5.0, "model.temperature": 1.0})
    assert [d["differences"] for d in designs("a0", "a0/evaluations/warm")] == [
        {"model.temperature": None},
        {"model.temperature": 1.0},
    ]
    found = designs("a0", "a0/evaluations/early")
    assert [d["differences"] for d in found] == [{"checkpoint": "last"}, {"checkpoint": "best"}]
    found = compare("a0", "a0/evaluations/same", "--json").content
    assert [d["runs"] for d in found["designs"]] == [["a0"]]
    same = "a0/same scores the same weights as a0, with the same settings, and is left out"
    assert same in found["notes"]


def test_what_is_no_equal_is_marked_and_left_out_unless_asked_for(outputs, compare, cli):
    marks = {
        "again": (20, {"reproduction": {"of": "c0", "verdict": "identical"}}, "reproduction", "a reproduction of c0"),
        "part": (5, {"reproduction": {"of": "c0", "until": 5}}, "reproduction", "of c0, of its first 5 iterations"),
        "heart": (20, {"diagnostic": "overfit"}, "overfit", "trains on a few batches again and again"),
        "longer": (30, {}, "extended", "was extended from 20 iterations"),
        "cut": (10, {"state": "killed"}, "killed", "is killed"),
        "bad": (10, {"state": "failed", "reason": "the loss is NaN"}, "failed", "failed (the loss is NaN)"),
    }
    for name, (iteration, status, _, _) in marks.items():
        settings = {"seed": 0, "loss.sigma": 7.0, "experiment": "sigmas", "trainer.max_iterations": iteration}
        folder = make_run(outputs, name, settings, scored=scores(0.3, 5), iteration=iteration)
        (folder / "status.json").write_text(json.dumps(json.loads((folder / "status.json").read_text()) | status))
    (outputs / "sigmas/longer/resumes/001").mkdir(parents=True)
    resume = {"iteration": 20, "changed": {"trainer.max_iterations": [20, 30]}}
    (outputs / "sigmas/longer/resumes/001/resume.json").write_text(json.dumps(resume))

    said = compare("--experiment", "sigmas", "--json")
    assert [d["runs"] for d in said.content["designs"]] == [["a0", "a1"], ["b0", "b1"], ["c0", "c1"]]
    for name, (_, _, kind, words) in marks.items():
        (line,) = [line for line in said.err.splitlines() if line.startswith(f"oldrestore: {name} ")]
        assert words in line and line.endswith(f"left out (--include {kind})")
    listed = {run["run_id"]: run for run in cli("runs", f"outputs={outputs}", "--json").content}
    assert {name: listed[name]["kind"] for name in (*marks, "a0")} == {n: m[2] for n, m in marks.items()} | {"a0": None}
    table = cli("runs", f"outputs={outputs}").out
    assert "was extended from 20 iterations" in table and "is a reproduction of c0, of its first 5 iterations" in table
    found = cli("runs", f"outputs={outputs}", "--json", "--where", "kind=reproduction").content
    assert {run["run_id"] for run in found} == {"again", "part"}

    included = compare("--experiment", "sigmas", "--include", "killed,extended", "--json").content
    assert [d["runs"] for d in included["designs"][3:]] in ([["cut"], ["longer"]], [["longer"], ["cut"]])
    assert "longer was extended from 20 iterations" in included["notes"]
    named = compare("again", "c0", "c1", "--json").content
    assert [d["runs"] for d in named["designs"]] == [["c0", "c1"]], "it repeats a seed"
    assert "is left out: add --include" in compare("--where", "kind=killed", code=2).err
    assert "'dead' is no kind of run" in compare("--experiment", "sigmas", "--include", "dead", code=2).err


def test_intervals_stay_within_what_a_metric_can_be(tmp_path, compare):
    for seed, shift in enumerate((0.0, 60.0)):  # two seeds: Student's t with one degree of freedom
        found = scores()
        names, metrics = found["val"]
        ones = np.ones(len(names))
        metrics |= {"colorfulness": (shift + np.linspace(1, 9, len(names)), ones), "auc": (ones - shift / 300, ones)}
        make_run(tmp_path, f"r{seed}", {"seed": seed}, scored=found)
    figures = compare("r0", "r1", "--figures", "colorfulness,auc", "--json").content["designs"][0]["figures"]
    assert (figures["colorfulness"]["value"], figures["colorfulness"]["low"]) == (pytest.approx(35), 0.0)
    assert figures["colorfulness"]["high"] > 100
    assert (figures["auc"]["value"], figures["auc"]["low"], figures["auc"]["high"]) == (pytest.approx(0.9), 0.0, 1.0)
