"""The page: whole in one file, small, inert whatever runs are called, and quiet in a browser."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from oldrestore.cli import main
from oldrestore.records.run import Run
from oldrestore.report.ab_plane import counts_of, plane_of
from oldrestore.report.choice import image_scores
from oldrestore.report.contents import Report, gather
from oldrestore.report.page import embedded_json, render, write_page
from oldrestore.report.pictures import Photograph, Pictures
from tests.comparison.synthetic import make_designs, make_run, scores
from tests.generated_photographs import make_photograph
from tests.report.browser import CHROMIUM, Browser

EVIL = "</script><img src=x onerror='alert(1)'>"


def with_pictures(report: Report, count: int = 24, side: int = 128) -> Report:
    """Give a report photographs that every run has coloured, each in its own tint."""
    (group,) = report.groups
    runs = [(run.run_id, at, run.seed) for at, design in enumerate(group.compared.designs) for run in design.runs]
    photographs = []
    for number in range(count):
        original = make_photograph(number, side)
        gray = np.repeat(original.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
        outputs = {}
        for index, (run_id, _, _) in enumerate(runs):
            tint = np.random.default_rng(index).uniform(0.6, 1, 3)
            outputs[run_id] = (0.5 * original * tint + 0.5 * gray).astype(np.uint8)
        photographs.append(Photograph(f"{number:02}.jpg", original, gray, outputs))
    scored = image_scores(group.compared.designs, group.compared.measures)
    counts = [[] for _ in group.names]
    for run, at, _ in runs:
        counts[at].append(counts_of(photo.outputs[run] for photo in photographs[:4]))
    plane = plane_of(counts_of(photo.original for photo in photographs[:4]), counts, 4)
    pictures = Pictures(photographs, 40, runs, scored, plane, [], {})
    return replace(report, groups=[replace(group, pictures=pictures)])


def make_report(outputs: Path, names: tuple[str, ...], seeds: int = 3, title: str | None = None) -> Report:
    shifts = {name: 0.02 * index for index, name in enumerate(names)}
    runs = make_designs(outputs, shifts, range(seeds), length=20, **{"loss.note": EVIL})
    return gather(runs, title=title, photographs=0, resamples=300)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page of four designs of three seeds, with pictures."""
    place = tmp_path_factory.mktemp("page")
    report = with_pictures(make_report(place, ("plain", "focal", "smooth", EVIL), title=EVIL))
    write_page(report, place / "report.html")
    return place / "report.html"


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def of(self, name: str, kind: str = "") -> list[dict[str, str | None]]:
        return [
            each for tag, each in self.tags if tag == name and (not kind or kind in (each.get("class") or "").split())
        ]


def test_page_is_one_file_below_five_megabytes(page):
    text = page.read_text()
    assert len(text.encode()) < 5_000_000
    tags = Tags(text)
    assert text.startswith("<!doctype html>") and not tags.of("link") and not tags.of("iframe") and not tags.of("base")
    assert all("src" not in script for script in tags.of("script"))
    for image in tags.of("img"):
        # The slider's two take theirs from the gallery.
        assert "alt" in image and ("src" not in image or image["src"].startswith("data:image/webp;base64,"))
    # 24 photographs: the input, twelve runs' colours, the original; and the two of the slider.
    assert len(tags.of("img")) == 24 * 14 + 2
    head = text[:16_384]
    assert '<meta name="generator" content="oldrestore report">' in head and '<meta name="runs" content="12">' in head


def test_text_of_runs_is_escaped_everywhere(page):
    text = page.read_text()
    assert EVIL not in text and "<img src=x" not in text and "&lt;img src=x" in text
    tags = Tags(text)
    assert not any(name.startswith("on") for _, attributes in tags.tags for name in attributes)
    assert [script.get("type") for script in tags.of("script")] == ["application/json", None, None]
    data = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', text, re.DOTALL).group(1)
    assert "<" not in data and ">" not in data and json.loads(data)["groups"]["g0"]["gallery"]["shown"] == 6
    assert json.loads(str(embedded_json({"a": "</script>&\u2028"}))) == {"a": "</script>&\u2028"}


def test_policy_admits_the_two_scripts_and_no_network(page):
    text = page.read_text()
    policy = next(meta["content"] for meta in Tags(text).of("meta") if "http-equiv" in meta)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert set(rules["script-src"].split()) == {f"'sha256-{one}'" for one in hashes}


