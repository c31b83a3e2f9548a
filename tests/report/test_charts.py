"""Charts: each compiles, shows the numbers of the contents, and knows both looks; and their files for papers."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import vl_convert
from PIL import Image

from oldrestore.cli import main
from oldrestore.comparison.latex import latex
from oldrestore.errors import UserError
from oldrestore.report import figures
from oldrestore.report.charts import accuracy_bars, curves, figures_of, forest
from oldrestore.report.contents import Group, Report, gather
from oldrestore.report.figures import SIDE, fitted, photographs_of, write_figures
from oldrestore.report.look import PAPER, SCREEN, SHAPES, VERSION, axis_format, number_of
from oldrestore.report.page import swatch
from oldrestore.report.pictures import Pictures
from oldrestore.report.scatter_chart import axis_of, fill, template
from tests.comparison.synthetic import make_designs
from tests.report.test_page import with_pictures

LOSSES = {"hard_cross_entropy": 0.0, "focal": 0.03, "gradient_rebalanced_cross_entropy": 0.05}
CHARTS = {"forest", "train_loss", "val_loss", "accuracy_over_iterations", "accuracy", "metrics", "ab_plane"}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    """Three designs of two seeds, nine photographs, and colours."""
    runs = make_designs(tmp_path_factory.mktemp("outputs"), LOSSES, (0, 1), length=20)
    return with_pictures(gather(runs, photographs=0, resamples=200), count=9, side=32)


@pytest.fixture(scope="module")
def group(report) -> Group:
    return report.groups[0]


@pytest.fixture
def one_chart(monkeypatch) -> None:
    """Draw one chart instead of all."""
    monkeypatch.setattr(figures, "figures_of", lambda group: {"forest": figures_of(group)["forest"]})


@pytest.mark.parametrize("look", [SCREEN, PAPER], ids=["screen", "paper"])
def test_every_chart_compiles(group, look, capfd):
    makers = figures_of(group)
    assert set(makers) == CHARTS
    for name, make in makers.items():
        spec = make(look)
        vega = vl_convert.vegalite_to_vega(spec, vl_version=VERSION, show_warnings=True)
        assert vega["marks"], name
        # Paper knows no style sheet, and the page has one for both of its looks.
        assert ("var(--" in json.dumps(spec)) == (look is SCREEN)
        assert spec["config"]["aria"] is False
    said = [line for line in capfd.readouterr().err.splitlines() if "WARN" in line and "legend" not in line]
    assert said == []


def test_losses_that_are_different_functions_are_divided_by_their_start(group):
    assert group.loss_differs
    series = group.one("train/loss")
    rows = curves(group, series, SCREEN)["data"]["values"]
    band = series.bands[1]
    drawn = [row["m"] for row in rows if row["d"] == group.names[1]]
    assert drawn == pytest.approx(band.mean / band.mean[:2].mean(), rel=1e-5)  # a tenth of 20 points
    rows = curves(group, series, SCREEN, relative=False)["data"]["values"]
    for band, design in zip(series.bands, group.names, strict=True):
        drawn = [[row[key] for key in "imlh"] for row in rows if row["d"] == design]
        expected = np.stack([band.iterations, band.mean, band.low, band.high], axis=1)
        assert np.array(drawn) == pytest.approx(expected, rel=1e-5)


def test_bars_and_intervals_have_the_figures_of_the_table(group):
    rows = forest(group, SCREEN)["data"]["values"]
    for design, row in enumerate(rows):
        cell = group.cell(design, "auc_rebalanced")
        assert (row["v"], row["l"], row["h"]) == pytest.approx((cell.value, cell.low, cell.high), rel=1e-5)
    spec = accuracy_bars(group, SCREEN)
    (level,) = (layer["data"]["values"] for layer in spec["layer"] if "data" in layer)
    assert level == [{"v": group.cell(0, "gray_accuracy").value}], "a line where gray ends"
    assert [number_of(value) for value in (np.nan, np.inf, np.float64(1 / 3))] == [None, None, 0.333333]


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


def points(pdf: bytes) -> tuple[float, float]:
    """Width and height of the first page."""
    left, bottom, right, top = re.search(rb"/MediaBox\s*\[\s*([\d. ]+?)\s*\]", pdf).group(1).split()
    return float(right) - float(left), float(top) - float(bottom)


def test_every_figure_is_there_as_pdf_and_png_of_the_same_size(report, group, tmp_path):
    folder = tmp_path / "new" / "figures"
    written = write_figures(report, folder)
    names = {"table.md", "table.tex", *(f"{n}.{kind}" for n in (*CHARTS, "photographs") for kind in ("pdf", "png"))}
    assert {path.name for path in written} == {path.name for path in folder.iterdir()} == names
    for path in folder.glob("*.png"):
        pdf = path.with_suffix(".pdf").read_bytes()
        assert pdf.startswith(b"%PDF-1.")
        assert pdf.rstrip().endswith(b"%%EOF")
        width, height = points(pdf)
        with Image.open(path) as image:
            image.load()
            assert image.mode == "RGB", "no transparency, which some readers print black"
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            # As large on paper as the PDF, at 300 pixels to the inch.
            assert image.size == pytest.approx((width * 300 / 72, height * 300 / 72), abs=4.2)
            assert image.getpixel((0, 0)) == (255, 255, 255)
            assert 0.002 < (np.asarray(image.convert("L")) < 160).mean() < 0.9, "no empty picture"
        if path.stem not in ("photographs", "ab_plane"):
            assert width <= PAPER.width + 5, "labels included"
    assert (folder / "table.tex").read_text() == latex(group.compared) + "\n"
    assert (folder / "table.md").read_text().startswith("| design |")


def test_figures_need_no_colour_and_fetch_nothing(group):
    assert len({tuple(PAPER.dash(design)) for design in range(4)}) == 4
    assert len({PAPER.shape(design) for design in range(8)}) == 8
    assert PAPER.font_size in (8, 9)
    for name, draw in figures_of(group).items():
        text = json.dumps(fitted(draw))
        assert '"url"' not in text, name
        assert re.findall(r"https?://[^\"]+", text) == ["https://vega.github.io/schema/vega-lite/v6.json"], name


def test_photographs_are_evenly_spread_and_of_the_first_seed(group):
    picture, pictures = photographs_of(group), group.pictures
    # Six rows of five columns (input, three designs, original), each enlarged by a whole number.
    side = -(-SIDE // 32) * 32
    assert picture.shape[1] == 5 * side + 6 * 8 and 6 * side < picture.shape[0] < 7 * side
    first, second = ([run for run in pictures.runs if run[2] == seed] for seed in (0, 1))
    assert (photographs_of(replace(group, pictures=replace(pictures, runs=first))) == picture).all()
    assert (photographs_of(replace(group, pictures=replace(pictures, runs=second))) != picture).any()
    assert photographs_of(replace(group, pictures=Pictures())) is None
    # Those of the gallery were picked for their scores; where there are others, it is those.
    others = replace(pictures, unpicked=pictures.photographs[:2])
    assert photographs_of(replace(group, pictures=others)).shape[0] < 3 * side


def test_groups_are_numbered_and_a_folder_that_cannot_be_written_to_is_named(report, tmp_path, one_chart):
    written = write_figures(replace(report, groups=[report.groups[0]] * 2), tmp_path)
    assert {path.name[:2] for path in written} == {"1_", "2_"}
    assert (tmp_path / "2_table.tex").is_file()
    with pytest.raises(UserError, match="figures cannot be written to"):
        write_figures(report, tmp_path / "2_table.tex" / "figures")


def test_the_verb_writes_them(tmp_path, capsys, one_chart):
    make_designs(tmp_path / "outputs", LOSSES)
    arguments = ["report", "--experiment", "e", f"outputs={tmp_path / 'outputs'}", "--photographs=0", "--resamples=100"]
    assert main([*arguments, "--paper", str(tmp_path / "figures")]) == 0
    assert "4 files in" in capsys.readouterr().err
    assert (tmp_path / "figures" / "forest.pdf").is_file()
    assert (tmp_path / "outputs" / "reports" / "e.html").is_file()
    (tmp_path / "taken").write_text("")
    assert main([*arguments, "--paper", str(tmp_path / "taken")]) == 2
    assert "--paper takes a folder" in capsys.readouterr().err
