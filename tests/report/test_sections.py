"""The sections of a page and their order."""

import re

from oldrestore.report.charts import figures_of
from oldrestore.report.contents import gather
from oldrestore.report.page import render
from tests.comparison.synthetic import make_designs


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


def test_a_chart_with_one_point_is_a_sentence(tmp_path):
    runs = make_designs(tmp_path, {"plain": 0.0, "focal": 0.05})  # each recorded its loss once: 1.5 at iteration 20
    group = gather(runs, photographs=0, resamples=100).groups[0]
    assert set(figures_of(group)) == {"forest", "accuracy", "metrics"}
    page = render(gather(runs, photographs=0, resamples=100))
    assert (
        re.sub("<svg.*?</svg>|<[^>]*>", "", page).count("It was recorded once: plain 1.5 at iteration 20; focal") == 1
    )
    alone = gather(runs[:1], photographs=0, resamples=100).groups[0]
    assert "forest" not in figures_of(alone)
