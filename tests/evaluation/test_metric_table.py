"""The table of metrics: what each row says, and which row a name belongs to."""

import pytest

from oldrestore.evaluation.metric_table import METRICS, OF_VALIDATION, Better, Metric, metric_of, shown_in


def test_a_metric_without_a_direction_cannot_be_written():
    with pytest.raises(TypeError, match="better"):
        Metric("val", "sharpness", format=".2f")


def test_directions_are_those_of_the_papers():
    ways = {
        "max": ["psnr", "ssim", "auc", "auc_rebalanced", "nearer_than_gray", "bin_top1", "bin_top5"],
        "min": ["ab_rmse", "de2000", "de2000_p95", "colorfulness_difference"],
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
        ]
        + ["agreement/kl"],
        "sweep": ["val/auc_rebalanced", "val/auc", "val/colorfulness", "judged/iter_accuracy", "agreement/kl"],
        "evaluate": [
            *(f"val/{name}" for name in ("auc", "auc_rebalanced", "psnr", "colorfulness", "de2000")),
            "judged/iter_accuracy",
        ],
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
        ("squeezenet", "iter_accuracy", Better.HIGHER, ""),
        ("squeezenet", "iter_probability", Better.HIGHER, ""),
        ("squeezenet_agreement", "kl", Better.LOWER, "nats"),
        ("squeezenet_agreement", "gray_kl", Better.NEITHER, "nats"),
        ("squeezenet_agreement", "kl_closed", Better.HIGHER, ""),
        ("squeezenet", "gray_accuracy", Better.NEITHER, ""),
        ("squeezenet", "gap_closed_probability", Better.HIGHER, ""),
        ("judged", "iter_probability", Better.HIGHER, ""),
    ],
)
def test_measures_of_evaluators_belong_to_a_kind_by_the_words_of_their_names(family, name, better, unit):
    found = metric_of(family, name)
    assert (found.key, found.better, found.unit) == (f"{family}/{name}", better, unit)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("teeth", "previous"),
        ("teeth", "psnrish"),
        ("judged", "orig_probability"),
        ("train", "auc"),
        ("squeezenet", "kl"),
        ("val", "iter_accuracy"),
    ],
)
def test_of_other_names_nobody_says_which_way_is_better(family, name):
    assert metric_of(family, name) is None


def test_a_further_judge_is_named_and_shown_beside_the_first():
    found = metric_of("squeezenet", "gap_closed")
    assert (found.title, found.short) == ("share of the accuracy gap closed (squeezenet)", "squeezenet closed")
    assert found.columns == metric_of("judged", "gap_closed").columns
    measured = ["val/auc", "squeezenet/orig_accuracy", "squeezenet/iter_accuracy", "squeezenet_agreement/kl", "n"]
    assert [metric.short for metric in shown_in("sweep", measured)] == [
        *("AuC rebal", "AuC", "CF", "iter", "squeezenet iter", "KL", "squeezenet KL")
    ]
