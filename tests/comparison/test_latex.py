"""The LaTeX table: letter by letter for a small example, what LaTeX would trip over, and compiled where it can be."""

import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from oldrestore.comparison.compare import Cell, Compared
from oldrestore.comparison.designs import Design
from oldrestore.comparison.latex import escaped, latex
from oldrestore.comparison.measures import known_measures
from tests.comparison.synthetic import make_designs, make_run

SCORES = [("judged", "iter_correct"), ("judged", "orig_correct"), ("val", "psnr"), ("val", "colorfulness")]
KNOWN = {measure.name: measure for measure in known_measures(SCORES)[0]}
MEASURED_ON = {"judge": {"name": "lite0"}, "protocol": {"name": "photos", "hash": "0123456789abcdef"}}


def design(name: str, *seeds: int) -> Design:
    return Design(tuple(SimpleNamespace(run_id=f"{name}{seed}", seed=seed) for seed in seeds))


def small(**changes) -> Compared:
    accuracy, psnr = KNOWN["iter_accuracy"], KNOWN["psnr"]
    fields = {
        "designs": [design("a", 0, 1), design("b", 0, 1), design("c", 0, 1)],
        "names": ["loss=cross_entropy, width=0.25", "50% & more", "plain"],
        "measures": [accuracy, psnr, KNOWN["colorfulness"]],
        "cells": [
            {
                "iter_accuracy": Cell(0.85, 0.75, 0.9125, 80, 2, "best"),
                "psnr": Cell(22.5, 21.25, 23.75, 40, 2, "tied"),
                "colorfulness": Cell(9.5, -1.0, 20.0, 40, 2),
            },
            {
                "iter_accuracy": Cell(0.5, 0.4, 0.6, 80, 2),
                "psnr": Cell(23.125, 22.0, 24.25, 40, 2, "best"),
                "colorfulness": Cell(120.25, 100.0, 130.0, 40, 2),
            },
            {"psnr": Cell(float("nan"), float("nan"), float("nan"), 40, 2)},
        ],
        "seconds": [12.4, 13.6, None],
        "differences": {"loss": ["cross_entropy", "50% & more", None], "model.width": [0.25, 0.5, 0.5]},
        "measured_on": MEASURED_ON,
        "notes": ["a0 is killed: scored at iteration 10 of 20"],
    }
    return Compared(**{**fields, **changes})


EXPECTED = r"""
% \usepackage{booktabs} is needed
% loss=cross_entropy, width=0.25: a0 (seed 0), a1 (seed 1); loss cross_entropy, model.width 0.25
% 50% & more: b0 (seed 0), b1 (seed 1); loss 50% & more, model.width 0.5
% plain: c0 (seed 0), c1 (seed 1); loss -, model.width 0.5
% a0 is killed: scored at iteration 10 of 20
\begin{table}
  \centering\small\setlength{\tabcolsep}{2pt}
  \caption{Photographs: judged $n = 80$, validation $n = 40$. Means over 2 seeds (0, 1); below, $95\%$ intervals over seeds and photographs. Judge: lite0. Protocol: photos (01234567). Bold: best of its column; $^\dagger$: not distinguishable from it ($5\%$, Holm over all pairs of designs).}
  \begin{tabular}{@{}lrrrr@{}}
    \toprule
    design & iter (\%) $\uparrow$ & PSNR $\uparrow$ & CF & time (s) \\
    \midrule
    loss=cross\_entropy, width=0.25 & \textbf{85.0} & 22.50\rlap{$^\dagger$} & 9.5 & 12 \\
     & {\scriptsize [75.0, 91.3]} & {\scriptsize [21.25, 23.75]} & {\scriptsize [$-$1.0, 20.0]} &  \\
    \addlinespace[2pt]
    50\% \& more & 50.0 & \textbf{23.12} & 120.2 & 14 \\
     & {\scriptsize [40.0, 60.0]} & {\scriptsize [22.00, 24.25]} & {\scriptsize [100.0, 130.0]} &  \\
    \addlinespace[2pt]
    plain & -- & -- & -- & -- \\
    \bottomrule
  \end{tabular}
\end{table}
"""  # noqa: E501


def test_a_small_table_letter_by_letter():
    assert latex(small()) == EXPECTED.strip()


