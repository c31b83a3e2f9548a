"""The look of every table of an evaluation in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table


def plain_table(title: str, caption: str | None = None, gap: Literal[2, 3] = 3) -> Table:
    """Make a table without columns: its headings underlined, title and caption at the left, no lines between cells.

    Parameters
    ----------
    caption : str, optional
        What the headings mean, one line or several.
    gap : int
        Blanks between two columns, 2 where 80 columns of a terminal would not do otherwise.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1) if gap == 3 else (0, 1, 0, 0),
        pad_edge=False,
    )
