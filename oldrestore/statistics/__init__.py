"""How sure a number is: intervals over photographs and over seeds, paired tests, many comparisons at once."""

from oldrestore.statistics.bootstrap import bca_interval, bootstrap_interval, resampled_values
from oldrestore.statistics.paired import (
    PairedDifference,
    compare_pairs,
    compare_with,
    holm,
    sign_flip,
    smallest_detectable,
)
from oldrestore.statistics.power import Needed, needed
from oldrestore.statistics.scored import Scored, floor_gap_share, gap_share, weighted_mean
from oldrestore.statistics.seeds import (
    Estimate,
    compare_designs,
    detectable_with,
    mean_singles,
    score_interval,
    seeds_and_images,
    share_over_seeds,
    wilson_interval,
)

__all__ = [
    "Estimate",
    "Needed",
    "PairedDifference",
    "Scored",
    "bca_interval",
    "bootstrap_interval",
    "compare_designs",
    "compare_pairs",
    "compare_with",
    "detectable_with",
    "floor_gap_share",
    "gap_share",
    "holm",
    "mean_singles",
    "needed",
    "resampled_values",
    "score_interval",
    "seeds_and_images",
    "share_over_seeds",
    "sign_flip",
    "smallest_detectable",
    "weighted_mean",
    "wilson_interval",
]