def test_structure_is_for_keyboards_and_screen_readers(page):
    tags = Tags(page.read_text())
    ids = [attributes["id"] for _, attributes in tags.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for name in ("main", "nav", "header", "footer", "h1"):
        assert tags.of(name), name
    assert tags.of("html")[0]["lang"] == "en"
    for _, attributes in tags.tags:
        for reference in ("aria-labelledby", "for"):
            if attributes.get(reference):
                assert attributes[reference] in ids
    for link in tags.of("a"):
        assert link["href"].startswith("#") and link["href"][1:] in ids
    charts = tags.of("div", "chart")
    assert len(charts) >= 8 and all(chart["role"] == "img" and "aria-label" in chart for chart in charts)
    assert all("scope" in heading for heading in tags.of("th"))
    # Boxes that scroll can be reached by keyboard, and have names.
    boxes = tags.of("div", "scroll")
    assert boxes and all(box["tabindex"] == "0" and ("aria-label" in box or "aria-labelledby" in box) for box in boxes)


def test_one_run_without_pictures_curves_or_judge_and_groups_apart(tmp_path):
    found = {"val": scores()["val"]}
    report = gather([Run(make_run(tmp_path, "r", scored=found))], resamples=100)
    text = render(report)
    assert "nothing to compare it with" in text and "No judge looked at the photographs" in text
    assert "r coloured no photographs for this page: its weights are not there." in text
    runs = [Run(make_run(tmp_path, name, data={"val.fingerprint": name})) for name in ("a", "b")]
    text = render(gather(runs, anyway=True, photographs=0, resamples=100))
    assert "Group 1 of 2" in text and "Group 2 of 2" in text and "not to be compared with one another" in text


def test_verb_writes_the_page_and_refuses_as_compare_does(tmp_path, capsys):
    make_run(tmp_path, "a1", scored=scores(0.0))
    make_run(tmp_path, "b1", {"loss.sigma": 7.0}, scored=scores(0.1))
    make_run(tmp_path, "c1", {"experiment": "f"}, data={"judged.fingerprint": "x"})
    usual = ["report", f"outputs={tmp_path}", "--resamples", "200", "--photographs", "0"]
    assert main([*usual, "a1", "b1", "-o", str(tmp_path / "new" / "r.html")]) == 0
    out = capsys.readouterr().out
    assert out.strip() == str(tmp_path / "new" / "r.html") and (tmp_path / "new" / "r.html").stat().st_size > 500_000
    assert main([*usual, "--experiment", "e"]) == 0
    assert (tmp_path / "reports" / "e.html").is_file()
    wrong_options = (["--photographs", "x"], ["-o", str(tmp_path)], ["--metric", "no"])
    for wrong in (["a1", "c1"], [], *(["a1", *options] for options in wrong_options)):
        capsys.readouterr()
        assert main([*usual, *wrong]) == 2
        error = capsys.readouterr().err.strip().splitlines()
        assert error[-1].startswith("oldrestore: "), error
    assert main([*usual, "a1", "c1", "--anyway", "-o", str(tmp_path / "apart.html")]) == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.mark.slow
def test_page_opens_without_a_word_or_a_request(page, browser):
    browser.messages.clear()
    browser.asked.clear()
    browser.open(page)
    assert browser.messages == []
    assert {address.partition(":")[0] for address in browser.asked} <= {"file", "data"}
    drawn = browser.value("[...document.querySelectorAll('.chart')].map(e => e.querySelectorAll('svg path').length)")
    assert len(drawn) >= 8 and min(drawn) > 0
    assert browser.value("document.title") == EVIL
    assert browser.value("document.querySelectorAll('img[src=x]').length") == 0


@pytest.mark.slow
def test_table_is_sorted_by_click_and_by_keyboard(page, browser):
    browser.open(page)
    column = "[...document.querySelectorAll('.figures tbody tr')].map(r => r.cells[6].dataset.sort - 0)"
    before = browser.value(column)
    button = "document.querySelectorAll('.figures thead button')[6]"
    browser.value(f"{button}.click()")
    assert browser.value(column) == sorted(before, reverse=True)
    assert browser.value(f"{button}.parentElement.getAttribute('aria-sort')") == "descending"
    browser.value(f"{button}.focus()")
    browser.press("Enter", 13, "\r")
    assert browser.value(column) == sorted(before)
    assert browser.value("document.querySelectorAll('.figures [aria-sort=ascending]').length") == 1


@pytest.mark.slow
def test_gallery_is_filtered_and_two_pictures_are_compared(page, browser):
    browser.open(page)
    own = browser.value("JSON.parse(document.getElementById('report-data').textContent).groups.g0.gallery")
    choose = "(id, value) => { const e = document.getElementById('g0-' + id); e.value = value; "
    choose += "e.dispatchEvent(new Event('change', {bubbles: true})); }"
    shown = "[...document.querySelectorAll('.photographs li:not([hidden])')].map(e => +e.dataset.index)"
    browser.value(f"({choose})('by', 'psnr')")
    for order, key, turn in (("worst", "good", 1), ("best", "good", -1), ("apart", "apart", -1)):
        browser.value(f"({choose})('show', '{order}')")
        values = own["scores"]["psnr"][key]
        assert browser.value(shown) == sorted(range(24), key=lambda i: (turn * values[i], i))[:6]
    browser.value(f"({choose})('show', 'all')")
    assert browser.value(shown) == list(range(24))
    browser.value("document.querySelectorAll('.photographs li')[2].querySelector('[data-choose=\"d1-0\"]').click()")
    assert browser.value("document.querySelector('.stage .right').alt") == "02.jpg: focal, seed 0"
    browser.value("document.querySelector('.slide input').focus()")
    browser.press("ArrowRight", 39)
    assert browser.value("document.querySelector('.stage').style.getPropertyValue('--at')") == "51%"
    assert "51% plain, seed 0" in browser.value("document.querySelector('.slide input').getAttribute('aria-valuetext')")
    browser.value(f"({choose})('nth', '2')")
    names = browser.value(
        "[...document.querySelectorAll('.photographs li')[0].querySelectorAll('figure:not([hidden]) [data-choose]')]"
        ".map(e => e.dataset.choose)"
    )
    assert names == ["input", "d0-2", "d1-2", "d2-2", "d3-2", "original"]


@pytest.mark.slow
def test_gallery_of_one_seed_shows_what_the_run_coloured(tmp_path, browser):
    write_page(with_pictures(make_report(tmp_path, ("only",), seeds=1), count=3), tmp_path / "one.html")
    browser.open(tmp_path / "one.html")
    seen = "[...document.querySelectorAll('.photographs li:not([hidden]) img')].filter(e => e.offsetWidth > 50).length"
    assert browser.value(seen) == 9
    assert browser.value("document.querySelector('.stage .left').alt").endswith("only, seed 0")


@pytest.mark.slow
def test_axes_of_the_scatter_can_be_chosen(page, browser):
    browser.messages.clear()
    browser.open(page)
    change = "{ const e = document.getElementById('g0-axis-x'); e.value = 'gap_closed'; "
    browser.value(change + "e.dispatchEvent(new Event('change')); }")
    browser.wait("document.getElementById('g0-metrics').textContent.includes('share of the accuracy gap closed')")
    assert "%" in browser.value("document.getElementById('g0-metrics').textContent")
    assert browser.messages == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True), (320, True)])
