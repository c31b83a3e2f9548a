"""What commands share on the command line: numbers within bounds, names, the folder of the runs."""

import argparse
from pathlib import Path

import pytest

from oldrestore.commands.arguments import names, number, split_outputs
from oldrestore.errors import UserError


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (number(1), "1", 1),
        (number(1), "12345678901234567890", 12345678901234567890),
        (number(32, 4096), "4096", 4096),
        (number(0.0, 0.99), "0.99", 0.99),
        (number(0.0, 0.99), "1e-3", 0.001),
        (names, "auc,,psnr", ["auc", "psnr"]),
    ],
)
def test_what_is_within_bounds_is_read(read, text, expected):
    assert read(text) == expected
    assert type(read(text)) is type(expected)


@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (number(1), "0", "must be a whole number, at least 1, not '0'"),
        (number(1), "1.5", "must be a whole number, at least 1, not '1.5'"),
        (number(1), "1_0", "must be a whole number, at least 1, not '1_0'"),
        (number(1), "٣", "must be a whole number, at least 1, not '٣'"),
        (number(32, 4096), "4097", "must be a whole number from 32 to 4096, not '4097'"),
        (number(0.0, 0.99), "nan", "must be a number from 0.0 to 0.99, not 'nan'"),
        (number(0.0, 0.99), "inf", "must be a number from 0.0 to 0.99, not 'inf'"),
        (number(0.0, 0.99), "", "must be a number from 0.0 to 0.99, not ''"),
        (names, ",", "takes names of figures, such as auc,psnr"),
    ],
)
def test_what_is_not_is_refused(read, text, sentence):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        read(text)
    assert str(error.value) == sentence


def test_the_folder_of_the_runs_is_separated_from_other_words():
    assert split_outputs(["a", "outputs='~/b c'", "tracking=none"]) == (Path.home() / "b c", ["a", "tracking=none"])
    assert split_outputs(["a"]) == (Path("outputs"), ["a"])
    with pytest.raises(UserError, match="'outputs=' is not understood here"):
        split_outputs(["outputs="])
