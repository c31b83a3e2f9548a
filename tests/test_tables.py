"""Tables: nothing is cut at any width, columns are straight, and CSV and Markdown hold the same rows."""

import csv

import numpy as np
import pytest
from rich.console import Console

from oldrestore.tables import (
    aligned,
    column_parts,
    csv_table,
    explained_once,
    markdown_table,
    percent,
    plain_table,
    word_table,
)


def test_what_fits_is_whole_and_a_pipe_has_no_width():
    assert column_parts([4, 5, 6], 19) == [[0, 1, 2]]  # 4 + 2 + 5 + 2 + 6
    assert column_parts([4, 5, 6], 18) == [[0, 1], [0, 2]]
    assert column_parts([400, 500, 600], None) == [[0, 1, 2]]
    assert column_parts([4, 5, 6, 3], 19, lead=2) == [[0, 1, 2], [0, 1, 3]]


@pytest.mark.parametrize("width", range(12, 60))
@pytest.mark.parametrize("lead", [1, 2])
def test_every_column_stands_once_and_no_part_is_too_wide(width, lead):
    widths = [3, 2, 5, 30, 4, 4, 9, 1]
    parts = column_parts(widths, width, lead)
    assert [index for part in parts for index in part[lead:]] == list(range(lead, len(widths)))
    for part in parts:
        assert part[:lead] == list(range(lead))
        # A column may alone be wider than the terminal: it then has a part to itself.
        assert sum(widths[i] for i in part) + 2 * (len(part) - 1) <= width or len(part) == lead + 1


LINES = [["run", "state", "auc"], ["a1", "finished", "0.5"], ["实验", "", "12.25"], ["", "", ""]]


def test_columns_of_words_stand_to_the_left_and_those_of_numbers_to_the_right():
    # A Chinese sign takes two columns of a terminal; the empty line is left out; no line ends with blanks.
    assert aligned(LINES, words=2) == "run   state       auc\na1    finished    0.5\n实验            12.25"
    assert aligned([["a", ""], ["bb", ""]], words=2) == "a\nbb"
    assert aligned(LINES[:2], words=1, gaps=[1, 3]) == "run    state   auc\na1  finished   0.5"


def test_a_wide_table_goes_on_below_itself_with_its_headings():
    assert aligned(LINES[:2], words=2, width=14) == "run  state\na1   finished\n\nrun  auc\na1   0.5"
    assert aligned(LINES[:2], words=2, width=14, bold=True).count("\033[1mrun") == 2


ROWS_OF_VALUES = [{"name": "a, b", "value": 0.1}, {"name": None, "more": 'say "x"'}]


def test_csv_has_every_column_and_empty_cells_for_what_is_missing():
    text = csv_table(ROWS_OF_VALUES)
    assert text == 'name,value,more\n"a, b",0.1,\n,,"say ""x"""\n'
    read = list(csv.DictReader(text.splitlines()))
    assert [row["more"] for row in read] == ["", 'say "x"']
    assert csv_table(ROWS_OF_VALUES[:1], ["value", "name"], with_headings=False) == '0.1,"a, b"\n'


def test_markdown():
    assert markdown_table(["a", "b"], [["1", ""], ["2", "x"]]) == "| a | b |\n|---|---|\n| 1 |  |\n| 2 | x |"


HEADINGS = ("loss", "reads", "models that fit")
ROWS = [
    ("gradient_rebalanced_cross_entropy", "logits", "eccv16, lite_unet"),
    ("hue_chroma", "chroma_logits, hue_logits", "larsson"),
]
NARROWEST = 33 + 2 + 14 + 2 + 9  # the longest words, and two gaps


def printed(width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(word_table(HEADINGS, ROWS, width))
    return capture.get()


@pytest.mark.parametrize("width", [NARROWEST, NARROWEST + 1, 70, 80, 120, 200])
def test_every_word_is_whole_at_every_width(width):
    text = printed(width)
    assert max(map(len, text.splitlines())) <= width
    for word in " ".join(" ".join(row) for row in (HEADINGS, *ROWS)).split():
        assert word in text.split()


def test_with_room_enough_a_row_is_a_line_and_with_too_little_there_is_no_table():
    assert len(printed(200).splitlines()) == 3
    assert word_table(HEADINGS, ROWS, NARROWEST - 1) is None


def test_shares_are_rounded_half_up_whatever_the_last_bits_of_a_mean():
    half = [0.7875, 63 / 80, float(np.mean([1.0] * 63 + [0.0] * 17)), 0.78749999999999998, 0.8125, 0.6125, 1 / 3, 1.0]
    assert [percent(share) for share in half] == ["78.8%"] * 4 + ["81.3%", "61.3%", "33.3%", "100.0%"]
    assert [percent(share) for share in (-0.0004, 0.0, -0.0125)] == ["0.0%", "0.0%", "-1.3%"]
    assert percent(0.125, 0) == "13%"


def test_what_stands_below_a_table_is_said_once():
    captions = ["p: a mean", "interval 1\np: a mean", None, "p: a mean", "q: another"]
    tables = explained_once([plain_table("t", caption) for caption in captions])
    assert [table.caption for table in tables] == ["p: a mean", "interval 1", None, None, "q: another"]
