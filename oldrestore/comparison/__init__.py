"""Comparisons of runs: scores, intervals, differing settings, and whether the runs are comparable."""
