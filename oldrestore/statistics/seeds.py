"""Figures of a design over seeds and photographs at once, and the intervals of shares.

Every seed of a design is scored on the same photographs, so seeds and photographs are crossed: a hard photograph is
hard for every seed. A bootstrap that draws new photographs within each seed takes them for different ones and comes
out too narrow, and one that draws among three seeds cannot know how far the fourth may lie. The intervals here
estimate both variances, and take Student's t as far out as so few seeds demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest
from scipy.stats import t as student

from oldrestore.statistics.paired import LEVEL, POWER, PairedDifference, effect_of, share_larger
from oldrestore.statistics.scored import Scored


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; `low` and `high` are NaN where none can be given."""

    value: float
    low: float
    high: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a proportion, 0..1, from `successes` out of `n`, Wilson's score method.

    It holds its confidence for small n and near 0 and 1, where the usual normal interval does not.

    References
    ----------
    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    bounds = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(bounds.low), float(bounds.high)


def score_interval(share: float, half: float) -> tuple[float, float]:
    """Interval of a share (above 0, below 1) from the half width that it would have by its estimated variance.

    It holds the shares whose own variance, in place of the estimated one, would reach as far as to `share`: what
    Wilson's interval is, for a variance and tails of any kind. It ends within 0..1 and leans to the middle.
    """
    # The bounds are where (share - truth)^2 is `ratio` times truth (1 - truth).
    ratio = half * half / (share * (1 - share))
    centre = (share + ratio / 2) / (1 + ratio)
    reach = sqrt(ratio * share * (1 - share) + ratio * ratio / 4) / (1 + ratio)
    return centre - reach, centre + reach


def seeds_and_images(seeds: Sequence[Scored], confidence: float = 0.95) -> Estimate:
    """Mean of a figure over at least two seeds, for other seeds and other photographs of the same kind.

    Two-way random effects: with mean squares of seeds, of photographs and of the rest, the variance of the mean is
    (seeds + photographs - rest) / (S n), never less than what either gives alone. Its tails are those of Student's t
    with S - 1 and with n - 1 degrees of freedom, mixed by what seeds and photographs have in that variance: one t with
    Satterthwaite's degrees of freedom promises too much where two or three seeds are most of it. (Cochran mixes the
    quantiles in the same way.) Seeds are of the same photographs in the same order.

    References
    ----------
    W. G. Cochran (1964), Approximate significance levels of the Behrens-Fisher test. Biometrics 20.
    A. B. Owen (2007), The pigeonhole bootstrap. Annals of Applied Statistics 1 (crossed effects under resampling).
    """
    x = _crossed(seeds)
    parts = _MeanSquares(x)
    spread = _Spread(parts.of_seeds, len(x) - 1, parts.of_images, x.shape[1] - 1, parts.of_rest)
    value = float(np.mean([seed.value for seed in seeds]))
    half = spread.half(confidence)
    return Estimate(value, value - half, value + half)


def share_over_seeds(seeds: Sequence[Scored], confidence: float = 0.95) -> Estimate:
    """Mean over at least two seeds of a share of right answers: an interval that ends within 0..1.

    Wilson's score interval with the variance and the tails of `seeds_and_images`: as many photographs as a plain share
    of that variance would take, and as many deviations as those tails are wide. Where all seeds are right on the same
    photographs, as on originals, they are one measurement, and the interval is Wilson's own; so it is where every
    answer is right, which leaves no variance to be seen. Answers are 0 and 1, on the same photographs in the same
    order.
    """
    x = _crossed(seeds)
    n, value = x.shape[1], float(x.mean())
    if (x == x[0]).all():
        return Estimate(value, *wilson_interval(round(float(x[0].sum())), n, confidence))
    whole = seeds_and_images(seeds, confidence)
    half = (whole.high - whole.low) / 2
    if half == 0:  # each seed right as often, each photograph as often: no variance is seen
        return Estimate(value, *wilson_interval(round(value * n), n, confidence))
    return Estimate(value, *score_interval(value, half))


def mean_singles(seeds: Sequence[Scored]) -> np.ndarray:
    """Mean over seeds of each photograph's own value, float64 (n,)."""
    return np.mean([one.singles for one in seeds], axis=0)


def compare_designs(one: Sequence[Scored], other: Sequence[Scored], confidence: float = 0.95) -> PairedDifference:
    """Compare two designs of at least two seeds each on the same photographs.

    Photographs are paired; seeds are not, for equal numbers make two designs no more alike. The p-value has the
    variance and the tails of the interval; seeds of the two designs may scatter differently, as in Welch's test.
    """
    ours, theirs = _crossed(one), _crossed(other)
    apart = ours.mean(axis=0) - theirs.mean(axis=0)
    difference = float(np.mean([a.value for a in one]) - np.mean([b.value for b in other]))
    spread = _Scatter(ours, theirs).spread()
    half, p = spread.half(confidence), spread.p_value(difference)
    effect = effect_of(apart)
    wins = share_larger(mean_singles(one) - mean_singles(other))
    seeds = (len(ours), len(theirs))
    interval = difference - half, difference + half
    return PairedDifference(difference, *interval, p, effect, wins, len(apart), seeds, spread.detectable())


