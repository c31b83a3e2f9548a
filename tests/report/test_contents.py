"""What a report is made of, against numbers computed anew from the run folders; and what it says in words."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from oldrestore.comparison.compare import compare_runs
from oldrestore.errors import UserError
from oldrestore.records.run import Run
from oldrestore.report.contents import gather
from oldrestore.report.page import mark_designs
from oldrestore.report.setup import setup_of
from tests.comparison.synthetic import curve, make_designs, make_run, scores, write_metrics

SHIFTS = {"hard_cross_entropy": 0.0, "focal": 0.002, "cross_entropy": 0.08}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    return make_designs(tmp_path_factory.mktemp("outputs"), SHIFTS, (0, 1, 2), length=20)


@pytest.fixture(scope="module")
def group(runs):
    return gather(runs, photographs=0, resamples=500).groups[0]


def test_figures_are_those_of_the_folders(runs, group):
    assert group.names == list(SHIFTS)
    for design in range(3):
        each = []
        for run in runs[3 * design : 3 * design + 3]:
            table = pd.read_csv(run.folder / "per_image.csv")
            rows = table[(table.trained_iterations == 20) & (table.metric == "auc_rebalanced")]
            each.append(np.average(rows.value, weights=rows.weight))
        assert group.by_seed["auc_rebalanced"][design] == pytest.approx(each, abs=1e-12)
        assert group.cell(design, "auc_rebalanced").value == pytest.approx(np.mean(each), abs=1e-12)
    # What is not in the table has figures too.
    assert group.compared.measures == group.further[: len(group.compared.measures)]
    assert group.headline.name == "auc_rebalanced" and group.judged


def test_curves_are_means_between_their_seeds(group):
    series = group.one("train/loss")
    assert series.block == 1 and [series.name for series in group.losses] == ["train/loss", "val/loss"]
    for band, loss in zip(series.bands, SHIFTS, strict=True):
        each = np.array([[curve(loss, seed)[at]["train/loss"] for at in range(1, 21)] for seed in (0, 1, 2)])
        assert band.iterations.tolist() == list(range(1, 21)) and set(band.seeds) == {3}
        assert band.mean == pytest.approx(each.mean(axis=0), abs=1e-12)
        assert (band.low == each.min(axis=0)).all() and (band.high == each.max(axis=0)).all()
    assert [series.name for series in group.over_iterations] == ["val/auc", "judged/iter_accuracy"]


@pytest.mark.parametrize("length", [95, 97])
def test_long_curves_are_averaged_in_blocks_that_miss_no_iteration(tmp_path, length):
    """A last block of few iterations joins the one before."""
    runs = make_designs(tmp_path, SHIFTS, (0, 1, 2), length=length)
    series = gather(runs, photographs=0, resamples=100).groups[0].one("train/loss")
    assert series.block == 3  # as many points in at most 40
    band = series.bands[0]
    raw = np.array(
        [[value["train/loss"] for value in curve("hard_cross_entropy", seed, length).values()] for seed in range(3)]
    )
    starts = [*range(0, 93, 3), 93]
    ends = [*starts[1:], length]
    means = np.array([raw[:, start:end].mean(axis=1) for start, end in zip(starts, ends, strict=True)])
    assert band.iterations.tolist() == ends
    assert band.mean == pytest.approx(means.mean(axis=1), abs=1e-12)
    assert band.high == pytest.approx(means.max(axis=1), abs=1e-12)


def test_runs_of_other_lengths_and_lost_values_keep_what_they_have(tmp_path):
    for seed, length in ((0, 4), (1, 2)):
        folder = make_run(tmp_path, f"r{seed}", {"seed": seed}, scored=scores(0, seed))
        value = {at: {"train/loss": float(at + 10 * seed)} for at in range(1, length + 1)}
        if seed == 0:
            value[2]["train/loss"] = "NaN"
        write_metrics(folder, value)
    runs = [Run(tmp_path / "e" / f"r{seed}") for seed in (0, 1)]
    (band,) = gather(runs, photographs=0, resamples=100).groups[0].one("train/loss").bands
    assert band.seeds.tolist() == [2, 1, 1, 1]
    assert band.mean.tolist() == [6.0, 12.0, 3.0, 4.0]
    assert band.low.tolist() == [1.0, 12.0, 3.0, 4.0]


def test_origins_tell_photographs_protocol_and_the_command(runs, group, monkeypatch):
    origin = group.origins[0]
    assert (origin.run_id, origin.design, origin.seed) == ("d0-0", 0, 0)
    assert origin.facts["validation photographs"] == "40 of photos, fingerprint v"
    assert origin.facts["judge"] == "efficientnet_lite0, fingerprint w"
    assert re.fullmatch("photos, hash [0-9a-f]{12}", origin.facts["protocol"])
    assert origin.facts["commit"] == "not recorded"  # there is no provenance.json
    assert origin.reproduce == f"oldrestore reproduce {runs[0].folder}"
    folder = runs[0].folder
    recorded = {"commit": "c" * 40, "dirty": True, "patch_sha256": "p" * 64, "python": "3.11.7", "device": "cpu"}
    recorded |= {"packages": {"numpy": "2.4", "left-pad": "1"}, "environment": {"OMP_NUM_THREADS": "2"}}
    (folder / "provenance.json").write_text(json.dumps(recorded))
    (folder / "overrides.yaml").write_text('- "loss=focal"\n- "experiment=two words"\n')
    monkeypatch.chdir(folder.parent.parent)
    origin = gather([Run(run.folder) for run in runs], photographs=0, resamples=100).groups[0].origins[0]
    assert list(origin.facts.items())[-6:] == [
        ("commit", "c" * 40),
        ("uncommitted changes", "yes, kept as a patch (pppppppppppp)"),
        ("python version", "3.11.7"),
        ("device", "cpu"),
        ("threads", "2"),
        ("package numpy", "2.4"),
    ]
    assert origin.typed == "oldrestore train loss=focal 'experiment=two words'"
    assert origin.reproduce == "oldrestore reproduce e/d0-0"
    (folder / "provenance.json").unlink()


def test_refusals_and_groups_are_those_of_compare(tmp_path, runs):
    other = Run(make_run(tmp_path, "other", data={"val.fingerprint": "x"}))
    with pytest.raises(UserError, match="validation photographs"):
        gather([*runs, other], photographs=0, resamples=100)
    report = gather([*runs, other], anyway=True, photographs=0, resamples=100)
    assert [len(group.origins) for group in report.groups] == [9, 1] and report.runs == 10
    with pytest.raises(UserError, match="none of the runs has 'beauty'"):
        gather(runs, headline="beauty", photographs=0, resamples=100)
    with pytest.raises(UserError, match="no run"):
        gather([], photographs=0)


def test_measure_of_the_verdict_can_be_chosen(runs):
    group = gather(runs, headline="psnr", photographs=0, resamples=100).groups[0]
    assert group.headline.name == "psnr" and group.words.best == 2
    group = gather(runs, measures=["auc"], headline="psnr", photographs=0, resamples=100).groups[0]
    assert [measure.name for measure in group.compared.measures] == ["auc", "psnr"]


def test_runs_that_measure_no_colour_have_a_report_too(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"{i}.jpg" for i in range(12)]
    for seed in (0, 1):
        found = {"holes": (names, {"psnr": (25 + rng.normal(size=12), np.ones(12))})}
        make_run(tmp_path, f"h{seed}", {"seed": seed, "evaluation.color": False}, scored=found)
    runs = [Run(tmp_path / "e" / f"h{seed}") for seed in (0, 1)]
    group = gather(runs, resamples=100).groups[0]
    assert group.headline.name == "holes/psnr" and not group.judged
    assert group.words.verdict == "alone" and "No judge" in " ".join(group.words.sentences)
    assert group.pictures.photographs == [] and set(group.pictures.missing.values()) == {"it predicts no colour"}


@pytest.mark.parametrize(
    ("sigmas", "names"), [((5.0, 5.00001), ["sigma=5", "sigma=5 (2)"]), ((8.0, 5.0), ["sigma=8", "sigma=5"])]
)
def test_names_that_are_alike_to_four_digits_are_numbered(tmp_path, sigmas, names):
    runs = [Run(make_run(tmp_path, f"s{number}", {"loss.sigma": sigma})) for number, sigma in enumerate(sigmas)]
    assert gather(runs, photographs=0, resamples=100).groups[0].names == names


def words(outputs, designs: dict[str, float], seeds=(0,), **options):
    return gather(make_designs(outputs, designs, seeds), photographs=0, resamples=1000, **options).groups[0]


def test_a_clear_winner_is_named_with_its_lead(tmp_path):
    group = words(tmp_path, {"plain": 0.0, "focal": 0.08}, seeds=(0, 1, 2))
    said = group.words
    assert (said.verdict, said.best, said.equals) == ("best", 1, [])
    assert said.headline == "focal is the best by rebalanced AuC, and differs significantly from the other design."
    difference = group.cell(0, "auc_rebalanced").against_best
    assert f"It lies {-difference.difference:.3f} above plain" in said.sentences[1]
    assert f"{-difference.high:.3f} to {-difference.low:.3f}" in said.sentences[1]
    assert said.cautions[0] == "2 designs, 3 seeds each, 60 judged photographs and 40 validation photographs."
    assert "once" not in " ".join(said.cautions)
    said = words(tmp_path / "again", {"plain": 0.0, "focal": 0.08}).words
    assert said.verdict == "best"  # of these weights, on these photographs
    assert said.cautions[0].startswith("2 designs, 1 seed each")
    assert "Each design was trained once: another seed may well change their order." in said.cautions


def test_ties_are_not_called_wins(tmp_path):
    said = words(tmp_path, {"one": 0.0, "two": 0.0005, "three": 0.0}, seeds=(0, 1)).words
    assert said.verdict == "tied" and len(said.equals) == 2
    assert said.headline.startswith("No design stands out: by rebalanced AuC, ")
    assert said.headline.endswith("is not significantly different from any of the 2 others.")
    assert "That is not to say that they are as good." in " ".join(said.sentences)
    detectable = next(sentence for sentence in said.sentences if sentence.startswith("The smallest difference"))
    assert detectable.startswith("The smallest difference that 40 photographs and 2 seeds detect is 0.0")
    (few,) = (sentence for sentence in said.sentences if sentence.startswith("There are too few"))
    assert few.startswith("There are too few photographs or seeds to tell ")


def test_many_ties_are_counted_not_listed(tmp_path):
    """A dozen differences in one sentence are read by nobody; the table has them all."""
    said = words(tmp_path, dict.fromkeys(("one", "two", "three", "four", "five", "six"), 0.0)).words
    (tied,) = (sentence for sentence in said.sentences if sentence.startswith("Not distinguishable"))
    assert len(said.equals) == 5
    assert tied.count("95% interval") == 3
    assert "; nor are 2 more, which the table of differences lists. That is" in tied
    assert "-0.000" not in tied
    # Their scores are the very same: nothing could have been detected.
    assert "detect is" not in " ".join(said.sentences)
    near = {name: place / 1000 for place, name in enumerate(("one", "two", "three", "four", "five", "six"))}
    said = words(tmp_path / "near", near).words
    (few,) = (sentence for sentence in said.sentences if sentence.startswith("There are too few"))
    assert few == "There are too few photographs to tell six from two, three, four and 1 more."


def test_some_tied_and_some_not(tmp_path):
    said = words(tmp_path, {"bad": 0.0, "good": 0.08, "fine": 0.0801}, seeds=(0, 1, 2)).words
    assert said.verdict == "tied" and len(said.equals) == 1
    assert "has the best mean rebalanced AuC, but is not significantly different from" in said.headline
    assert "above bad" in " ".join(said.sentences)


def test_one_run_is_compared_with_nothing(tmp_path):
    group = words(tmp_path, {"only": 0.0})
    said = group.words
    assert said.verdict == "alone" and said.best is None
    assert said.headline == "There is one design, only, and nothing to compare it with."
    assert "It was trained once: another seed may well give other figures." in said.cautions
    cell = group.cell(0, "auc_rebalanced")
    interval = f"95% interval {cell.low:.3f} to {cell.high:.3f}"
    assert said.sentences[0] == f"Its rebalanced AuC is {cell.value:.3f} ({interval}; 1 seed, 40 photographs)."


def test_lower_is_better_where_it_is(tmp_path):
    runs = []
    rng = np.random.default_rng(0)
    for name, level in (("a", 10.0), ("b", 30.0)):
        found = {"val": ([f"{i}" for i in range(40)], {"ab_rmse": (level + rng.normal(size=40), np.ones(40))})}
        runs.append(Run(make_run(tmp_path, name, {"loss.sigma": level}, scored=found)))
    said = gather(runs, photographs=0, resamples=500).groups[0].words
    assert said.best == 0 and "below sigma=30" in said.sentences[1] and "Lab units" in said.sentences[0]


def test_a_measure_without_a_better_way_makes_nobody_the_best(tmp_path):
    said = words(tmp_path, {"a": 0.0, "b": 0.1}, measures=["colorfulness"]).words
    assert said.verdict == "unknown" and said.best is None and "no design is called the best" in said.headline


def test_colour_that_harms_closes_none_of_the_gap(tmp_path):
    found = scores()
    images, judged = found["judged"]
    rng = np.random.default_rng(1)
    right = {"orig": np.ones(60), "gray": (rng.random(60) < 0.7).astype(float), "iter": np.zeros(60)}
    found["judged"] = (images, {f"{name}_correct": (values, np.ones(60)) for name, values in right.items()})
    said = gather([Run(make_run(tmp_path, "r", scored=found))], photographs=0, resamples=500).groups[0].words
    text = " ".join(said.sentences)
    assert "The judge recognises 0.0% (0.0% to 6.0%) of the recoloured photographs, 100.0% of the originals" in text
    assert "That is below gray: of the gap between gray and original it closes -" in text
    assert text.endswith("and its colour hinders recognition.")
    assert len(judged) == 3


@pytest.mark.parametrize("text", ["focal is no part of bifocal or focal-like, but focal is", "none of them"])
def test_names_in_sentences_are_set_apart_whole_and_escaped(tmp_path, text):
    group = words(tmp_path, {"focal": 0.0, "<b>": 0.001})
    marked = str(mark_designs(f"{text}; <b> <i>", group))
    assert marked.count("</span>") == text.startswith("focal") * 2 + 1
    assert "<b>" not in marked and "<i>" not in marked and "&lt;b&gt;" in marked and "&lt;i&gt;" in marked


def test_what_other_measures_say_is_grouped_by_how_sure_it_is(tmp_path):
    runs = []
    rng = np.random.default_rng(3)
    hard, names = rng.normal(size=40), [f"{i:02}" for i in range(40)]
    for name, auc, psnr, ssim in (("a", 0.8, 20.0, 0.9), ("b", 0.7, 25.0, 0.9001)):
        columns = {
            metric: (level + spread * (0.1 * hard + rng.normal(size=40)), np.ones(40))
            for metric, level, spread in (("auc_rebalanced", auc, 0.01), ("psnr", psnr, 0.1), ("ssim", ssim, 0.05))
        }
        settings = {"loss.sigma": psnr}
        runs.append(Run(make_run(tmp_path, name, settings, scored={"val": (names, columns)}, choices={"loss": name})))
    group = gather(runs, photographs=0, resamples=1000, measures=["auc_rebalanced", "psnr", "ssim"]).groups[0]
    text = " ".join(group.words.sentences)
    assert group.words.headline.startswith("loss=a is the best")
    assert "It is significantly worse than the best by PSNR (loss=b)." in text
    ssim = [cells["ssim"].mark for cells in group.compared.cells]
    assert sorted(ssim) == ["best", "tied"]
    level = "Others have the best mean, but it is not significantly different from them, by SSIM (loss=b)."
    assert level in text if ssim[1] == "best" else "SSIM (not alone)" in text
    assert '<span class="whole">(<span class="name whole">' in str(mark_designs("by PSNR (loss=b).", group))


def test_recognition_claims_no_more_than_the_interval(tmp_path):
    found = words(tmp_path, {"only": 0.0})  # 48% of recoloured, 43% of gray photographs
    assert found.cell(0, "gap_closed").low > 0 and "not shown" not in " ".join(found.words.sentences)
    scored = scores()
    columns = scored["judged"][1]
    right = columns["gray_correct"][0].copy()
    right[:2] = 1 - right[:2]
    columns["iter_correct"] = (right, np.ones(60))
    run = Run(make_run(tmp_path, "even", scored=scored))
    group = gather([run], photographs=0, resamples=1000).groups[0]
    gap = group.cell(0, "gap_closed")
    assert gap.low <= 0 <= gap.high and "not shown" in group.words.sentences[-1]


def test_the_setup_says_what_was_compared(tmp_path):
    settings, data = {"trainer.batch_size": 8, "experiment": "e"}, {"further_judges": {"squeezenet": "s"}}
    runs = [
        Run(make_run(tmp_path, f"{loss}{seed}", settings | {"seed": seed, "loss.sigma": sigma}, data, scores(0, seed)))
        for loss, sigma in (("a", 5.0), ("b", 6.0))
        for seed in (0, 1, 2)
    ]
    assert setup_of(compare_runs(runs, resamples=100)) == {
        "network": "Eccv16",
        "photographs": "100 to train on, 40 to validate, 60 judged by efficientnet_lite0 and squeezenet",
        "iterations": "20, batches of 8",
        "seeds": "3 for each design (0, 1, 2)",
        "budget": "1 min 12 s: 6 runs of 12 s on average",
    }


def test_the_setup_lists_what_differs(tmp_path):
    made = []
    for n in (1000, 2000):
        choices = {"model": f"m{n}", "dataset": "photos"}
        made.append(make_run(tmp_path, f"r{n}", {"trainer.max_iterations": n}, choices=choices, scored=scores()))
    setup = setup_of(compare_runs([*map(Run, made)], resamples=100))
    assert setup["network"] == "m1000, m2000" and setup["dataset"] == "photos"
    assert setup["iterations"] == "1,000 to 2,000" and setup["seeds"] == "1 for each design (0)"
