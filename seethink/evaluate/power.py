"""Power of a paired test: how many questions would show a difference, and what difference so many can
show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
POWER = 0.8
"""What studies aim at: four of five true differences are found."""
MOST = 100_000_000
"""Questions; more than these are not asked for."""


@dataclass(frozen=True)
class PairedDesign:
    """Two models asked the same questions.

    differing: the share of questions that exactly one of them answers right, for 0/1 scores. sd: the
    standard deviation of the differences, for graded ones. Exactly one of the two is given. deff: the
    design effect of questions that share pictures: n questions tell as much as n / deff about as many
    pictures. alpha: the p value below which a difference counts.
    """

    differing: float | None = None
    sd: float | None = None
    deff: float = 1.0
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        if (self.differing is None) == (self.sd is None):
            raise ValueError("give either differing, for 0/1 scores, or sd, for graded ones")
        if self.differing is not None and not 0 <= self.differing <= 1:
            raise ValueError(f"differing={self.differing}: it is a share, between 0 and 1")

    def power(self, n: float, difference: float) -> float:
        """The chance that the test of n questions finds a true difference of this size, by exact
        probabilities for McNemar's mid-p test, and by the noncentral t distribution for graded scores.

        A difference needs that many questions that differ: where `differing` is less, it is the difference.
        """
        size, difference = int(n / max(1.0, self.deff)), abs(difference)
        if size < 2:
            return 0.0
        if self.differing is None:
            return _power_of_t(size, difference, float(self.sd or 0.0), self.alpha)
        return _power_of_mcnemar(size, difference, max(self.differing, difference), self.alpha)

    def questions_needed(self, difference: float, power: float = POWER) -> int | None:
        """The questions with which a difference of this size is found with chance `power`; None for no
        difference, or if they would be more than `MOST`."""
        if not difference:
            return None
        return _first(lambda n: self.power(n, difference) >= power)

    def least_difference(self, n: int, power: float = POWER) -> float | None:
        """The smallest difference that n questions find with chance `power`, to a thousandth; None if not
        even the largest is."""
        low, high = 0, 1_000  # thousandths
        if self.power(n, 1.0) < power:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(n, middle / 1_000) >= power else (middle, high)
        return high / 1_000


def _power_of_mcnemar(n: int, difference: float, differing: float, alpha: float) -> float:
    """Sum over the numbers of questions that differ, and over the splits of each that the test rejects."""
    from scipy.stats import binom

    if not differing:
        return 0.0
    spread = 8 * math.sqrt(n * differing * (1 - differing)) + 8
    m = np.arange(max(0, int(n * differing - spread)), min(n, int(n * differing + spread)) + 1)
    share = (1 + difference / differing) / 2
    edge = binom.ppf(alpha / 2, m, 0.5)
    inside = 2 * (binom.cdf(edge, m, 0.5) - binom.pmf(edge, m, 0.5) / 2) > alpha
    edge = edge - inside  # the most heads on the rarer side that are rejected, -1 for none
    rejected = binom.cdf(edge, m, share) + binom.sf(m - edge - 1, m, share)
    return float(np.sum(binom.pmf(m, n, differing) * rejected))


def _power_of_t(n: int, difference: float, sd: float, alpha: float) -> float:
    """The mean, over what the n differences may show as their standard deviation, of the chance that their
    mean is then beyond the edge. scipy's noncentral t distribution says the same, but NaN in places."""
    from scipy.special import ndtr
    from scipy.stats import chi2, t

    if not sd:
        return float(difference > 0)
    quantiles, weights = np.polynomial.legendre.leggauss(64)
    shown = np.sqrt(chi2.ppf((1 + quantiles) / 2, n - 1) / (n - 1))
    edge, centre = t.ppf(1 - alpha / 2, n - 1) * shown, difference * math.sqrt(n) / sd
    return float(weights / 2 @ (ndtr(centre - edge) + ndtr(-centre - edge)))


def _first(holds: Callable[[int], bool]) -> int | None:
    """The first whole number that holds, of those that hold from some number on."""
    high = 2
    while not holds(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
