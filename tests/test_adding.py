"""CONTRIBUTING's table "Adding a thing", carried out: in a copy of the package, a thing takes its two edits, and works.

A test adds the thing as a contributor would, runs ``oldrestore`` from the copy, and checks that nothing else of the
package or its configuration was touched.
"""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.comparison.synthetic import make_designs
from tests.throwaway import Throwaway
from tests.workshop import SETTINGS

pytestmark = pytest.mark.slow

TWO_ITERATIONS = [*SETTINGS, "evaluation.samples=0", "tracking=none", "outputs=outputs"]
TWO_ITERATIONS += ["trainer.max_iterations=2", "trainer.log_every=1", "trainer.evaluate_every=2"]


@pytest.fixture
def copy(tmp_path) -> Throwaway:
    return Throwaway(tmp_path)


def train(copy: Throwaway, workshop, *overrides: str) -> Path:
    """Train two iterations; return the run folder."""
    printed = copy.run("train", *TWO_ITERATIONS, f"dataset.root={workshop.photos}", *overrides).stdout
    return copy.folder / printed.splitlines()[-1]


LOSS = '''"""A loss that is quadratic for small errors and linear for large ones."""

from __future__ import annotations

from typing import Annotated

import paddle
from pydantic import Field

from oldrestore.batch import Batch, Prediction
from oldrestore.config.values import checked
from oldrestore.losses.base import Loss


class LogCosh(Loss):
    """Mean of log cosh of the error of ab (Neuneier and Zimmermann 1998)."""

    reads = frozenset({"ab"})

    @checked
    def __init__(self, scale: Annotated[float, Field(gt=0)] = 10.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, prediction: Prediction, batch: Batch) -> paddle.Tensor:
        """Mean over a, b and pixels."""
        error = (prediction.ab - batch.ab_at(*prediction.ab.shape[-2:])) / self.scale
        return paddle.log(paddle.cosh(error)).mean()
'''


