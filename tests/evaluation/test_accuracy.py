"""The accuracy table: what a judge is shown, each row by hand, and its look in a terminal."""

import io
from uuid import uuid4

import numpy as np
import pytest
from rich.console import Console

from oldrestore.color.lab import rgb_to_lab
from oldrestore.errors import UserError
from oldrestore.evaluation.accuracy import accuracy_table, judge_photos
from oldrestore.evaluation.accuracy_table import gap_closed
from oldrestore.evaluation.judge import Judge
from oldrestore.evaluation.prediction import ColorPrediction
from oldrestore.records.run_folder import ACCURACY_COLUMNS
from tests.evaluation.shared import gray, knowing


class RedJudge(Judge):
    """Sees class 1 in photographs that are red on average, class 0 in others, with 0.9; counts its work."""

    def __init__(self):
        # What a judge said is remembered by its fingerprint.
        self.name, self.fingerprint, self.judged = "red", uuid4().hex, 0

    def probabilities(self, photos):
        self.judged += len(photos)
        p = np.full((len(photos), 1000), 0.1 / 999, np.float32)
        for row, photo in zip(p, photos, strict=True):
            means = photo.reshape(-1, 3).mean(0)
            row[int(means[0] > means[1] + 20)] = 0.9
        return p


RED, GREEN = (200, 60, 60), (60, 200, 60)


def photo(color, size=(6, 5)):
    return np.zeros((*size, 3), np.uint8) + np.array(color, np.uint8)


def red_photos():
    """Red, green, red, red; the third has a wrong label, so that even its original is judged wrong."""
    colors, labels = (RED, GREEN, RED, (190, 50, 70)), (1, 0, 0, 1)
    return [(f"{i}", photo(c, (6 + i, 5)), label) for i, (c, label) in enumerate(zip(colors, labels, strict=True))]


def only_the_first(photos):
    """Right for the first photograph, gray for the others."""
    first = knowing([photos[0][1]])
    shape = photos[0][1].shape[:2]
    return lambda batch: [(first if L.shape == shape else gray)([L])[0] for L in batch]


def judge_recolorings(colorize, photos, judge, every=100, batch_size=16):
    return accuracy_table(judge, judge_photos(colorize, photos, judge, batch_size), every)


def test_the_table_by_hand():
    table = judge_recolorings(only_the_first(red_photos()), red_photos(), RedJudge(), every=2, batch_size=3)
    # Right are: iter photos 0 (red), 1 (gray is class 0), 2 (label 0); orig 0, 1, 3; gray 1, 2.
    low = 0.1 / 999
    versions = ("iter", "orig", "gray")
    accuracies = ((1, 1, 1 / 2), (3 / 4, 3 / 4, 1 / 2))
    probabilities = ((0.9, 0.9, (0.9 + low) / 2), ((2.7 + low) / 4, (2.7 + low) / 4, (1.8 + 2 * low) / 4))
    for row, n, right, sure in zip(table.as_dicts(), (2, 4), accuracies, probabilities, strict=True):
        assert set(row) == {*ACCURACY_COLUMNS} - {"trained_iterations"}
        expected = {f"{version}_accuracy": share for version, share in zip(versions, right, strict=True)}
        expected |= {f"{version}_probability": p for version, p in zip(versions, sure, strict=True)}
        assert row == pytest.approx(
            {"iteration": n, "n": n, **expected, "gap_closed": 1.0, "gap_closed_probability": 1.0}
        )
    assert [(p.image, p.version, p.correct) for p in table.judged[:3]] == [
        ("0", *one) for one in zip(versions, (1, 1, 0), strict=True)
    ]


def test_a_perfect_colorizer_is_the_original_and_a_gray_one_gray():
    photos = red_photos()
    best = judge_recolorings(knowing([rgb for _, rgb, _ in photos]), photos, RedJudge(), every=1).rows
    assert all(row.iter_accuracy == row.orig_accuracy for row in best)
    assert all(row.iter_probability == row.orig_probability for row in best)
    none = judge_recolorings(gray, photos, RedJudge(), every=1).rows
    assert all(row.iter_accuracy == row.gray_accuracy for row in none)
    assert all(row.iter_probability == row.gray_probability for row in none)
    assert none[-1].gap_closed == 0


