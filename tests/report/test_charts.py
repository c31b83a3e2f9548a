"""Charts: each compiles without a warning, shows the numbers of the contents, and knows both looks."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import vl_convert
from PIL import Image

from oldrestore.report.ab_plane import edges, plane_of
from oldrestore.report.charts import accuracy_bars, curves, figures_of, forest
from oldrestore.report.contents import gather
from oldrestore.report.look import PAPER, SCREEN, SHAPES, VERSION, axis_format, number_of
from oldrestore.report.page import swatch
from oldrestore.report.pictures import Pictures
from oldrestore.report.scatter_chart import axis_of, fill, template
from tests.comparison.synthetic import make_designs

EVERY = {"forest", "train_loss", "val_loss", "accuracy_over_iterations", "accuracy", "metrics", "ab_plane"}


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    shifts = {"hard_cross_entropy": 0.0, "focal": 0.002, "cross_entropy": 0.08}
    runs = make_designs(tmp_path_factory.mktemp("outputs"), shifts, (0, 1, 2), length=20)
    found = gather(runs, photographs=0, resamples=200).groups[0]
    size = len(edges()) - 1
    counts = np.random.default_rng(0).integers(0, 50, (size, size)).astype(float)
    return replace(found, pictures=Pictures(plane=plane_of(counts, [[counts.T], [], [counts]], 9)))


@pytest.mark.parametrize("look", [SCREEN, PAPER], ids=["screen", "paper"])
def test_every_chart_compiles(group, look, capfd):
    makers = figures_of(group)
    assert set(makers) == EVERY
    for name, make in makers.items():
        spec = make(look)
        vega = vl_convert.vegalite_to_vega(spec, vl_version=VERSION, show_warnings=True)
        assert vega["marks"], name
        # Paper knows no style sheet, and the page has one for both of its looks.
        assert ("var(--" in json.dumps(spec)) == (look is SCREEN)
        assert spec["config"]["aria"] is False
    said = [line for line in capfd.readouterr().err.splitlines() if "WARN" in line and "legend" not in line]
    assert said == []


def test_curves_are_drawn_from_the_bands(group):
    series = group.one("val/auc")
    rows = curves(group, series, SCREEN)["data"]["values"]
    expected = [
        {"d": group.names[band.design], "i": int(at), "m": number_of(m), "l": number_of(low), "h": number_of(high)}
        for band in series.bands
        for at, m, low, high in zip(band.iterations, band.mean, band.low, band.high, strict=True)
    ]
    assert [{key: row[key] for key in "dimlh"} for row in rows] == expected


def test_losses_that_are_different_functions_are_divided_by_their_start(group):
    assert group.loss_differs
    series = group.one("train/loss")
    rows = curves(group, series, SCREEN)["data"]["values"]
    band = series.bands[1]
    drawn = [row["m"] for row in rows if row["d"] == group.names[1]]
    assert drawn == pytest.approx(band.mean / band.mean[:2].mean(), rel=1e-5)  # a tenth of 20 points
    assert [row["m"] for row in curves(group, series, SCREEN, relative=False)["data"]["values"]][:3] == pytest.approx(
        series.bands[0].mean[:3], rel=1e-5
    )


def test_forest_has_the_intervals_of_the_table(group):
    rows = forest(group, SCREEN)["data"]["values"]
    for design, row in enumerate(rows):
        cell = group.cell(design, "auc_rebalanced")
        assert (row["v"], row["l"], row["h"]) == pytest.approx((cell.value, cell.low, cell.high), rel=1e-5)


def test_names_of_measures_cannot_break_the_template(group):
    measure = group.measure("psnr")
    odd = replace(measure, name='it\'s "odd" \\ @x')
    spec = fill(template(group, SCREEN), odd, measure)
    assert spec["transform"][0]["calculate"] == "datum['it\\'s \"odd\" \\\\ @x']"
    assert spec["transform"][3]["calculate"] == "datum['psnr']"
    assert axis_of(measure)["title"] == "PSNR (higher is better)"
    vl_convert.vegalite_to_vega(spec, vl_version=VERSION)


@pytest.mark.parametrize(
    ("name", "low", "high", "ticks"),
    [
        ("psnr", 0.687, 0.712, ["0.690", "0.695", "0.700", "0.705", "0.710"]),
        ("psnr", 1000, 22000, ["0", "5000", "10000", "15000", "20000"]),
        ("iter_accuracy", 0.51, 0.535, ["51.0%", "51.5%", "52.0%", "52.5%", "53.0%", "53.5%"]),
    ],
)
def test_ticks_of_an_axis_have_the_same_decimals(group, name, low, high, ticks):
    measure = group.measure(name)
    assert axis_of(measure)["format"] == axis_format(measure, "")["format"]
    x = {"field": "v", "type": "quantitative", "scale": {"zero": False}, "axis": axis_format(measure, "")}
    values = {"values": [{"v": low}, {"v": high}]}
    spec = {"data": values, "width": 300, "height": 50, "mark": "point", "encoding": {"x": x}}
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VERSION)
    assert re.findall(r"<text[^>]*>([^<]+)</text>", svg) == ticks


def test_numbers_that_are_not_finite_are_drawn_as_nothing():
    assert number_of(float("nan")) is None and number_of(float("inf")) is None
    assert number_of(np.float64(1 / 3)) == 0.333333


def test_every_mark_of_a_design_covers_pixels():
    """Vega's "stroke" is a line without an inside: filled, it is nothing."""
    for shape in SHAPES:
        mark = {"type": "point", "filled": True, "shape": shape, "size": 400, "color": "#000", "opacity": 1}
        spec = {"data": {"values": [{}]}, "mark": mark, "width": 40, "height": 40, "config": {"background": "white"}}
        png = vl_convert.vegalite_to_png(spec, vl_version=VERSION)
        with Image.open(io.BytesIO(png)) as image:
            # Of the 400 square pixels of its box.
            assert (np.asarray(image.convert("L")) < 64).sum() > 80, shape


def test_designs_have_marks_of_their_own_and_charts_have_the_pages():
    """Eight colours and eight shapes: where the colours begin again, the shapes are others."""
    marks = [(SCREEN.color(design), SCREEN.shape(design)) for design in range(64)]
    assert len(set(marks)) == 64
    assert [swatch(design) for design in range(64)] == list(dict.fromkeys(swatch(design) for design in range(64)))
    assert [PAPER.shape(design) for design in range(64)] == [shape for _, shape in marks]


def test_bars_have_a_line_where_gray_ends(group):
    spec = accuracy_bars(group, SCREEN)
    (level,) = (layer["data"]["values"] for layer in spec["layer"] if "data" in layer)
    assert level == [{"v": group.cell(0, "gray_accuracy").value}]
