"""The split is chosen by what each method does to each hole."""

import numpy as np
import pytest

from docs.fill_split import FilledHole, best_split, fill_and_score, psnr_of_split


def hole(depth, area, good_when_small, good_when_large):
    return FilledHole(0, depth, area, {"a": good_when_small * area, "b": good_when_large * area})


HOLES = [hole(1, 10, 1.0, 100.0), hole(4, 50, 10.0, 100.0), hole(9, 300, 400.0, 100.0), hole(20, 200, 900.0, 100.0)]


def test_psnr_is_the_mean_over_holes():
    for split, errors in (
        (("a", "b", 4, "depth"), [1, 10, 100, 100]),
        (("a", "b", 200, "area"), [1, 10, 100, 900]),
        (("a", "a", 0, "depth"), [1, 10, 400, 900]),
    ):
        assert psnr_of_split(HOLES, *split) == pytest.approx(np.mean(10 * np.log10(255.0**2 / np.array(errors))))
    assert psnr_of_split([FilledHole(0, 1, 1, {"a": 0.0})], "a", "a", 0, "depth") == 60.0


def test_the_best_split_lies_between_what_each_is_good_at():
    size, psnr = best_split(HOLES, "a", "b", "depth", [0, 1, 3, 4, 8, 9, 30])
    assert size == 4  # 8 is as good: the smaller of equals
    assert psnr == psnr_of_split(HOLES, "a", "b", 4, "depth")


def test_holes_are_scored_one_by_one_and_the_truth_is_not_shown():
    rng = np.random.default_rng(0)
    rgb = rng.integers(1, 256, (40, 60, 3)).astype(np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[5:9, 5:8], mask[20, 30:50] = True, True
    seen = []

    def gray(photo, holes):
        seen.append(photo[holes].max())
        return np.where(holes[..., None], np.uint8(100), photo)

    scored = fill_and_score([(rgb, mask), (rgb, mask[::-1])], {"gray": gray})
    assert seen == [0, 0]
    assert [(one.photograph, one.area) for one in scored] == [(0, 12), (0, 20), (1, 20), (1, 12)]
    expected = ((rgb[5:9, 5:8].astype(float) - 100) ** 2).mean(axis=-1).sum()
    assert scored[0].squared_error["gray"] == pytest.approx(expected)
