"""Which figures a comparison offers, and which way of each is better."""

from __future__ import annotations

import numpy as np
import pytest

from oldrestore.comparison.measures import FURTHER, MEASURES, chosen_measures, table_of
from oldrestore.records.run import Run
from tests.comparison.synthetic import make_run


def test_figures_of_the_usual_table_in_their_order():
    shown = [(m.name, m.heading, m.set_name, m.better, m.form) for m in (*MEASURES, *FURTHER)]
    assert shown == [
        ("iter_accuracy", "iter", "judged", "max", "percent"),
        ("orig_accuracy", "orig", "judged", None, "percent"),
        ("gray_accuracy", "gray", "judged", None, "percent"),
        ("gap_closed", "closed", "judged", "max", "percent"),
        ("auc", "AuC", "val", "max", "number"),
        ("auc_rebalanced", "AuC rebal", "val", "max", "number"),
        ("psnr", "PSNR", "val", "max", "number"),
        ("colorfulness", "CF", "val", None, "number"),
        ("colorfulness_difference", "delta CF", "val", "min", "number"),
        ("gap_closed_probability", "closed p", "judged", "max", "percent"),
    ]


@pytest.mark.parametrize(
    ("asked", "set_name", "name", "better", "unit"),
    [
        ("ab_rmse", "val", "ab_rmse", "min", "Lab units"),
        ("judged/iter_probability", "judged", "judged/iter_probability", "max", ""),
        ("judged/gray_probability", "judged", "judged/gray_probability", None, ""),
        ("holes/network_psnr_hole", "holes", "holes/network_psnr_hole", "max", "dB"),
        ("teeth/whiteness", "teeth", "teeth/whiteness", None, ""),
    ],
)
def test_other_figures_have_the_direction_of_the_table_or_none(asked, set_name, name, better, unit):
    there = {(set_name, asked.rpartition("/")[2]): None}
    (measure,) = chosen_measures([there], [asked])
    assert (measure.name, measure.heading, measure.set_name) == (name, name, set_name)
    assert (measure.better, measure.unit, measure.form) == (better, unit, "number")


def test_scores_of_a_run_are_sorted_once(tmp_path):
    scored = {"val": (["b.jpg", "a.jpg"], {"psnr": (np.array([20.0, 30.0]), np.array([1.0, 2.0]))})}
    run = Run(make_run(tmp_path, "r", scored=scored))
    column = table_of(run)["val", "psnr"]
    assert column.images == ("a.jpg", "b.jpg")
    assert column.values.tolist() == [30.0, 20.0] and column.weights.tolist() == [2.0, 1.0]
    assert table_of(run) is table_of(run)