def test_nothing_is_wider_than_the_screen_in_light_or_dark(page, browser, width, phone):
    for dark, background in ((False, "rgb(251, 250, 247)"), (True, "rgb(21, 20, 18)")):
        browser.open(page, width, 800, dark, phone)
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("getComputedStyle(document.body).backgroundColor") == background
    browser.value("document.getElementById('theme').click()")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"
    browser.value("localStorage.clear()")


@pytest.mark.slow
def test_text_can_be_read_on_its_background(page, browser):
    """Contrast of 4.5 to 1 at least (WCAG 2.2, 1.4.3) for the text colours, in both sets."""

    def luminance(color: str) -> float:
        channels = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for dark in (False, True):
        browser.open(page, dark=dark)
        style = "getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
        names = ("ink", "muted", "link", "page", "card", "shade", "best", "best-ink")
        colors = {name: browser.value(style.format(name)) for name in names}
        pairs = [(text, ground) for text in ("ink", "muted", "link") for ground in ("page", "card", "shade")]
        for text, ground in [*pairs, ("best-ink", "best"), ("best-ink", "card")]:
            high, low = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (dark, text, ground)


@pytest.mark.slow
def test_paper_shows_no_handles_and_cuts_nothing(page, browser):
    browser.open(page, 718)  # an A4 page between the margins that Chromium leaves, in pixels
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        shown = "[...document.querySelectorAll('{}')].filter(e => e.checkVisibility()).length"
        assert browser.value(shown.format("details.numbers")) == 0
        assert browser.value(shown.format("details.facts dl")) == 1
        style = "getComputedStyle(document.querySelector('{}')).{}"
        assert browser.value(style.format("select", "borderTopWidth")) == "0px"
        assert browser.value(style.format(".row button[aria-pressed=true]", "outlineStyle")) == "none"
        lines = "[...document.querySelectorAll('.figures .interval')].map(e => e.getClientRects().length > 0"
        tall = f"{lines} && e.offsetHeight > 1.9 * parseFloat(getComputedStyle(e).lineHeight))"
        assert True not in browser.value(tall)
        assert browser.value("document.documentElement.scrollWidth") <= 718
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.slow
def test_without_scripts_nothing_stands_empty_and_every_number_can_be_reached(page, browser):
    browser.open(page)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("Page.reload")
        browser.wait("document.readyState === 'complete' && document.querySelector('noscript') !== null")
        visible = "[...document.querySelectorAll('{}')].filter(e => e.checkVisibility()).length"
        for selector in (".chart", "select", ".compare"):  # what scripts would fill
            assert browser.value(visible.format(selector)) == 0, selector
        everything = browser.value("document.querySelectorAll('details.numbers').length")
        assert everything >= 8 and browser.value(visible.format("details.numbers")) == everything
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
