"""Tables of words for a terminal: lines break between words, so that no name is cut short."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2


def word_table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, right: Sequence[int] = ()):
    """Return a table of rich, or None where one of its words would have to be cut.

    The last column is as wide as the terminal lets it be, the others are as wide as their texts where there is room
    for that, else as wide as their longest words.

    Parameters
    ----------
    headings : Sequence[str]
    rows : Sequence[Sequence[str]]
        As many texts in each as there are headings.
    width : int
        Columns of the terminal.
    right : Sequence[int]
        Columns of numbers: they stand to the right.

    Returns
    -------
    rich.table.Table or None
    """
    from rich.table import Table

    columns = list(zip(headings, *rows, strict=True))
    words = [max(len(word) for text in column for word in (text.split() or [""])) for column in columns]
    whole = [max(map(len, column)) for column in columns]
    room = width - GAP * (len(columns) - 1)
    if sum(words) > room:
        return None
    widths = list(words)
    # Room goes to the first columns first, but never the last one's own words'; half of what is left stays with it.
    spare = room - sum(words)
    if sum(whole) <= room:
        widths = whole
    else:
        for index in range(len(columns) - 1):
            more = min(whole[index] - words[index], spare // 2)
            widths[index] += more
            spare -= more
        widths[-1] = min(whole[-1], words[-1] + spare)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in right else "left", width=widths[index])
    for row in rows:
        table.add_row(*row)
    return table


def plain(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines that a terminal breaks, for one too narrow for any table."""
    return "\n".join("  ".join(filter(None, row)) for row in rows)
