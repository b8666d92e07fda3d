"""Paired tests: whether two models that answered the same questions differ by more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seethink.evaluate.intervals import (
    RESAMPLES,
    Clusters,
    bootstrap,
    bootstrap_means,
    cluster_codes,
    cluster_sums,
    difference_interval,
    mean_error,
)


def paired(pairs: Iterable[tuple[float | None, float | None]], clusters: Clusters = None) -> dict[str, Any]:
    """Mean difference b - a over the questions on which both have a score, its 95 % interval and two-sided
    p value.

    Keys: difference, low, high, p, only_a and only_b (questions on which one did better), n, graded
    (whether any score is other than 0 and 1), clusters (how many), deff (design effect of the differences).
    clusters: the cluster of each pair. All but the counts are None where there is nothing to test.

    0/1 scores: `sign_flip` of the clusters' sums, which is McNemar's mid-p test where each question is its
    own cluster. Graded scores: the paired t test, with the cluster-robust error; where all differences are
    equal, which leaves it no variance, the sign test.
    """
    scores = np.array(list(pairs), dtype=float).reshape(-1, 2)  # None becomes NaN
    known = ~np.isnan(scores).any(axis=1)
    x, y = scores[known].T
    _, own = np.unique(cluster_codes(clusters, len(scores))[known], return_inverse=True)
    differences = y - x
    binary = bool(np.isin(scores[known], (0.0, 1.0)).all())
    counts = {"only_a": int(np.sum(x > y)), "only_b": int(np.sum(y > x)), "n": len(x), "graded": not binary}
    if not len(x):
        empty = dict.fromkeys(("difference", "low", "high", "p"))
        return {**empty, **counts, "clusters": 0, "deff": 1.0}
    found = mean_error(differences, own)
    low, high = difference_interval(differences, own)
    return {
        "difference": found.mean,
        "low": low,
        "high": high,
        "p": _p_value(differences, own, binary),
        **counts,
        "clusters": found.n_clusters,
        "deff": found.deff,
    }


def _p_value(differences: NDArray[np.float64], clusters: NDArray[np.intp], binary: bool) -> float | None:
    from scipy.special import stdtr

    constant = len(differences) > 1 and np.ptp(differences) == 0
    if binary or constant:
        return sign_flip(cluster_sums(np.sign(differences), clusters)[0])
    found = mean_error(differences, clusters)
    if found.n_clusters < 2:
        return None
    if found.error == 0:
        return sign_flip(np.sign(cluster_sums(differences, clusters)[0]))
    return 2 * float(stdtr(found.n_clusters - 1, -abs(found.mean / found.error)))


def sign_flip(sums: Sequence[float] | NDArray[np.float64]) -> float:
    """Two-sided mid-p value of the sum of whole numbers, each of whose signs would be + or - by a coin's
    throw.

    If neither model is better, their answers to the questions of a cluster can be exchanged, which turns
    the sign of the cluster's sum. With sums of -1, 0 and 1 this is McNemar's test. Half of the probability
    of the observed sum is left out (mid-p; Lancaster 1961): the exact test rejects true null hypotheses far
    less often than it says, the mid-p test about as often (Fagerland, Lydersen and Laake 2013).
    """
    whole = np.rint(np.asarray(sums, dtype=float)).astype(int)
    observed, sizes = abs(int(whole.sum())), np.abs(whole[whole != 0])
    if not len(sizes) or not observed:
        return 1.0
    pmf = np.ones(1)  # of the number of + signs, each counted as often as its sum
    for size, many in zip(*np.unique(sizes, return_counts=True), strict=True):
        pmf = np.convolve(pmf, _binomial(int(many), int(size)))
    at = (int(sizes.sum()) + observed) // 2
    return float(min(1.0, 2 * (pmf[at + 1 :].sum() + pmf[at] / 2)))


def _binomial(n: int, step: int) -> NDArray[np.float64]:
    """Probabilities of 0 to n heads, at multiples of `step`."""
    from scipy.stats import binom

    spread = np.zeros(n * step + 1)
    spread[::step] = binom.pmf(np.arange(n + 1), n, 0.5)
    return spread


def paired_bootstrap(
    pairs: Iterable[tuple[float | None, float | None]],
    clusters: Clusters = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float | None]:
    """{"value": mean difference b - a, "low", "high", "p"} by resampling whole clusters of questions.

    p: how often the resampled difference, moved to a mean of 0, is as large as the observed one (Hall and
    Wilson 1991); at least 1 / (resamples + 1).
    """
    scores = np.array(list(pairs), dtype=float).reshape(-1, 2)
    known = ~np.isnan(scores).any(axis=1)
    if not known.any():
        return {"value": None, "low": None, "high": None, "p": None}
    _, own = np.unique(cluster_codes(clusters, len(scores))[known], return_inverse=True)
    differences = scores[known, 1] - scores[known, 0]
    found = bootstrap(differences, own, resamples, seed)
    if own.max() == 0:
        return {**found, "low": -1.0, "high": 1.0, "p": None}
    means = bootstrap_means(differences, own, resamples, seed)
    observed = float(np.mean(differences))
    extreme = int(np.sum(np.abs(means - observed) >= abs(observed) - 1e-12))
    return {**found, "p": (1 + extreme) / (1 + resamples)}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number by Holm's method (1979), in the same order; None stays None."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        corrected[i] = least
    return corrected
