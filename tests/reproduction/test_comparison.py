"""The verdict on two runs, on values made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oldrestore.records.run_folder import RunFolder
from oldrestore.reproduction.comparison import compare_records, compare_weights, read_records


def records(losses, **more):
    found = {(i, "train/loss", ""): value for i, value in enumerate(losses)}
    return found | {(iteration, name, ""): value for (iteration, name), value in more.get("other", {}).items()}


def test_equal_values_are_identical_and_nan_equals_nan():
    old = records([4.0, math.nan, 2.0])
    found = compare_records(old, dict(old), 1e-3)
    assert found.verdict == "identical"
    assert found.in_words() == "identical: 3 values of 1 metrics, bit for bit; no weights were compared"


def test_the_tolerance_is_a_share_of_the_metrics_largest_value():
    old, new = records([4.0, 0.001]), records([4.0, 0.004])
    # 0.003 of 4.0 is a share of 0.00075, however small the value itself.
    found = compare_records(old, new, 1e-3)
    assert found.verdict == "within tolerance"
    (metric,) = found.metrics
    assert (metric.points, metric.differing) == (2, 1)
    assert metric.relative == pytest.approx(0.00075)
    assert compare_records(old, new, 7e-4).verdict == "differs"
    # A metric that was always 0 has no tolerance.
    assert compare_records(records([0.0]), records([1e-9]), 0.5).verdict == "differs"


def test_the_first_difference_names_iteration_metric_and_both_values():
    old = records([4.0, 3.0, 2.0, 1.0], other={(2, "val/psnr"): 20.0})
    new = records([4.0, 3.0, 2.0001, 1.5], other={(2, "val/psnr"): 20.0})
    found = compare_records(old, new, 1e-3)
    assert found.verdict == "differs"
    assert (found.first.iteration, found.first.old, found.first.new) == (2, 2.0, 2.0001)
    assert found.beyond.iteration == 3
    assert found.in_words().startswith("differs at iteration 2: train/loss was 2.0 and is 2.0001; beyond")


def test_what_only_one_run_has_differs_unless_it_ended_there():
    old = records([4.0, 3.0, 2.0], other={(2, "val/psnr"): 20.0})
    new = records([4.0, 3.0], other={(2, "val/psnr"): 20.0, (2, "val/ssim"): 0.5})
    assert compare_records(old, new, 1e-3).verdict == "differs"
    extra = compare_records(new, new | {(1, "val/ssim", ""): 0.5}, 1e-3)
    assert extra.in_words() == "differs at iteration 1: val/ssim was not there and is 0.5"
    found = compare_records(old, new, 1e-3, until=2, loose={2})
    assert found.verdict == "identical"
    assert {metric.name: metric.points for metric in found.metrics} == {"train/loss": 2, "val/psnr": 1}
    missing = compare_records(records([4.0, 3.0]), records([4.0]), 1e-3)
    assert missing.in_words() == "differs at iteration 1: train/loss was 3.0 and is not there"


def test_weights_are_compared_bit_by_bit_and_per_tensor():
    old = {"model.a": np.array([1.0, -2.0], np.float32), "model.b": np.zeros(3, np.float32)}
    same = compare_weights("last", old, {name: value.copy() for name, value in old.items()})
    assert same.identical
    new = {"model.a": np.array([1.0, -2.5], np.float32), "model.b": np.zeros(3, np.float32)}
    found = compare_weights("last", old, new)
    assert (found.tensors, found.differing, found.worst) == (2, 1, "model.a")
    assert (found.largest, found.relative) == (0.5, 0.25)
    # -0.0 equals 0.0 as a number and not as bits.
    signed = compare_weights("last", old, old | {"model.b": np.array([0, -0.0, 0], np.float32)})
    assert not signed.identical
    assert signed.relative == 0.0
    assert compare_weights("last", old, {"model.a": old["model.a"]}).relative == math.inf
    assert compare_weights("last", old, old | {"model.b": np.zeros(4, np.float32)}).worst == "model.b"


def test_records_of_a_folder_hold_every_table_and_no_times(tmp_path):
    folder = RunFolder.create(tmp_path, "e", "r")
    folder.scalars(0, {"train/loss": 4.5, "time/images_per_second": 7.0})
    folder.per_image([{"trained_iterations": 1, "set": "val", "image": "a.jpg", "metric": "psnr", "value": 21.5}])
    folder.accuracy([{"iteration": 2, "iter_accuracy": 0.5, "n": 2}], trained_iterations=1)
    folder.close()
    assert read_records(folder.path) == {
        (0, "train/loss", ""): 4.5,
        (1, "per_image/val/psnr", "a.jpg"): 21.5,
        (1, "accuracy/iter_accuracy", "the first 2"): 0.5,
        (1, "accuracy/n", "the first 2"): 2.0,
    }
