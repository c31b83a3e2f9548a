"""The reports found under an outputs folder: what each says of itself, without opening the rest of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

FOLDER = "reports"  # below the root of run folders
GENERATOR = "oldrestore report"
HEAD = 16_384  # bytes in which a page says what it is
LONGEST_TITLE = 200  # characters


def reports_folder(outputs: Path | str) -> Path:
    """Folder that reports are written to where no other is named: ``outputs/reports``."""
    return Path(outputs) / FOLDER


@dataclass(frozen=True)
class ShelvedReport:
    """One report, as its first bytes describe it.

    Attributes
    ----------
    name : str
        Path below the folder, with ``/`` between parts.
    path : Path
    title : str
        The page's; its file's name where it has none.
    made : datetime
        When, in UTC; the file's time where the page does not say.
    runs : int or None
        Runs that it compares; None where the page does not say.
    size : int
        Bytes.
    """

    name: str
    path: Path
    title: str
    made: datetime
    runs: int | None
    size: int


def list_reports(folder: Path) -> list[ShelvedReport]:
    """List the reports in a folder and the folders in it, newest first.

    Hidden files, links that lead out of the folder, and pages of other programs are left out.
    """
    found = [report for path in _pages(folder) if (report := _read(folder, path)) is not None]
    return sorted(found, key=lambda report: (report.made, report.name), reverse=True)


def find_report(folder: Path, name: str) -> ShelvedReport | None:
    """Find the report that `list_reports` calls `name`; None if there is none."""
    wanted = next((path for path in _pages(folder) if _name(folder, path) == name), None)
    return None if wanted is None else _read(folder, wanted)


def _pages(folder: Path) -> Iterator[Path]:
    """Every HTML file that truly stands below the folder."""
    root = folder.resolve()
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place) / name
            if name.startswith(".") or path.suffix.lower() != ".html":
                continue
            with contextlib.suppress(OSError, RuntimeError):  # a loop of links
                if path.resolve().is_relative_to(root) and path.is_file():
                    yield path


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder.resolve()).as_posix()


def _read(folder: Path, path: Path) -> ShelvedReport | None:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).decode("utf-8", errors="replace")
            status = os.fstat(file.fileno())
    except OSError:
        return None  # removed meanwhile, or not ours to read
    about = _Head()
    with contextlib.suppress(AssertionError):  # what the parser says of a broken declaration
        about.feed(head)
    if about.values.get("generator") != GENERATOR:
        return None
    title = " ".join(about.title.split())[:LONGEST_TITLE]
    made = _time(about.values.get("created")) or datetime.fromtimestamp(status.st_mtime, UTC)
    runs = about.values.get("runs", "")
    count = int(runs) if runs.isascii() and runs.isdigit() and len(runs) < 10 else None
    return ShelvedReport(_name(folder, path), path, title or path.stem, made, count, status.st_size)


def _time(text: str | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(text or "")
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Head(HTMLParser):
    """Reads the title and the meta lines of a page's beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.values: dict[str, str] = {}
        self._in_title = False
        self._over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._over = self._over or tag == "body"
        self._in_title = tag == "title" and not self._over
        given = dict(attrs)
        if tag == "meta" and given.get("name") and not self._over:
            self.values.setdefault(str(given["name"]).lower(), given.get("content") or "")

    def handle_endtag(self, tag: str) -> None:
        self._over = self._over or tag == "head"
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
