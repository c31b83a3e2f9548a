"""Prints the table of what can be shown in docs/judges.md: smallest detectable differences of pairs of designs, means.

python docs/measure_power.py outputs/four_losses/*/evaluations/2*
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from oldrestore.comparison.designs import designs_of
from oldrestore.comparison.measures import chosen_measures, table_of
from oldrestore.comparison.rendering import number
from oldrestore.comparison.sameness import comparable_groups
from oldrestore.records.run import Run
from oldrestore.statistics import compare_designs, smallest_detectable

FIGURES = ("iter_accuracy", "judged/iter_probability", "agreement/kl")
OF_SQUEEZENET = ("squeezenet/iter_accuracy", "squeezenet/iter_probability", "squeezenet_agreement/kl")


def main(folders: list[str]) -> None:
    """Print a line for each set of photographs and figure: of one run each, and of all seeds of each design."""
    for group in comparable_groups([Run(Path(folder)) for folder in folders]):
        designs = designs_of(group, by_run=False)
        for measure in chosen_measures([table_of(run) for run in group], [*FIGURES, *OF_SQUEEZENET]):
            scored = [[measure.of(table_of(run)) for run in design.runs] for design in designs]
            pairs = list(itertools.combinations(scored, 2))
            of_runs = [
                smallest_detectable(a.contributions - b.contributions)
                for one, other in pairs
                for a, b in zip(one, other, strict=True)
            ]
            of_designs = [compare_designs(one, other).detectable for one, other in pairs]
            means = (number(float(np.mean(each)), measure) for each in (of_runs, of_designs))
            print(scored[0][0].n, measure.name, *means)


if __name__ == "__main__":
    main([folder for folder in sys.argv[1:] if not Run(Path(folder)).scores.empty])