def test_a_loss(copy, workshop):
    copy.write("oldrestore/losses/log_cosh.py", LOSS)
    described = "# Quadratic for small errors, linear for large ones (Neuneier and Zimmermann 1998).\n"
    copy.write("conf/loss/log_cosh.yaml", f"{described}_target_: oldrestore.losses.log_cosh.LogCosh\nscale: 10.0\n")
    assert copy.changed() == {"oldrestore/losses/log_cosh.py", "conf/loss/log_cosh.yaml"}
    fits = ["loss=log_cosh", "model=siggraph17", "evaluation.judged=null"]
    run = train(copy, workshop, *fits, "loss.scale=20")
    lines = [json.loads(line)["values"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    values = [line[name] for line in lines for name in ("train/loss", "val/loss") if name in line]
    # An error of 110 in every sample would give 110 / 20 - log 2.
    assert len(values) == 3 and all(0 < value < 110 / 20 - math.log(2) for value in values), lines
    listed = next(each for each in json.loads(copy.run("losses", "--json").stdout) if each["name"] == "log_cosh")
    assert (listed["loss"], listed["reads"], listed["needs"]) == ("LogCosh", ["ab"], [])
    assert listed["source"] == "Neuneier and Zimmermann 1998"
    assert "siggraph17" in listed["models"] and "eccv16" not in listed["models"]
    refused = copy.run("train", *TWO_ITERATIONS, "loss=log_cosh", "model=eccv16", code=2).stderr
    assert "LogCosh" in refused and "Eccv16" in refused
    refused = copy.run("train", *TWO_ITERATIONS, *fits, "loss.scale=0", code=2).stderr
    assert "loss.scale" in refused and "greater than 0" in refused


JUDGE = '''"""A judge that tells colour photographs from gray ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from oldrestore.config.values import checked
from oldrestore.evaluation.judge import CLASSES, Judge


class GrayOrNot(Judge):
    """Class `gray` for a photograph without a colour, class 0 for any other."""

    sees = "every pixel"

    @checked
    def __init__(self, gray: Annotated[int, Field(ge=1, lt=CLASSES)]) -> None:
        self.name, self.fingerprint, self.gray = "gray or not", f"{gray:064x}", gray

    def probabilities(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """See Judge."""
        shown = [self.gray if np.ptp(photo, axis=-1).max() < 8 else 0 for photo in photos]
        return np.eye(CLASSES, dtype=np.float32)[shown]
'''


def test_a_judge(copy, workshop):
    copy.write("oldrestore/evaluation/gray_or_not.py", JUDGE)
    copy.write("conf/judge/gray.yaml", "_target_: oldrestore.evaluation.gray_or_not.GrayOrNot\ngray: 7\n")
    assert copy.changed() == {"oldrestore/evaluation/gray_or_not.py", "conf/judge/gray.yaml"}

    def accuracy(folder: Path) -> tuple[float, float, int]:
        row = pd.read_csv(folder / "accuracy.csv").iloc[-1]
        return row.orig_accuracy, row.gray_accuracy, row.n

    # The three photographs of the split are of the classes 0, 1 and 2.
    run = train(copy, workshop, "judge=gray", "evaluation.every=3")
    assert accuracy(run) == (pytest.approx(1 / 3), 0.0, 3)
    printed = copy.run("evaluate", str(run), "judge.gray=1").stdout
    assert accuracy(copy.folder / printed.splitlines()[-1]) == (pytest.approx(1 / 3), pytest.approx(1 / 3), 3)
    refused = copy.run("train", *TWO_ITERATIONS, "judge=gray", "judge.gray=0", code=2).stderr
    assert "judge.gray" in refused and "greater than or equal to 1" in refused


VERB = '''"""``oldrestore count``: counts the photographs of a folder."""

from __future__ import annotations

from collections.abc import Sequence

from oldrestore.commands.arguments import parser, path
from oldrestore.errors import UserError


def run(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = parser("count", "Counts the photographs of a folder.")
    options.add_argument("folder", type=path)
    folder = options.parse_args(arguments).folder
    if not folder.is_dir():
        raise UserError(f"there is no folder '{folder}'")
    print(len(list(folder.rglob("*.jpg"))))
    return 0
'''


def test_a_verb(copy, workshop):
    copy.write("oldrestore/commands/count.py", VERB)
    assert copy.changed() == {"oldrestore/commands/count.py"}
    lines = copy.run("--help").stdout.splitlines()
    assert "  count      counts the photographs of a folder" in lines
    assert not [line for line in lines if line.startswith("  arguments")]
    assert copy.run("count", str(workshop.photos)).stdout == "9\n"
    assert copy.run("count", "--help").stdout.startswith("usage: oldrestore count [-h] folder\n")
    assert copy.run("count", "nowhere", code=2).stderr == "oldrestore: there is no folder 'nowhere'\n"
    assert "see oldrestore count --help" in copy.run("count", code=2).stderr
    assert ", count" in copy.run("counts", code=2).stderr


FUNCTION = '''def blandness(rgb: np.ndarray) -> float:
    """Mean distance of red from full, in 8-bit levels."""
    return float(255 - rgb[..., 0].mean())


'''
ROW = """    Metric(
        family="val",
        name="blandness",
        of=lambda p: metrics.blandness(p.rgb),
        better=Better.LOWER,
        format=".1f",
        unit="levels",
        title="blandness of colours",
        short="bland",
        places={"log": 7, "compare": 10, "sweep": 0},
    ),
"""


def test_a_metric(copy, workshop):
    copy.insert("oldrestore/evaluation/metrics.py", FUNCTION, before="def opponents(")
    table = "oldrestore/evaluation/metric_table.py"
    copy.insert(table, ROW, after="METRICS = (\n")
    assert copy.changed() == {"oldrestore/evaluation/metrics.py", table}
    typed = [*TWO_ITERATIONS, f"dataset.root={workshop.photos}", "evaluation.judged=null"]
    widths = "model.width=0.0625,0.125"
    swept = copy.run("sweep", "--name", "two", *(each for each in typed if "width" not in each), widths).stdout
    chosen = ["--experiment", "tiny", "--resamples", "100", "outputs=outputs"]
    compared = copy.run("compare", "--figures", "blandness", *chosen).stdout
    as_json = json.loads(copy.run("compare", "--figures", "blandness", "--json", *chosen).stdout)
    copy.run("report", "--photographs", "0", "--metric", "blandness", "-o", "page.html", *chosen)
    page = (copy.folder / "page.html").read_text()
    values = {}
    for folder in (copy.folder / "outputs" / "tiny").iterdir():
        per_image = pd.read_csv(folder / "per_image.csv")
        values[folder.name] = per_image[per_image.metric == "blandness"].groupby("trained_iterations").value.mean()[2]
        (line,) = re.findall(r"val at 2: .*", (folder / "log.txt").read_text())
        assert f"blandness:{values[folder.name]:.1f}" in line.split()
    assert len(set(values.values())) == 2
    # The printed table of the sweep, beside the metric that chooses checkpoints.
    heading = next(line.split() for line in swept.splitlines() if line.startswith("model.width "))
    assert heading[:5] == ["model.width", "n", "val/loss", "val/blandness", "val/auc_rebalanced"], heading
    assert all(f" {value:.4f} " in swept for value in values.values()), swept
    below = "lower is better: val/loss, val/blandness (levels)"
    assert any(below in line for line in swept.splitlines()), swept
    # Lower is better: the lowest has the star.
    best = min(values.values())
    row = next(line for line in compared.splitlines() if "*" in line and "best" not in line)
    assert "bland" in compared and f"{best:.2f}*" in row, compared
    assert "lower is better: bland (levels)" in compared
    assert as_json["better"] == {"blandness": "min"}
    assert f"{best:.2f} levels" in page and "blandness of colours (lower is better)" in page


SECTION = '''"""How long the runs took."""

from oldrestore.report.section import Section, View


def duration(view: View) -> Section:
    """Make the section."""
    seconds = [cell for cell in view.group.compared.seconds if cell is not None]
    body = f"<b>{sum(seconds):.0f} s</b>"
    return Section("duration", "How long it took", body, link="Time", data={"seconds": seconds})
'''


def test_a_report_section(copy):
    copy.write("oldrestore/report/sections/duration.py", SECTION)
    sections = "oldrestore/report/sections/__init__.py"
    imported = "from oldrestore.report.sections.duration import duration\n"
    copy.insert(sections, imported, before="from oldrestore.report.sections.gallery")
    copy.insert(sections, "    duration,\n", before="    gallery,\n")
    assert copy.changed() == {"oldrestore/report/sections/duration.py", sections}
    runs = [str(run.folder) for run in make_designs(copy.folder, {"plain": 0.0, "focal": 0.05})]
    copy.run("report", *runs, "--photographs", "0", "--resamples", "100", "-o", "page.html")
    page = (copy.folder / "page.html").read_text()
    ids = re.findall(r'<section id="g0-(\w+)"', page)
    assert ids[ids.index("duration") - 1 : ids.index("duration") + 2] == ["colours", "duration", "gallery"]
    assert '<li><a href="#g0-duration">Time</a>' in page
    (section,) = re.findall(r'<section id="g0-duration".*?</section>', page, re.DOTALL)
    # Both runs trained 12 seconds; a text that is no template's is escaped.
    assert '<h2 id="g0-duration-h">How long it took</h2>' in section and "&lt;b&gt;24 s&lt;/b&gt;" in section
    assert '"seconds":[12.0,12.0]' in page