def detectable_with(one: Sequence[Scored], other: Sequence[Scored], photographs: int, seeds: int) -> float:
    """Smallest difference that so many photographs and seeds of each design would show (80% power, 5%, two-sided).

    How seeds, photographs and the rest scatter is taken from `one` and `other`, at least two seeds each on the same
    photographs.
    """
    return _Scatter(_crossed(one), _crossed(other)).spread(photographs, seeds).detectable()


class _Scatter:
    """How the difference of two designs scatters, by what seeds, photographs and the rest have in it."""

    def __init__(self, ours_sn: np.ndarray, theirs_sn: np.ndarray) -> None:
        self.n, self.counts = ours_sn.shape[1], (len(ours_sn), len(theirs_sn))
        self.sides = _MeanSquares(ours_sn), _MeanSquares(theirs_sn)
        self.of_images = float((ours_sn.mean(axis=0) - theirs_sn.mean(axis=0)).var(ddof=1)) / self.n

    def spread(self, photographs: int | None = None, seeds: int | None = None) -> _Spread:
        """Of the comparison itself, or of one with other numbers of photographs and of seeds of each design."""
        of_seeds = [side.of_seeds for side in self.sides]
        of_rest, of_images, n, counts = [side.of_rest for side in self.sides], self.of_images, self.n, self.counts
        if photographs is not None and seeds is not None:
            more = photographs / n
            # What seeds and photographs have without the rest that their mean squares hold too.
            alone = [max(mean - rest, 0.0) for mean, rest in zip(of_seeds, of_rest, strict=True)]
            of_images = max(of_images - sum(of_rest), 0.0) / more
            scaled = [count / seeds for count in counts]
            of_rest = [rest * scale / more for rest, scale in zip(of_rest, scaled, strict=True)]
            of_seeds = [a * scale + rest for a, scale, rest in zip(alone, scaled, of_rest, strict=True)]
            of_images += sum(of_rest)
            n, counts = photographs, (seeds, seeds)
        freedoms = [count - 1 for count in counts]
        uncertain = sum(mean**2 / freedom for mean, freedom in zip(of_seeds, freedoms, strict=True))
        freedom = sum(of_seeds) ** 2 / uncertain if uncertain > 0 else sum(freedoms)
        return _Spread(sum(of_seeds), freedom, of_images, n - 1, sum(of_rest))


class _MeanSquares:
    """Mean squares of a table seeds x photographs, over S n: what each would be of the mean's variance."""

    def __init__(self, x_sn: np.ndarray) -> None:
        s, n = x_sn.shape
        seeds, images = x_sn.mean(axis=1), x_sn.mean(axis=0)
        rest = x_sn - seeds[:, None] - images + x_sn.mean()
        self.of_seeds = float(seeds.var(ddof=1)) / s
        self.of_images = float(images.var(ddof=1)) / n
        self.of_rest = float((rest**2).sum()) / ((s - 1) * (n - 1)) / (s * n)


class _Spread:
    """How a mean scatters around its truth: variance, and the tails that two uncertain parts of it give."""

    def __init__(
        self, of_seeds: float, seed_freedom: float, of_images: float, image_freedom: float, of_rest: float
    ) -> None:
        self.deviation = float(np.sqrt(max(of_seeds + of_images - of_rest, of_seeds, of_images)))
        # What is left of the seeds' mean square without the rest that it holds too.
        weights = max(of_seeds - of_rest, 0.0), of_images
        whole = sum(weights)
        self.parts = [
            (weight / whole if whole > 0 else 0.5, freedom)
            for weight, freedom in zip(weights, (seed_freedom, image_freedom), strict=True)
        ]

    def tail(self, t: float) -> float:
        """Chance beyond `t` deviations on one side."""
        return float(sum(weight * student.sf(t, freedom) for weight, freedom in self.parts if weight > 0))

    def half(self, confidence: float) -> float:
        """Half of the interval's width."""
        return self.reach((1 - confidence) / 2)

    def detectable(self) -> float:
        """Smallest difference that is found (5%, two-sided) in 80% of repetitions."""
        return self.reach(LEVEL / 2) + self.reach(1 - POWER)

    def reach(self, chance: float) -> float:
        """Distance beyond which the mean lies with this chance on one side."""
        if not self.deviation > 0:
            return self.deviation  # 0, or NaN
        ends = [float(student.isf(chance, freedom)) for weight, freedom in self.parts if weight > 0]
        # A little wider than where it must lie, whichever way the tails round.
        return self.deviation * brentq(lambda t: self.tail(t) - chance, 0.999 * min(ends), 1.001 * max(ends))

    def p_value(self, difference: float) -> float:
        """Two-sided."""
        if self.deviation == 0:
            return 1.0 if difference == 0 else 0.0
        return 2 * self.tail(abs(difference) / self.deviation)


def _crossed(seeds: Sequence[Scored]) -> np.ndarray:
    if len(seeds) < 2 or len({one.n for one in seeds}) != 1 or seeds[0].n < 2:
        raise ValueError("an interval over seeds takes at least two seeds on the same photographs, two or more")
    return np.stack([one.contributions for one in seeds])