def test_the_colorizer_sees_lightness_and_the_judge_true_lightness_at_full_size():
    seen = []
    judge = RedJudge()
    says = judge.probabilities
    judge.probabilities = lambda photos: seen.extend(photos) or says(photos)
    source = np.random.default_rng(0).integers(60, 190, (9, 7, 3), dtype=np.uint8)
    faint = lambda batch: [ColorPrediction(np.full((*L.shape, 2), 5, np.float32)) for L in batch]  # noqa: E731
    judge_recolorings(faint, [("a", source, 0)], judge)
    recolored, original, without = seen
    np.testing.assert_array_equal(original, source)
    for version in (recolored, without):
        assert version.shape == source.shape
        np.testing.assert_allclose(rgb_to_lab(version)[..., 0], rgb_to_lab(source)[..., 0], atol=0.5)
    assert np.ptp(without.astype(int), axis=-1).max() <= 1
    np.testing.assert_allclose(rgb_to_lab(recolored)[..., 1:].mean((0, 1)), [5, 5], atol=0.2)


def test_rows_at_every_and_at_the_end_whatever_the_batch():
    photos = [(str(i), photo((10 * i, 60, 60), (4, 4)), i % 2) for i in range(7)]
    tables = [judge_recolorings(gray, photos, RedJudge(), every=3, batch_size=b) for b in (1, 2, 7, 16)]
    assert [row.iteration for row in tables[0].rows] == [3, 6, 7]
    assert all(table.rows == tables[0].rows for table in tables)
    assert len(judge_recolorings(gray, photos, RedJudge(), every=7).rows) == 1
    assert len(judge_recolorings(gray, photos, RedJudge(), every=100).rows) == 1


def test_originals_and_gray_are_judged_once_for_each_judge():
    judge, other = RedJudge(), RedJudge()
    first = judge_recolorings(gray, red_photos(), judge)
    assert judge.judged == 12
    second = judge_recolorings(gray, red_photos(), judge)
    assert judge.judged == 16
    assert first.rows == second.rows
    judge_recolorings(gray, red_photos(), other)
    assert other.judged == 12


def test_gap_closed():
    assert gap_closed(0.6, 0.8, 0.4) == pytest.approx(0.5)
    assert gap_closed(0.3, 0.8, 0.4) == pytest.approx(-0.25)
    assert gap_closed(0.3, 0.4, 0.4) is None


def test_per_image():
    table = judge_recolorings(gray, red_photos()[1:2], RedJudge())
    assert table.final.gap_closed is None  # green without its chroma is class 0 as well: no gap
    scores = {score.metric: score.value for score in table.per_image()}
    assert scores["iter_correct"] == 1 and scores["orig_top1"] == 0
    assert scores["gray_probability"] == pytest.approx(0.9)


def test_the_terminal_table():
    table = judge_recolorings(only_the_first(red_photos()), red_photos(), RedJudge(), every=2)
    console = Console(file=io.StringIO(), width=80)
    console.print(table.render())
    printed = " ".join(console.file.getvalue().split())
    assert "n = 4" in printed
    # Wilson's interval of 3 out of 4, and of 2 out of 4.
    assert "iter 30.1-95.4%, orig 30.1-95.4%, gray 15.0-85.0%" in printed
    assert "4 75.0% 75.0% 50.0% 100.0% 0.675 0.675 0.450 100.0%" in printed
    assert "…" not in printed


@pytest.mark.parametrize(("label", "said"), [(None, "no label"), (1000, r"0\.\.999"), (-1, r"0\.\.999")])
def test_labels_that_are_none(label, said):
    with pytest.raises(UserError, match=said):
        judge_recolorings(gray, [("a.jpg", photo(RED), label)], RedJudge())


def test_an_empty_set_and_every_zero_are_refused():
    with pytest.raises(UserError, match="no photographs"):
        judge_recolorings(gray, [], RedJudge())
    with pytest.raises(UserError, match=r"evaluation\.every"):
        judge_recolorings(gray, red_photos(), RedJudge(), every=0)


def test_any_of_several_classes_is_right_and_their_probabilities_add_up():
    photos = [("red", photo(RED), (7, 1)), ("green", photo(GREEN), (1, 7)), ("one", photo(RED), (1,))]
    table = judge_recolorings(gray, photos, RedJudge())
    original = {judged.image: judged for judged in table.judged if judged.version == "orig"}
    low = 0.1 / 999
    assert {name: (one.label, one.correct) for name, one in original.items()} == {
        "red": (7, 1),
        "green": (1, 0),
        "one": (1, 1),
    }
    expected = {"red": 0.9 + low, "green": 2 * low, "one": 0.9}
    assert {name: one.probability for name, one in original.items()} == pytest.approx(expected, rel=1e-5)
    with pytest.raises(UserError, match="has the label 1000"):
        judge_recolorings(gray, [("x", photo(RED), (1, 1000))], RedJudge())
