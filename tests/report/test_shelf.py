"""The index of reports: what it lists, what it escapes, and what it leaves out."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from oldrestore.errors import UserError
from oldrestore.report.shelf import list_reports, report_path, reports_folder, write_index

SECRET = "the contents of a file that is no report"


def page(title, created="2026-01-02T03:04:05+00:00", runs="12", generator="oldrestore report") -> str:
    head = f'<meta name="generator" content="{generator}"><meta name="created" content="{created}">'
    return f'<!doctype html><html><head><title>{title}</title>{head}<meta name="runs" content="{runs}"></head><p>x</p>'


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = reports_folder(tmp_path / "outputs")
    (folder / "deeper").mkdir(parents=True)
    (folder / "one.html").write_text(page("One"))
    (folder / "deeper" / "two ü&?#.html").write_text(page("Two", "2026-02-02T03:04:05+00:00", "1"))
    (folder / "notes.txt").write_text(SECRET)
    (folder / "other.html").write_text(page("Other", generator="somebody else") + SECRET)
    (folder / ".hidden.html").write_text(page("Hidden"))
    (tmp_path / "outputs" / "secret.html").write_text(page("Secret") + SECRET)
    (folder / "link.html").symlink_to(tmp_path / "outputs" / "secret.html")
    (folder / "loop.html").symlink_to(folder / "loop.html")
    return tmp_path / "outputs"


def links(index: Path) -> list[str]:
    return re.findall(r'<a href="([^"]*)"', index.read_text())


def test_reports_are_listed_newest_first_with_what_they_say(outputs):
    found = list_reports(reports_folder(outputs))
    said = [(report.name, report.title, report.runs) for report in found]
    assert said == [("deeper/two ü&?#.html", "Two", 1), ("one.html", "One", 12)]
    assert found[1].made == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found[1].size == len(page("One"))
    for size, words in ((1, "1 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (4.96e6, "5.0 MB")):
        assert replace(found[1], size=size).size_in_words == words
    assert list_reports(outputs / "nothing") == []


def test_a_report_that_says_little_is_known_by_its_file(tmp_path):
    path = tmp_path / "bare.html"
    path.write_text(page(" \n ", "yesterday", "many"))
    os.utime(path, (0, 86_400))
    (bare,) = list_reports(tmp_path)
    assert (bare.title, bare.runs, bare.made) == ("bare", None, datetime(1970, 1, 2, tzinfo=UTC))
    path.write_text(page("Head") + "<body><svg><title>A chart</title></svg><meta name='runs' content='99'>")
    (bare,) = list_reports(tmp_path)
    assert (bare.title, bare.runs) == ("Head", 12)


def test_a_page_that_cannot_be_read_hides_no_other(outputs):
    folder = reports_folder(outputs)
    (folder / "broken.html").write_text("<![nonsense[ <meta" + page("Broken"))
    (folder / "bytes.html").write_bytes(bytes(range(256)) * 100)
    (folder / "empty.html").write_bytes(b"")
    names = [report.name for report in list_reports(folder)]
    assert {"one.html", "deeper/two ü&?#.html"} <= set(names)
    assert not {"bytes.html", "empty.html"} & set(names)


def test_the_index_links_reports_and_nothing_else(outputs):
    index = write_index(outputs)
    assert index == outputs / "reports" / "index.html"
    assert links(index) == ["deeper/two%20%C3%BC%26%3F%23.html", "one.html"]
    text = index.read_text()
    assert "2026-01-02 03:04 UTC" in text and "12 runs" in text and "1 run ·" in text
    assert SECRET not in text and "Secret" not in text and "Hidden" not in text
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'" in text, "no script runs, nothing is fetched"
    # Written again, it does not list itself, and has what came meanwhile.
    (index.parent / "later.html").write_text(page("Later", "2027-01-01T00:00:00+00:00"))
    assert links(write_index(outputs))[0] == "later.html" and len(links(index)) == 3


def test_names_and_titles_are_escaped_and_their_links_lead_to_the_files(outputs):
    folder = reports_folder(outputs)
    # The title of a page cannot hold a tag; its escaped form can, and so can a file's name.
    (folder / "<script>alert(1)<\u2044script>.html").write_text(
        page("&lt;script&gt;alert(2)&lt;/script&gt;", "", "<b>")
    )
    (folder / "\"onmouseover='alert(3)'.html").write_text(page('"><img src=x onerror=alert(4)>', "", "1" * 5000))
    (folder / "javascript:alert(5).html").write_text(page("Scheme"))
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.html")).write_text(page("Bytes"))
    index = write_index(outputs)
    text = index.read_text()
    for raw in ("<script>", "<img", "onmouseover='alert", "<b>", 'javascript:alert(5).html"'):
        assert raw not in text
    assert "&lt;script&gt;alert(1)" in text and "&lt;script&gt;alert(2)&lt;/script&gt;" in text
    targets = [folder / unquote(link, errors="surrogateescape") for link in links(index)]
    assert len(targets) == 6 and all(target.is_file() for target in targets)


def test_without_reports_it_says_what_writes_one(tmp_path):
    text = write_index(tmp_path / "<b>").read_text()
    assert "oldrestore report --experiment NAME" in text and "<b>" not in text and "&lt;b&gt;" in text
    (tmp_path / "reports").write_text("a file stands where the folder should be")
    with pytest.raises(UserError, match="the index of reports cannot be written to"):
        write_index(tmp_path)


@pytest.mark.parametrize(
    ("title", "name"),
    [("losses", "losses.html"), ("a b/../c", "a-b-..-c.html"), ("", "report.html"), ("Index", "Index_.html")],
)
def test_a_title_gives_the_name_of_a_file_that_is_not_the_index(tmp_path, title, name):
    assert report_path(tmp_path, title) == tmp_path / "reports" / name
