"""The table of metrics: what each row says, which row a name belongs to, and that a row is all a new metric takes."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from oldrestore.evaluation.metric_table import METRICS, OF_VALIDATION, Better, Metric, metric_of, shown_in
from tests.throwaway import Throwaway
from tests.workshop import SETTINGS


def test_a_metric_without_a_direction_cannot_be_written():
    with pytest.raises(TypeError, match="better"):
        Metric("val", "sharpness", format=".2f")


def test_directions_are_those_of_the_papers():
    ways = {
        "max": ["psnr", "ssim", "auc", "auc_rebalanced", "bin_top1", "bin_top5"],
        "min": ["ab_rmse", "colorfulness_difference"],
        None: ["colorfulness", "colorfulness_original"],
    }
    for way, names in ways.items():
        assert [metric.name for metric in OF_VALIDATION if metric.better.way == way] == names
    assert metric_of("val", "colorfulness").better is Better.CLOSER
    assert {metric_of(family, "loss").better for family in ("train", "val")} == {Better.LOWER}


def test_no_two_rows_have_the_same_name():
    assert len({metric.key for metric in METRICS}) == len(METRICS)


def test_what_is_shown_and_in_which_order():
    assert {view: [metric.key for metric in shown_in(view)] for view in ("log", "sweep", "evaluate")} == {
        "log": [
            f"val/{name}" for name in ("loss", "psnr", "auc", "auc_rebalanced", "colorfulness", "colorfulness_original")
        ],
        "sweep": ["val/auc_rebalanced", "val/auc", "val/colorfulness", "judged/iter_accuracy", "val/psnr"],
        "evaluate": ["val/auc", "val/auc_rebalanced", "val/colorfulness", "judged/iter_accuracy"],
    }


@pytest.mark.parametrize(
    ("family", "name", "better", "unit"),
    [
        ("holes", "network_psnr_hole", Better.HIGHER, "dB"),
        ("holes", "telea_ssim_known", Better.HIGHER, ""),
        ("hints", "psnr_10", Better.HIGHER, "dB"),
        ("hints", "pasted_psnr_10", Better.NEITHER, "dB"),
        ("restoration", "scratches-light/restored_lpips", Better.LOWER, ""),
        ("detection", "classical_tears_f1", Better.HIGHER, ""),
        ("detection", "classical_undamaged", Better.LOWER, ""),
        ("set", "fid", Better.LOWER, ""),
        ("set", "cf", Better.CLOSER, ""),
        ("set", "cf_original", Better.NEITHER, ""),
        ("set", "delta_cf", Better.LOWER, ""),
        ("judged", "iter_probability", Better.HIGHER, ""),
    ],
)
def test_measures_of_evaluators_belong_to_a_kind_by_the_words_of_their_names(family, name, better, unit):
    found = metric_of(family, name)
    assert (found.key, found.better, found.unit) == (f"{family}/{name}", better, unit)


@pytest.mark.parametrize(
    ("family", "name"), [("teeth", "previous"), ("teeth", "psnrish"), ("judged", "orig_probability"), ("train", "auc")]
)
def test_of_other_names_nobody_says_which_way_is_better(family, name):
    assert metric_of(family, name) is None


FUNCTION = '''
def blandness(rgb: np.ndarray) -> float:
    """Mean distance of red from full, in 8-bit levels."""
    return float(255 - rgb[..., 0].mean())


'''
ROW = """    Metric(
        "val",
        "blandness",
        LOWER,
        ".1f",
        of=lambda p: metrics.blandness(p.rgb),
        unit="levels",
        title="blandness of colours",
        short="bland",
        places={"log": 7, "compare": 10, "sweep": 0},
    ),
"""
PROGRAM = """
from oldrestore.cli import main
assert main(["sweep", "--name", "two", "model.width=0.0625,0.125", *{settings}]) == 0
assert main(["compare", "--experiment", "tiny", "--figures", "blandness", "--resamples", "100", "outputs=outputs"]) == 0
page = ["--photographs", "0", "--metric", "blandness", "--resamples", "100", "-o", "page.html", "outputs=outputs"]
assert main(["report", "--experiment", "tiny", *page]) == 0
"""
TINY = ["evaluation.judged=null", "evaluation.samples=0", "tracking=none", "trainer.max_iterations=1"]
EVERY = ["trainer.log_every=1", "trainer.evaluate_every=1", "trainer.checkpoint_every=1"]


@pytest.mark.slow
def test_a_function_and_a_row_are_all_that_a_metric_takes(tmp_path, workshop):
    copy = Throwaway(tmp_path)
    copy.edit("oldrestore/evaluation/metrics.py", "def opponents(", FUNCTION.lstrip())
    copy.edit("oldrestore/evaluation/metric_table.py", '    Metric("val", "ssim",', ROW)
    settings = [
        *(each for each in SETTINGS if "width" not in each),
        *TINY,
        *EVERY,
        f"dataset.root={workshop.photos}",
        "outputs=outputs",
    ]
    printed = copy.run(PROGRAM.format(settings=settings))
    values = {}
    for folder in (tmp_path / "outputs" / "tiny").iterdir():
        table = pd.read_csv(folder / "per_image.csv")
        values[folder.name] = table[table.metric == "blandness"].groupby("trained_iterations").value.mean()[1]
        (line,) = re.findall(r"val at 1: .*", (folder / "log.txt").read_text())
        assert line.endswith(f" blandness:{values[folder.name]:.1f}")
    assert len(set(values.values())) == 2
    # The printed table of the sweep, beside the metric that chooses checkpoints.
    heading = next(line.split() for line in printed.splitlines() if line.startswith("model.width "))
    assert heading[:5] == ["model.width", "n", "val/loss", "val/blandness", "val/auc_rebalanced"], heading
    # Lower is better: the lowest has the star.
    best = min(values.values())
    row = next(line for line in printed.splitlines() if "*" in line and "best" not in line)
    assert "bland" in printed and f"{best:.2f}*" in row, printed
    page = (tmp_path / "page.html").read_text()
    assert f"{best:.2f} levels" in page and "blandness of colours (lower is better)" in page
