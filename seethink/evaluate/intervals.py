"""95 % intervals of a mean: Wilson's, Student's t and the bootstrap's, each for questions that share a
picture.

Questions about one picture are one cluster: their scores rise and fall together, so that they tell less
than as many questions about as many pictures. `clusters` names the cluster of every value; None: each is
its own.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 10_000

Clusters = Sequence[Hashable] | NDArray[np.intp] | None
Interval = dict[str, float | None]
"""{"value": mean, "low", "high"}, all None where there are no values."""


class MeanError(NamedTuple):
    """A mean and its standard error. n: values. n_clusters: clusters among them. deff: by what factor the
    clusters widen the variance of the mean (the design effect); 1 without clusters."""

    mean: float
    error: float
    n: int
    n_clusters: int
    deff: float


def interval(values: Sequence[float], clusters: Clusters = None) -> Interval:
    """Mean and 95 % interval, clipped to [0, 1]: Wilson's (1927) for 0/1 values, Student's t for graded ones.

    With clusters the standard error is the cluster-robust one (CR1; Liang and Zeger 1986), with a degree of
    freedom less than there are clusters, and Wilson's interval is that of as many independent values as have
    this error (n / design effect; Korn and Graubard 1998). Where values do not vary, nothing tells the error:
    0/1 values count once a cluster, graded ones are between 0 and 1.
    """
    if not len(values):
        return {"value": None, "low": None, "high": None}
    found = mean_error(values, clusters)
    quantile = _quantile(found.n_clusters - 1) if found.n_clusters < found.n else _normal()
    if {*values} <= {0.0, 1.0}:
        alike = found.error == 0 or not math.isfinite(found.error)
        size = found.n_clusters if alike else found.n / found.deff
        low, high = wilson(found.mean, size, quantile if found.n_clusters > 1 else _normal())
    elif found.error == 0 or not math.isfinite(found.error):
        low, high = 0.0, 1.0
    else:
        reach = _quantile(found.n_clusters - 1) * found.error
        low, high = max(0.0, found.mean - reach), min(1.0, found.mean + reach)
    return {"value": sum(values) / len(values), "low": low, "high": high}


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n values; n need not be whole."""
    z2 = quantile**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = quantile / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def mean_error(values: Sequence[float] | NDArray[np.float64], clusters: Clusters = None) -> MeanError:
    """The mean with its cluster-robust standard error; NaN for a single cluster."""
    x = np.asarray(values, dtype=float)
    sums, _ = cluster_sums(x - x.mean(), clusters)
    n, n_clusters = len(x), len(sums)
    if n_clusters < 2:
        return MeanError(float(x.mean()), math.nan, n, n_clusters, 1.0)
    variance = n_clusters / (n_clusters - 1) * float(np.sum(sums**2)) / n**2
    alone = float(x.var()) / (n - 1)
    deff = variance / alone if alone > 0 else 1.0
    return MeanError(float(x.mean()), math.sqrt(variance), n, n_clusters, deff if n_clusters < n else 1.0)


def cluster_codes(clusters: Clusters, n: int) -> NDArray[np.intp]:
    """The number of each value's cluster, in the order of their first values; arrays are such numbers
    already. Raises ValueError unless there are n."""
    if clusters is None:
        return np.arange(n)
    numbers: dict[Hashable, int] = {}
    codes = (
        clusters
        if isinstance(clusters, np.ndarray)
        else np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.intp)
    )
    if len(codes) != n:
        raise ValueError(f"{n} values, but {len(codes)} names of clusters")
    return codes


def cluster_sums(
    values: NDArray[np.float64], clusters: Clusters
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sum of the values, number of values) of each cluster, in the order of their first value."""
    codes = cluster_codes(clusters, len(values))
    return np.bincount(codes, values).astype(float), np.bincount(codes).astype(float)


def bootstrap_means(
    values: Sequence[float] | NDArray[np.float64],
    clusters: Clusters = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The means of `resamples` samples of whole clusters, drawn with replacement; the same for the same
    seed."""
    sums, sizes = cluster_sums(np.asarray(values, dtype=float), clusters)
    rng, n = np.random.default_rng(seed), len(sums)
    kinds, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    if kinds.shape[1] < n / 4:  # clusters of one kind are drawn together: 0/1 scores have few kinds
        totals = rng.multinomial(n, counts / n, resamples) @ kinds.T
        return totals[:, 0] / totals[:, 1]
    means = []
    for start in range(0, resamples, step := max(1, 2_000_000 // n)):
        chosen = rng.integers(0, n, (min(step, resamples - start), n))
        means.append(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))
    return np.concatenate(means)


def bootstrap(
    values: Sequence[float] | NDArray[np.float64],
    clusters: Clusters = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean and 95 % interval by the percentile bootstrap over clusters.

    The percentiles are those that make the interval as wide as Student's t for values that are normal
    (expanded percentile interval; Hesterberg 2015), since the plain ones are too narrow for few clusters.
    """
    from scipy.special import ndtr

    if not len(values):
        return {"value": None, "low": None, "high": None}
    n = len(cluster_sums(np.asarray(values, dtype=float), clusters)[0])
    mean = float(np.mean(values))
    if n < 2:
        return {"value": mean, "low": 0.0, "high": 1.0}
    tail = float(ndtr(-math.sqrt(n / (n - 1)) * _quantile(n - 1)))
    low, high = np.quantile(bootstrap_means(values, clusters, resamples, seed), [tail, 1 - tail])
    return {"value": mean, "low": float(low), "high": float(high)}


def difference_interval(
    differences: Sequence[float] | NDArray[np.float64], clusters: Clusters = None
) -> tuple[float, float]:
    """95 % interval of the mean of paired differences, clipped to [-1, 1]: Student's t, cluster-robust.

    Differences of 0/1 scores are -1, 0 or 1; to them a question is added that each arm alone answered right
    (Bonett and Price 2012), without which an interval of few questions is too narrow, and has no width at all
    where no question differs.
    """
    if not len(differences):
        raise ValueError("an interval of no differences")
    x, codes = np.asarray(differences, dtype=float), cluster_codes(clusters, len(differences))
    if np.isin(x, (-1.0, 0.0, 1.0)).all():
        x = np.append(x, [-1.0, 1.0])
        codes = np.append(codes, codes.max() + np.array([1, 2]))
    found = mean_error(x, codes)
    if found.error == 0 or not math.isfinite(found.error):
        return -1.0, 1.0
    quantile = _quantile(found.n_clusters - 1)
    return max(-1.0, found.mean - quantile * found.error), min(1.0, found.mean + quantile * found.error)


def gap_interval(first: Interval, second: Interval) -> Interval:
    """`second` less `first`, the results of independent questions, with its 95 % interval from theirs
    (square-and-add, Newcombe 1998; Zou and Donner 2008)."""
    a, b = first["value"], second["value"]
    if a is None or b is None:
        return {"value": None, "low": None, "high": None}
    low = math.hypot(b - float(second["low"] or 0), float(first["high"] or 0) - a)
    high = math.hypot(float(second["high"] or 0) - b, a - float(first["low"] or 0))
    return {"value": b - a, "low": b - a - low, "high": b - a + high}


def _normal() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + CONFIDENCE) / 2))


def _quantile(freedom: float) -> float:
    """Of Student's t, for a two-sided interval."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
