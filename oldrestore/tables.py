"""Tables, for a terminal, as Markdown and as CSV: no name is cut, and letters of East Asia take two columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len

if TYPE_CHECKING:
    from rich.table import Table

GAP = 2


def aligned(
    lines: Sequence[Sequence[str]],
    words: int = 0,
    width: int | None = None,
    lead: int = 1,
    gaps: Sequence[int] | None = None,
    bold: bool = False,
) -> str:
    """Return a table whose columns are as wide as their content; lines without any content are left out.

    Parameters
    ----------
    lines : sequence of sequences of str
        The headings, then the rows.
    words : int
        So many first columns stand to the left; the others, of numbers, to the right.
    width : int, optional
        Of the terminal: a wider table goes on below itself, behind an empty line.
    lead : int
        So many first columns, which say whose the row is, stand at the beginning of every part.
    gaps : sequence of int, optional
        Blanks before each column but the first; `GAP` by default.
    bold : bool
        Headings are bold.
    """
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    gaps = [GAP] * (len(widths) - 1) if gaps is None else gaps
    parts = []
    for part in column_parts(widths, width, lead):
        texts = []
        for number, line in enumerate(lines):
            text = ""
            for index in part:
                blanks = " " * (widths[index] - cell_len(line[index]))
                gap = " " * gaps[index - 1] if index != part[0] else ""
                text += gap + (line[index] + blanks if index < words else blanks + line[index])
            text = text.rstrip()
            if text:
                texts.append(f"\033[1m{text}\033[0m" if bold and number == 0 else text)
        parts.append("\n".join(texts))
    return "\n\n".join(parts)


def column_parts(widths: Sequence[int], width: int | None, lead: int = 1) -> list[list[int]]:
    """Return the columns of each part of a table: all in one where they fit, else as many as do.

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


def word_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, right: Sequence[int] = ()
) -> Table | None:
    """Return a table whose lines break between words; None where one of its words would have to be cut.

    The last column is as wide as the terminal lets it be, the others are as wide as their texts where there is room
    for that, else as wide as their longest words.

    Parameters
    ----------
    headings : sequence of str
    rows : sequence of sequences of str
    width : int
        Of the terminal.
    right : sequence of int
        Columns of numbers, which stand to the right.
    """
    from rich.table import Table

    columns = list(zip(headings, *rows, strict=True))
    words = [max(cell_len(word) for text in column for word in (text.split() or [""])) for column in columns]
    whole = [max(map(cell_len, column)) for column in columns]
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


def loose_lines(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines that a terminal breaks, for one too narrow for any table."""
    return "\n".join("  ".join(filter(None, row)) for row in rows)


def plain_table(
    title: str,
    caption: str | None = None,
    gap: Literal[2, 3] = 3,
    texts: Iterable[str] = (),
    numbers: Iterable[str] = (),
) -> Table:
    """Make a table without rows: its headings underlined, title and caption at the left, no lines between cells.

    Parameters
    ----------
    caption : str, optional
        What the headings mean, one line or several.
    gap : int
        Blanks between two columns: 2 if a table would not fit into 80 columns of a terminal otherwise.
    texts, numbers : sequence of str
        Headings of the columns, those of texts first; numbers are aligned to the right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1) if gap == 3 else (0, 1, 0, 0),
        pad_edge=False,
    )
    for heading in texts:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown; floats have four decimals, None is an empty cell, text is not escaped."""

    def cell(value: Any) -> str:
        if isinstance(value, float) or str(getattr(value, "dtype", "")).startswith("float"):
            return f"{value:.4f}"
        return "" if value is None else str(value)

    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows)])


def csv_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, with_headings: bool = True
) -> str:
    """Return rows as CSV; what a row lacks, and None, is an empty cell.

    Parameters
    ----------
    rows : sequence of mappings
    columns : sequence of str, optional
        By default every name of every row, in the order in which they come.
    with_headings : bool
        Whether the first line names the columns.
    """
    if columns is None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    if with_headings:
        writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
