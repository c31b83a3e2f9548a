"""The look of every table of an evaluation in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table


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
