"""Tables for a terminal, as Markdown and as CSV: no name is cut, and East Asian letters take two columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len

if TYPE_CHECKING:
    from rich.console import Console
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
    """Return a table whose columns are as wide as their content; empty lines are omitted.

    The first line has the headings, which may be bold. The first `words` columns are texts, aligned to the left; the
    others are numbers. A table wider than `width` (of the terminal) continues below, after an empty line, where its
    first `lead` columns are repeated. `gaps` are the blanks before each column but the first; `GAP` by default.
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
    """Return the columns of each part of a table, as many as fit; one wider than the terminal has its own part."""
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


def listing_console() -> Console:
    """Return a console for listings: a pipe, which has no width to respect, gets wide lines."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=200, highlight=False)


def print_listing(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> bool:
    """Print a `word_table`; if the terminal is too narrow, omit the last column and return False."""
    if (table := word_table(headings, rows, console.width, right)) is not None:
        console.print(table)
        return True
    shorter = [row[:-1] for row in rows]
    # A terminal too narrow for any table breaks the lines itself.
    lines = "\n".join("  ".join(filter(None, row)) for row in shorter)
    console.print(word_table(headings[:-1], shorter, console.width, right) or lines)
    return False


def word_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, right: Sequence[int] = ()
) -> Table | None:
    """Return a table whose lines break between words; None if a word would have to be cut.

    The last column takes the width that is left; the others are as wide as their texts if there is room, else as wide
    as their longest words. Columns in `right` are aligned to the right.
    """
    from rich.table import Table

    columns = list(zip(headings, *rows, strict=True))
    words = [max(cell_len(word) for text in column for word in (text.split() or [""])) for column in columns]
    whole = [max(map(cell_len, column)) for column in columns]
    room = width - GAP * (len(columns) - 1)
    if sum(words) > room:
        return None
    widths, spare = list(words), room - sum(words)
    # Each column but the last may take half of the room that is left; the last takes the rest.
    for index, missing in enumerate(w - n for w, n in zip(whole, words, strict=True)):
        more = min(missing, spare // 2 if index < len(columns) - 1 and sum(whole) > room else spare)
        widths[index] += more
        spare -= more
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in right else "left", width=widths[index])
    for row in rows:
        table.add_row(*row)
    return table


def plain_table(
    title: str,
    caption: str | None = None,
    gap: Literal[2, 3] = 3,
    texts: Iterable[str] = (),
    numbers: Iterable[str] = (),
) -> Table:
    """Return a table without rows: underlined headings, title and caption at the left, no lines between cells.

    `texts` and `numbers` are the headings of the columns, those of numbers aligned to the right. A `gap` of 2 blanks
    between columns is for tables that would not fit into 80 columns of a terminal otherwise.
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


def explained_once(tables: Sequence[Table]) -> list[Table]:
    """Leave out lines below a table that stand below an earlier one, as of two judges."""
    said: set[str] = set()
    for table in tables:
        lines = str(getattr(table, "caption", None) or "").splitlines()
        if said.intersection(lines):
            table.caption = "\n".join(line for line in lines if line not in said) or None
        said.update(lines)
    return list(tables)


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
    """Return rows as CSV: by default every name of every row; a missing value, like None, is an empty cell."""
    if columns is None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    if with_headings:
        writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def percent(share: float, decimals: int = 1) -> str:
    """0.7875 -> "78.8%": half up, as the charts of a page round, whatever the last bits of a mean are."""
    # To 12 digits first: 63 of 80 may come out as 0.7874999999999999.
    exact = Decimal(f"{100 * share:.12g}").quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return f"{exact if exact else abs(exact)}%"  # zero has no sign


def byte_size(count: float) -> str:
    """1234 -> "1.2 kB": one decimal below 10, of decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.1f} {unit}" if count < 9.95 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    raise AssertionError


def setting(value: Any) -> str:
    """A setting as text in a cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
