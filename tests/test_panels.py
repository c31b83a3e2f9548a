"""Panels show every picture unchanged, in its place, under its heading."""

import numpy as np

from oldrestore.panels import side_by_side, wide


def solid(height, width, color):
    return np.full((height, width, 3), color, np.uint8)


def find(canvas, picture):
    """Return every (y, x) where `picture` stands in `canvas`, by brute force."""
    h, w = picture.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(canvas, (h, w, 3))[:, :, 0]
    return [tuple(at) for at in np.argwhere((windows == picture).all(axis=(2, 3, 4)))]


def test_pictures_stand_unchanged_in_even_columns():
    rng = np.random.default_rng(0)
    rows = [[rng.integers(0, 256, (24, 32, 3), dtype=np.uint8) for _ in range(3)] for _ in range(2)]
    canvas = side_by_side(rows, ["Input", "Output", "Original"], margin=8)
    assert canvas.dtype == np.uint8
    assert canvas.shape[1] == 8 + 3 * (32 + 8)
    places = [[find(canvas, picture) for picture in row] for row in rows]
    assert all(len(place) == 1 for row in places for place in row)
    (first, second) = [[place[0] for place in row] for row in places]
    assert [x for _, x in first] == [x for _, x in second] == [8, 48, 88]
    assert {y for y, _ in second} == {first[0][0] + 24 + 8}
    assert canvas.shape[0] == second[0][0] + 24 + 8
    for edge in (canvas[0], canvas[-1], canvas[:, 0], canvas[:, -1], canvas[:, 42]):
        assert (edge == 255).all()


def test_headings_are_inked_above_their_columns_only():
    canvas = side_by_side([[solid(64, 64, 128)] * 2], ["Input", ""], margin=8)
    head = canvas[: find(canvas, solid(64, 64, 128))[0][0]]
    assert (head[:, 8:72] < 128).any()
    assert (head[:, 80:] == 255).all()


def test_smaller_pictures_are_centred():
    canvas = side_by_side([[solid(40, 40, 0), solid(20, 10, 0)]], ["a", "b"], margin=6)
    ink = canvas[-46:-6, 52:-6]
    assert ink.shape == (40, 10, 3)
    assert (ink[10:30] == 0).all() and (ink[:10] == 255).all() and (ink[30:] == 255).all()


def test_long_headings_do_not_leave_their_column():
    titles = ["Output (eccv16, annealed mean, T = 0.38)", "Supercalifragilisticexpialidocious"]
    canvas = side_by_side([[solid(48, 48, 200), solid(48, 48, 90)]], titles, margin=10)
    (top, left), (_, right) = find(canvas, solid(48, 48, 200))[0], find(canvas, solid(48, 48, 90))[0]
    head = canvas[:top]
    assert (head[:, : left - 1] == 255).all()
    assert (head[:, left + 50 : right - 1] == 255).all()
    assert (head[:, right + 49 :] == 255).all()


def test_row_labels_are_below_their_row():
    plain = side_by_side([[solid(32, 64, 9)]], ["t"], margin=8)
    labelled = side_by_side([[solid(32, 64, 9)]], ["t"], ["a-photograph-with-a-very-long-name.jpg"], margin=8)
    assert labelled.shape[1] == plain.shape[1]
    bottom = find(labelled, solid(32, 64, 9))[0][0] + 32
    assert (labelled[bottom:] < 160).any()
    assert (labelled[:, :7] == 255).all() and (labelled[:, -7:] == 255).all()


def test_a_panel_is_wide_and_keeps_the_order_of_its_rows():
    rows = [[solid(32, 32, color), solid(32, 32, 100 + color)] for color in range(5)]
    lines, titles = wide(rows, ["Input", "Output"])  # one below the other: 64 wide, 160 tall; two: 128 and 96
    assert titles == ["Input", "Output"] * 2
    assert [[int(picture.max()) for picture in line] for line in lines] == [
        [0, 100, 1, 101],
        [2, 102, 3, 103],
        [4, 104, 255, 255],
    ]
    assert wide(rows[:2], ["Input", "Output"]) == (rows[:2], ["Input", "Output"])
