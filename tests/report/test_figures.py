"""Figures for papers: which files there are, that they can be read, their size on paper, and what they do not need."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oldrestore.cli import main
from oldrestore.comparison.latex import latex
from oldrestore.errors import UserError
from oldrestore.report import figures
from oldrestore.report.charts import figures_of
from oldrestore.report.contents import Report, gather
from oldrestore.report.figures import SIDE, fitted, photographs_of, write_figures
from oldrestore.report.look import PAPER
from oldrestore.report.pictures import Photograph, Pictures
from tests.comparison.synthetic import make_designs

LOSSES = {"hard_cross_entropy": 0.0, "focal": 0.03, "gradient_rebalanced_cross_entropy": 0.05}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    made = gather(
        make_designs(tmp_path_factory.mktemp("outputs"), LOSSES, (0, 1), length=12), photographs=0, resamples=200
    )
    (group,) = made.groups
    rng = np.random.default_rng(0)
    runs = [(run.run_id, design, run.seed) for design, one in enumerate(group.compared.designs) for run in one.runs]
    pictures = [
        Photograph(
            name, *rng.integers(0, 256, (2, 32, 32, 3), np.uint8), {run_id: _flat(d, s) for run_id, d, s in runs}
        )
        for name in (f"{i:02}.jpg" for i in range(9))
    ]
    return replace(made, groups=[replace(group, pictures=Pictures(pictures, 40, runs))])


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory) -> Path:
    """All figures of `report`, written once."""
    place = tmp_path_factory.mktemp("figures") / "new" / "figures"
    write_figures(report, place)
    return place


@pytest.fixture
def one_chart(monkeypatch) -> None:
    """Draw one chart instead of all."""
    monkeypatch.setattr(figures, "figures_of", lambda group: {"forest": figures_of(group)["forest"]})


def _flat(design: int, seed: int) -> np.ndarray:
    return np.full((32, 32, 3), 40 * design + 10 * seed, np.uint8)


def points(pdf: bytes) -> tuple[float, float]:
    """Width and height of the first page."""
    left, bottom, right, top = re.search(rb"/MediaBox\s*\[\s*([\d. ]+?)\s*\]", pdf).group(1).split()
    return float(right) - float(left), float(top) - float(bottom)


def test_every_figure_is_there_as_pdf_and_png_of_the_same_size(report, folder):
    written = sorted(folder.iterdir())
    names = [path.name for path in written]
    charts = ["forest", "train_loss", "val_loss", "accuracy_over_iterations", "accuracy", "metrics", "photographs"]
    assert sorted(names) == sorted(
        [f"{n}.{kind}" for n in charts for kind in ("pdf", "png")] + ["table.md", "table.tex"]
    )
    for path in written:
        if path.suffix != ".png":
            continue
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
            corner = image.getpixel((0, 0))
        assert corner == (255, 255, 255)
        if path.stem != "photographs":
            assert width <= PAPER.width + 5, "labels included"
    (group,) = report.groups
    assert (folder / "table.tex").read_text() == latex(group.compared, group.names) + "\n"
    assert (folder / "table.md").read_text().startswith("| design |")


def test_the_same_report_gives_the_same_files(report, folder, tmp_path):
    said = []
    written = write_figures(report, tmp_path, said.append)
    assert said == [f"{len(written)} files in {tmp_path}"]
    assert sorted(path.name for path in written) == sorted(path.name for path in folder.iterdir())
    for path in written:
        other = folder / path.name
        if path.suffix == ".pdf":  # readers tell copies apart by an id and a time
            assert points(path.read_bytes()) == points(other.read_bytes())
            assert abs(path.stat().st_size - other.stat().st_size) < 50
        else:
            assert path.read_bytes() == other.read_bytes(), path.name


def test_designs_are_told_apart_without_colour_and_nothing_is_fetched(report):
    assert len({tuple(PAPER.dash(design)) for design in range(4)}) == 4
    assert len({PAPER.shape(design) for design in range(8)}) == 8
    assert PAPER.font_size in (8, 9)
    for name, draw in figures_of(report.groups[0]).items():
        text = json.dumps(fitted(draw))
        assert '"url"' not in text, name
        assert re.findall(r"https?://[^\"]+", text) == ["https://vega.github.io/schema/vega-lite/v6.json"], name
        assert "var(--" not in text, "colours of the page's style sheet mean nothing on paper"


def test_photographs_are_evenly_spread_and_of_the_first_seed(report):
    picture = photographs_of(report.groups[0])
    assert picture.dtype == np.uint8
    # Six rows of five columns (input, three designs, original), each enlarged by a whole number.
    side = -(-SIDE // 32) * 32
    columns = [8 + column * (side + 8) for column in range(5)]
    tops = [y for y in range(picture.shape[0]) if (picture[y, columns[1] : columns[1] + side] == 0).all()]
    assert picture.shape[1] == 5 * side + 6 * 8
    # The second design's pictures are of the flat value 40 (its second seed's would be 50).
    middle = picture[tops[0] + side // 2, columns[2] + side // 2]
    assert middle.tolist() == [40, 40, 40]
    assert len(tops) == 6 * side
    (group,) = report.groups
    assert photographs_of(replace(group, pictures=Pictures())) is None
    # Those of the gallery were picked for their scores; where there are others, it is those.
    others = replace(group.pictures, unpicked=group.pictures.photographs[:2])
    assert photographs_of(replace(group, pictures=others)).shape[0] < 3 * side


def test_groups_that_cannot_be_compared_are_numbered(report, tmp_path, one_chart):
    written = write_figures(replace(report, groups=[report.groups[0]] * 2), tmp_path)
    assert {path.name[:2] for path in written} == {"1_", "2_"}
    assert (tmp_path / "2_table.tex").is_file()


def test_a_folder_that_cannot_be_written_to_is_named(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="figures cannot be written to"):
        write_figures(report, tmp_path / "file" / "figures")


def test_the_verb_writes_them(tmp_path, capsys, one_chart):
    make_designs(tmp_path / "outputs", LOSSES)
    arguments = ["report", "--experiment", "e", f"outputs={tmp_path / 'outputs'}", "--photographs=0", "--resamples=100"]
    assert main([*arguments, "--figures", str(tmp_path / "figures")]) == 0
    assert "4 files in" in capsys.readouterr().err
    assert (tmp_path / "figures" / "forest.pdf").is_file()
    assert (tmp_path / "outputs" / "reports" / "e.html").is_file()
    (tmp_path / "taken").write_text("")
    assert main([*arguments, "--figures", str(tmp_path / "taken")]) == 2
    assert "--figures takes a folder" in capsys.readouterr().err


def test_a_png_of_a_chart_is_no_empty_picture(folder):
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            inked = (np.asarray(image.convert("L")) < 160).mean()
        assert 0.002 < inked < 0.9, path.name
