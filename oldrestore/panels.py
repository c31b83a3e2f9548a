"""Draws panels: a row for each photograph, a column for each stage (input, outputs, original), with headings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (38, 38, 38)
FAINT = (110, 110, 110)
PAPER = (255, 255, 255)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def side_by_side(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    row_labels: Sequence[str] | None = None,
    margin: int | None = None,
) -> np.ndarray:
    """Return one picture, uint8 (H, W, 3), of `rows` of sRGB pictures on white, with `titles` above the columns.

    Every row has the height and every column the width of its largest picture; smaller ones are centred, none is
    resampled. A heading that is wider than its column is broken into lines, and set smaller if a word is too wide.
    Labels are set below each row's pictures, cut with an ellipsis to fit. `margin` is the number of pixels around and
    between pictures; by default 1/16 of the typical side, 6 to 24.
    """
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    widths = [max(row[column].shape[1] for row in rows) for column in range(len(titles))]
    side = float(np.median(heights + widths))
    gap = int(np.clip(side / 16, 6, 24)) if margin is None else margin
    size = int(np.clip(side / 10, 11, 28))

    headings, font = _set_headings(titles, widths, size)
    line, label_font = _line_height(font), _font(max(10, round(size * 0.75)))
    head = gap + max(len(lines) for lines in headings) * line + gap // 2
    label = _line_height(label_font) + gap // 2 if row_labels else 0

    width = gap + sum(w + gap for w in widths)
    height = head + sum(h + label + gap for h in heights)
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)

    left = gap
    for lines, column_width in zip(headings, widths, strict=True):
        top = head - gap // 2 - len(lines) * line  # aligned to the pictures below
        for text in lines:
            draw.text((left + column_width / 2, top), text, INK, font, anchor="ma")
            top += line
        left += column_width + gap

    top = head
    for index, (row, row_height) in enumerate(zip(rows, heights, strict=True)):
        left = gap
        for picture, column_width in zip(row, widths, strict=True):
            x = left + (column_width - picture.shape[1]) // 2
            y = top + (row_height - picture.shape[0]) // 2
            canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (x, y))
            left += column_width + gap
        if row_labels:
            text = _shortened(row_labels[index], label_font, width - 2 * gap)
            draw.text((gap, top + row_height + gap // 4), text, FAINT, label_font)
        top += row_height + label + gap
    return np.array(canvas)


def wide(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> tuple[list[list[np.ndarray]], list[str]]:
    """Return rows and titles for `side_by_side`, several rows side by side where the panel would be taller than wide.

    Screens and trackers' pages have room beside a picture rather than below it. Read line by line, the order is kept.
    """
    width = sum(max(row[column].shape[1] for row in rows) for column in range(len(titles)))
    height = max(picture.shape[0] for row in rows for picture in row)
    groups = next(n for n in range(1, len(rows) + 1) if n * width >= -(-len(rows) // n) * height or n == len(rows))
    blank = [np.full((1, 1, 3), 255, np.uint8)] * len(titles)
    lines = [[*rows[start : start + groups]] for start in range(0, len(rows), groups)]
    lines[-1] += [blank] * (groups - len(lines[-1]))
    return [[picture for row in line for picture in row] for line in lines], [*titles] * groups


@lru_cache(maxsize=32)
def _font(size: int) -> Font:
    return ImageFont.load_default(size=size)


def _line_height(font: Font) -> int:
    _, top, _, bottom = font.getbbox("Ágjy|")
    return round((bottom - min(top, 0)) * 1.1)


def _set_headings(titles: Sequence[str], widths: Sequence[int], size: int) -> tuple[list[list[str]], Font]:
    """Break titles into lines, in the largest size down to 8 in which every word fits."""
    for smaller in range(size, 7, -1):
        font = _font(smaller)
        headings = [_wrapped(title, font, width) for title, width in zip(titles, widths, strict=True)]
        longest = [max(map(font.getlength, lines)) for lines in headings]
        fits = all(length <= width for length, width in zip(longest, widths, strict=True))
        if fits and max(len(lines) for lines in headings) <= 3:
            return headings, font
    return [[_shortened(title, font, width)] for title, width in zip(titles, widths, strict=True)], font


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _shortened(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
