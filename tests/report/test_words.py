"""The summary in words: what stands out, what is tied, what stands alone, and what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from oldrestore.records.run import Run
from oldrestore.report.contents import gather
from oldrestore.report.page import mark_designs
from tests.comparison.synthetic import make_designs, make_run, scores


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


def test_ties_are_not_called_wins(tmp_path):
    said = words(tmp_path, {"one": 0.0, "two": 0.0005, "three": 0.0}, seeds=(0, 1)).words
    assert said.verdict == "tied" and len(said.equals) == 2
    assert said.headline.startswith("No design stands out: by rebalanced AuC, ")
    assert said.headline.endswith("is not significantly different from any of the 2 others.")
    assert "That is not to say that they are as good." in " ".join(said.sentences)


def test_many_ties_are_counted_not_listed(tmp_path):
    """A dozen differences in one sentence are read by nobody; the table has them all."""
    said = words(tmp_path, dict.fromkeys(("one", "two", "three", "four", "five", "six"), 0.0)).words
    (tied,) = (sentence for sentence in said.sentences if sentence.startswith("Not distinguishable"))
    assert len(said.equals) == 5
    assert tied.count("95% interval") == 3
    assert "; nor are 2 more, which the table of differences lists. That is" in tied
    assert "-0.000" not in tied


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


def test_one_seed_is_said(tmp_path):
    said = words(tmp_path, {"plain": 0.0, "focal": 0.08}).words
    assert said.verdict == "best"  # of these weights, on these photographs
    assert "Each design was trained once: another seed may well change their order." in said.cautions
    assert "2 designs, 1 seed each" in said.cautions[0]


def test_lower_is_better_where_it_is(tmp_path):
    runs = []
    rng = np.random.default_rng(0)
    for name, level in (("a", 10.0), ("b", 30.0)):
        found = {"val": ([f"{i}" for i in range(40)], {"ab_rmse": (level + rng.normal(size=40), np.ones(40))})}
        runs.append(Run(make_run(tmp_path, name, {"loss.sigma": level}, scored=found)))
    said = gather(runs, photographs=0, resamples=500).groups[0].words
    assert said.best == 0 and "below sigma 30" in said.sentences[1] and "Lab units" in said.sentences[0]


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
    assert group.words.headline.startswith("a is the best")
    assert "It is significantly worse than the best by PSNR (b)." in text
    ssim = [cells["ssim"].mark for cells in group.compared.cells]
    assert sorted(ssim) == ["best", "tied"]
    level = "Others have the best mean, but it is not significantly different from them, by SSIM (b)."
    assert level in text if ssim[1] == "best" else "SSIM (not alone)" in text
    assert '<span class="whole">(<span class="name whole">' in str(mark_designs("by PSNR (b).", group))


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
