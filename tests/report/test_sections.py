"""The order of the sections, and that a function and its line in the tuple are all that a new one takes."""

from __future__ import annotations

import re

import pytest

from oldrestore.report.contents import gather
from oldrestore.report.page import render
from tests.comparison.synthetic import make_designs
from tests.throwaway import Throwaway

SECTION = '''
"""How long the runs took."""

from oldrestore.report.section import Section, View


def duration(view: View) -> Section:
    """Make the section."""
    seconds = [cell for cell in view.group.compared.seconds if cell is not None]
    body = f"<b>{sum(seconds):.0f} s</b>"
    return Section("duration", "How long it took", body, link="Time", data={"seconds": seconds})
'''


def ids(page: str) -> list[str]:
    return re.findall(r'<section id="g0-(\w+)"', page)


def links(page: str) -> list[tuple[str, str]]:
    return re.findall(r'<li><a href="#g0-(\w+)">(\w+)</a>', page)


def test_sections_that_have_something_to_show_stand_in_their_order(tmp_path):
    runs = make_designs(tmp_path, {"plain": 0.0, "focal": 0.05}, length=20)
    page = render(gather(runs, photographs=0, resamples=100))
    there = ["summary", "figures", "curves", "recognition", "tradeoffs", "colours", "gallery", "settings", "origin"]
    assert ids(page) == there
    called = ["Summary", "Table", "Curves", "Recognition", "Colours", "Gallery", "Provenance"]
    at = ["summary", "figures", "curves", "recognition", "tradeoffs", "gallery", "origin"]
    assert links(page) == list(zip(at, called, strict=True))
    # One design has nothing to set against another; without photographs no colours to show.
    page = render(gather(runs[:1], photographs=0, resamples=100))
    assert ids(page) == [name for name in there if name != "tradeoffs"]
    assert "Colours" not in dict(map(reversed, links(page)))


@pytest.mark.slow
def test_a_function_and_a_line_are_all_that_a_section_takes(tmp_path):
    copy = Throwaway(tmp_path)
    (tmp_path / "oldrestore" / "report" / "sections" / "duration.py").write_text(SECTION.lstrip())
    tuple_of = "oldrestore/report/sections/__init__.py"
    copy.edit(
        tuple_of,
        "from oldrestore.report.sections.gallery",
        "from oldrestore.report.sections.duration import duration\n",
    )
    copy.edit(tuple_of, "    gallery,\n", "    duration,\n")
    make_designs(tmp_path, {"plain": 0.0, "focal": 0.05})
    words = ["report", "--experiment", "e", "outputs=.", "--photographs=0", "--resamples=100", "-o", "page.html"]
    copy.run(f"from oldrestore.cli import main; assert main({words}) == 0")
    page = (tmp_path / "page.html").read_text()
    found = ids(page)
    assert found[found.index("duration") - 1 : found.index("duration") + 2] == ["colours", "duration", "gallery"]
    assert ("duration", "Time") in links(page)
    (section,) = re.findall(r'<section id="g0-duration".*?</section>', page, re.DOTALL)
    # Both runs trained 12 seconds; a text that is no template's is escaped.
    assert '<h2 id="g0-duration-h">How long it took</h2>' in section and "&lt;b&gt;24 s&lt;/b&gt;" in section
    assert '"seconds":[12.0,12.0]' in page
