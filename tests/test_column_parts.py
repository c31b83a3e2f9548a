"""A wide table's parts: every column once, behind the leading ones, and none wider than the terminal."""

from __future__ import annotations

import pytest

from oldrestore.column_parts import column_parts


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