def test_what_no_design_changes_stands_in_the_caption():
    original = Cell(0.95, 0.875, 0.98, 80, 2)
    cells = [{"orig_accuracy": original, "iter_accuracy": Cell(x, x, x, 80, 2)} for x in (0.5, 0.6)]
    fields = {"designs": [design("a", 0, 1), design("b", 0, 1)], "seconds": [None, None], "differences": {}}
    fields |= {"names": ["a", "b"]}
    fields |= {"cells": cells, "measures": [KNOWN["iter_accuracy"], KNOWN["orig_accuracy"]]}
    table = latex(small(**fields))
    assert r"Originals recognised: 95.0\% [87.5, 98.0]." in table
    assert r"    design & iter (\%) $\uparrow$ \\" in table.splitlines()
    cells[1]["orig_accuracy"] = Cell(0.9, 0.875, 0.98, 80, 2)
    table = latex(small(**fields))
    assert r"    design & iter (\%) $\uparrow$ & orig (\%) \\" in table.splitlines()


def test_seeds_are_told_where_designs_differ_in_them():
    text = latex(small(designs=[design("a", 0, 1), design("b", 0), design("c", 3)]))
    assert "design & seeds & iter" in text
    assert "width=0.25 & 2 &" in text
    assert r"of one seed over photographs alone." in text
    alone = latex(small(designs=[design(name, 7) for name in "abc"]))
    assert r"One run each (seed 7); below, $95\%$ intervals over photographs alone." in alone
    apart = latex(small(designs=[design("a", 0), design("b", 1), design("c", 2)], differences={}))
    assert "One run each (seeds of their own)" in apart
    assert "    design & iter" in apart
    other = latex(small(designs=[design("a", 0, 1), design("b", 2, 3), design("c", 4, 5)]))
    assert "Means over 2 seeds; below" in other


def test_what_latex_would_read_as_its_own_is_escaped():
    text = '\\ ~ ^ < > | " [ * { } $ & # _ % \n\t é 日 \x07 ]'
    assert escaped(text) == (
        r"\textbackslash{} \textasciitilde{} \textasciicircum{} \textless{} \textgreater{} \textbar{} '' {[} {*} "
        r"\{ \} \$ \& \# \_ \%    é ? ? ]"
    )
    hostile = ["[2pt]", "*", "x\n\\input{/etc/passwd}"]
    table = latex(small(names=hostile, differences={"a_b%": hostile}, notes=["two\nlines \\write18"]))
    rows = table[table.index(r"\midrule") :].splitlines()
    assert not any(re.match(r"\s*[\[*]", row) for row in rows), "after \\\\ these would be options"
    assert r"\textbackslash{}input\{/etc/passwd\}" in table
    comments = [line for line in table.splitlines() if "write18" in line]
    assert comments == ["% two lines \\write18"]


def test_compare_prints_it(tmp_path, cli):
    make_designs(tmp_path, {"hard_cross_entropy": 0.0, "focal": 0.03, "l_1": 0.031}, (0, 1, 2))
    arguments = ["compare", "--experiment", "e", "--latex", f"outputs={tmp_path}"]
    text = cli(*arguments).out
    assert text.startswith("% \\usepackage{booktabs} is needed\n% hard_cross_entropy: ")
    assert text.endswith("\\end{table}\n")
    assert "Means over 3 seeds (0, 1, 2)" in text
    assert len(re.findall(r"\\textbf\{", text)) == 5, "iter, gap closed, AuC, rebalanced AuC, PSNR"
    columns = {line.count("&") for line in text.splitlines() if line.rstrip().endswith(r"\\")}
    assert len(columns) == 1, "as many cells in every row"
    cli(*arguments, "--json", code=2)
    # Tables apart are told apart by comments.
    make_run(tmp_path, "other", {"evaluation.size": 64})
    text = cli(*arguments, "--anyway").out
    assert text.count("\\begin{table}") == 2
    assert "% 2 of 2: not to be compared with the others" in text
    assert not [line for line in text.splitlines() if line.startswith("#")]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(tmp_path):
    hostile = ["[2pt] é", "*", '\\x{~^<>|"日']
    tables = [latex(small()), *(latex(small(names=names)) for names in (["#1", "a&b", "$x_1$"], hostile))]
    document = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", *tables, r"\end{document}"]
    (tmp_path / "t.tex").write_text("\n".join(document))
    # Without drawing: not every installation has every font.
    command = ["pdflatex", "-draftmode", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "! " not in (tmp_path / "t.log").read_text(errors="replace")


def test_decimals_are_those_of_the_largest_figure_of_a_column():
    cells = [{"psnr": Cell(value, np.nan, np.nan, 40, 1)} for value in (1.9996, 1.5, 0.25)]
    table = latex(small(cells=cells, measures=[KNOWN["psnr"]]))
    assert re.findall(r"& ([\d.]+)(?= & \d\d| & --)", table) == ["2.000", "1.500", "0.250"]
