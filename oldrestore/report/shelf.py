"""The reports below an outputs folder, and the static page ``index.html`` that lists them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

from oldrestore.errors import UserError
from oldrestore.files import write_atomically

FOLDER = "reports"  # below the root of run folders
INDEX = "index"  # a report of this title gets another file name
GENERATOR = "oldrestore report"
HEAD = 16_384  # bytes that hold the title and meta elements of a page
LONGEST_TITLE = 200  # characters
TEMPLATES = Path(__file__).parent / "templates"


def reports_folder(outputs: Path | str) -> Path:
    """Folder for reports whose file is not named: ``outputs/reports``."""
    return Path(outputs) / FOLDER


def report_path(outputs: Path | str, title: str) -> Path:
    """File for a report by its title: only letters, digits, dots, dashes and underscores are kept."""
    name = re.sub(r"[^\w.-]+", "-", title).strip("-.")[:80] or "report"
    return reports_folder(outputs) / f"{name}{'_' if name.lower() == INDEX else ''}.html"


@dataclass(frozen=True)
class ShelvedReport:
    """One report, as its first bytes describe it."""

    name: str  # path below the folder, with / between parts
    title: str  # file name if the page has none
    made: datetime  # in UTC; the file's time if the page does not say
    runs: int | None  # number of runs compared, if the page says it
    size: int  # bytes

    @property
    def address(self) -> str:
        """Link from the index, quoted."""
        return quote(self.name, errors="surrogateescape")

    @property
    def size_in_words(self) -> str:
        """Size in kB below 1 MB, else in MB."""
        return f"{max(1, round(self.size / 1000))} kB" if self.size < 999_500 else f"{self.size / 1e6:.1f} MB"


def list_reports(folder: Path) -> list[ShelvedReport]:
    """List the reports in a folder and its subfolders, newest first.

    Hidden files, links out of the folder, and pages of other programs are left out.
    """
    reports = [report for path in _pages(folder) if (report := _read(folder, path)) is not None]
    return sorted(reports, key=lambda report: (report.made, report.name), reverse=True)


def write_index(outputs: Path | str) -> Path:
    """Write ``outputs/reports/index.html``, which links every report, and return its path."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = reports_folder(outputs)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    # Bytes of a file's name that are not Unicode become question marks.
    environment.filters["text"] = lambda text: text.encode("utf-8", errors="replace").decode("utf-8")
    page = environment.get_template("shelf.html.j2").render(reports=list_reports(folder), folder=str(folder))
    path = folder / f"{INDEX}.html"
    try:
        write_atomically(path, page)
    except OSError as error:
        raise UserError(f"the index of reports cannot be written to '{path}' ({error.strerror})") from None
    return path


def _pages(folder: Path) -> Iterator[Path]:
    """Yield every HTML file that is really below the folder."""
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


def _read(folder: Path, path: Path) -> ShelvedReport | None:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).decode("utf-8", errors="replace")
            status = os.fstat(file.fileno())
    except OSError:
        return None  # removed meanwhile, or not readable
    about = _Head()
    with contextlib.suppress(AssertionError):  # raised by the parser for a broken declaration
        about.feed(head)
    if about.values.get("generator") != GENERATOR:
        return None
    title = " ".join(about.title.split())[:LONGEST_TITLE]
    made = _time(about.values.get("created")) or datetime.fromtimestamp(status.st_mtime, UTC)
    runs = about.values.get("runs", "")
    count = int(runs) if runs.isascii() and runs.isdigit() and len(runs) < 10 else None
    name = path.relative_to(folder.resolve()).as_posix()
    return ShelvedReport(name, title or path.stem, made, count, status.st_size)


def _time(text: str | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(text or "")
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Head(HTMLParser):
    """Reads the title and the meta elements in the head of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.values: dict[str, str] = {}
        self._in_title = False
        self._over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._over = self._over or tag == "body"
        self._in_title = tag == "title" and not self._over
        attributes = dict(attrs)
        if tag == "meta" and attributes.get("name") and not self._over:
            self.values.setdefault(str(attributes["name"]).lower(), attributes.get("content") or "")

    def handle_endtag(self, tag: str) -> None:
        self._over = self._over or tag == "head"
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
