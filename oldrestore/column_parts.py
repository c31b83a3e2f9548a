"""A table that is wider than the terminal, in parts below one another."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2


def column_parts(widths: Sequence[int], width: int | None, lead: int = 1) -> list[list[int]]:
    """Return the columns of each part: all in one where they fit, else as many as do.

    Parameters
    ----------
    widths : Sequence[int]
        Of the columns, in characters; `GAP` more stand between two.
    width : int or None
        Of the terminal; None for what has no width, such as a pipe.
    lead : int
        So many first columns, which say whose the row is, stand at the beginning of every part.

    Returns
    -------
    list of list of int
        A column that is wider than the terminal is in a part of its own, behind the leading ones.
    """
    leading = list(range(lead))
    start = sum(widths[:lead]) + GAP * (lead - 1)
    parts, used = [list(leading)], start
    for index in range(lead, len(widths)):
        if width is not None and used + GAP + widths[index] > width and len(parts[-1]) > lead:
            parts.append(list(leading))
            used = start
        parts[-1].append(index)
        used += GAP + widths[index]
    return parts
