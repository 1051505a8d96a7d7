"""Clusters: means, rates and flips of items that were sampled together, not each on its own.

`cluster` holds an integer code from 0 for each of n items; K is the number of clusters that occur.
Items of one cluster resemble each other, so that n of them tell less than n independent ones; how much
less is estimated from the spread between clusters, on K - 1 degrees of freedom. With fewer than two
clusters there is no spread to estimate, and standard errors and intervals are nan.

References: Miller 2024, Adding Error Bars to Evals; Korn & Graubard 1998; Obuchowski 1998;
Durkalski et al. 2003; Yang et al. 2010.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtri, stdtr, stdtrit

from regress.statistics.rates import Floats, clopper_pearson, lower_bound, upper_bound

# ── means ────────────────────────────────────────────────────────────────────────────────────────


def cluster_sums(values: ArrayLike, cluster: ArrayLike) -> Floats:
    """Sum of [n] values over each cluster: [K] float64 by code, 0 for a code that does not occur.

    >>> cluster_sums([1, 2, 3], [0, 1, 1]).tolist()
    [1.0, 5.0]
    """
    sums = np.bincount(_codes(cluster), weights=np.asarray(values, dtype=np.float64))
    return np.asarray(sums, dtype=np.float64)


def standard_error(values: ArrayLike, cluster: ArrayLike | None = None) -> float:
    """Standard error of the mean of [n] values, in their unit; for paired data of their differences.

    √(Σ (x - mean)² / (n - 1) / n), and with clusters (1/n) √(Σ_c (Σ_i (x_ic - mean))²). nan for fewer
    than two values, or clusters. The second has no correction for few clusters: `mean_interval` takes
    the quantile of t for that.

    Reference: Miller 2024.

    >>> round(standard_error([1, 0, 1, 0]), 6)
    0.288675
    >>> standard_error([1, 0, 1, 0], cluster=[0, 1, 0, 1])
    0.3535533905932738
    """
    x = np.asarray(values, dtype=np.float64)
    if cluster is None:
        return float(x.std(ddof=1)) / math.sqrt(x.size) if x.size > 1 else math.nan
    if _occurring(cluster) < 2:
        return math.nan
    return float(np.linalg.norm(cluster_sums(x - x.mean(), cluster))) / x.size


def mean_interval(
    values: ArrayLike, cluster: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Two-sided interval of the mean of [n] values: mean ± t `standard_error`, in their unit.

    t is Student's quantile on n - 1 degrees of freedom, with clusters on K - 1. nan for fewer than two
    values, or clusters; of zero width where all values (all cluster means) are equal, and worth nothing then.

    Reference: Miller 2024.

    >>> [round(bound, 4) for bound in mean_interval([3, 1, 2, 2, 4, 0])]
    [0.5159, 3.4841]
    """
    x = np.asarray(values, dtype=np.float64)
    units = x.size if cluster is None else _occurring(cluster)
    if x.size == 0 or units < 2:
        return math.nan, math.nan
    half = float(stdtrit(units - 1, (1 + confidence) / 2)) * standard_error(x, cluster)
    return float(x.mean()) - half, float(x.mean()) + half


def mean_differs(values: ArrayLike, cluster: ArrayLike | None = None) -> float:
    """Two-sided p-value against "the mean of [n] values is 0"; for paired data of their differences.

    mean / `standard_error` against Student's t on n - 1 degrees of freedom, with clusters on K - 1; but at
    least 2^(1-n), or 2^(1-K), which is what flipping signs finds where all agree: however equal the values
    are, few of them prove little. 1 where the mean is 0; nan for fewer than two values, or clusters.

    Reference: Miller 2024.

    >>> round(mean_differs([3, -1, 2, 2, 4, 0]), 4), mean_differs([2.0, 2.0, 2.0])
    (0.0798, 0.25)
    """
    x = np.asarray(values, dtype=np.float64)
    units = x.size if cluster is None else _occurring(cluster)
    if x.size == 0 or units < 2:
        return math.nan
    mean, error = float(x.mean()), standard_error(x, cluster)
    if not mean:
        return 1.0
    tail = 2 * float(stdtr(units - 1, -abs(mean) / error)) if error else 0.0
    return max(tail, 2.0 ** (1 - units))


# ── rates ────────────────────────────────────────────────────────────────────────────────────────


def effective_count(
    successes: ArrayLike, cluster: ArrayLike, quantile: float = 0.975, domain: ArrayLike | None = None
) -> tuple[float, float]:
    """Successes k* and items n* that, each sampled on its own, would tell as much about the rate as these.

    n* = p (1 - p) / SE² (z / t)², k* = p n*, with p the rate, SE as in `standard_error`, and z and t the
    normal and Student's (K - 1) quantiles of `quantile`: 0.975 for a two-sided 95 % interval, 0.95
    for a one-sided bound. n* ≤ n, and n* = K where p is 0 or 1, so that items without a success do not
    seem independent. nan for fewer than two clusters (unless p is 0 or 1), and (nan, nan) without items.

    Args:
        successes: [n] in [0, 1]: right or wrong, or the mean over repeats of the instance.
        cluster: [n] codes.
        quantile: Probability below the upper bound that is to be made.
        domain: [n] booleans: which items the rate is of, all by default. Clusters outside do not count.

    Reference: Korn & Graubard 1998.

    >>> effective_count([0, 0, 0, 0, 0, 0], cluster=[0, 0, 1, 1, 2, 2])
    (0.0, 3.0)
    """
    y, codes = np.asarray(successes, dtype=np.float64), _codes(cluster)
    if domain is not None:
        inside = np.asarray(domain, dtype=np.bool_)
        y, codes = y[inside], codes[inside]
    if not y.size:
        return math.nan, math.nan
    rate, clusters = float(y.mean()), _occurring(codes)
    if rate in (0.0, 1.0):
        return rate * clusters, float(clusters)
    if clusters < 2:
        return math.nan, math.nan
    shrinkage = float(ndtri(quantile) / stdtrit(clusters - 1, quantile)) ** 2
    variance = standard_error(y, codes) ** 2
    # clusters that are all alike have no spread, and would count as infinitely many items
    counted = min(rate * (1 - rate) * shrinkage / variance, y.size) if variance else float(y.size)
    return rate * counted, counted


def korn_graubard(
    successes: ArrayLike, cluster: ArrayLike, confidence: float = 0.95, domain: ArrayLike | None = None
) -> tuple[float, float]:
    """Two-sided interval of a rate of clustered items: Clopper-Pearson's of the effective counts.

    In [0, 1], never of zero width; nan where `effective_count` is.

    Reference: Korn & Graubard 1998.

    >>> [round(bound, 4) for bound in korn_graubard([1, 1, 0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3])]
    [0.0036, 0.9657]
    """
    return clopper_pearson(*effective_count(successes, cluster, (1 + confidence) / 2, domain), confidence)


def korn_graubard_lower(
    successes: ArrayLike, cluster: ArrayLike, confidence: float = 0.95, domain: ArrayLike | None = None
) -> float:
    """One-sided lower bound of a rate of clustered items, in [0, 1]; nan where `effective_count` is.

    Reference: Korn & Graubard 1998.

    >>> korn_graubard_lower([0, 0, 0, 0], [0, 0, 1, 1])
    0.0
    """
    return lower_bound(*effective_count(successes, cluster, confidence, domain), confidence)


def korn_graubard_upper(
    successes: ArrayLike, cluster: ArrayLike, confidence: float = 0.95, domain: ArrayLike | None = None
) -> float:
    """One-sided upper bound of a rate of clustered items, in [0, 1]; nan where `effective_count` is.

    Reference: Korn & Graubard 1998.

    >>> round(korn_graubard_upper([0, 0, 0, 0], [0, 0, 1, 1]), 4)  # 1 - √0.05
    0.7764
    """
    return upper_bound(*effective_count(successes, cluster, confidence, domain), confidence)


# ── flips: McNemar's test with clusters ──────────────────────────────────────────────────────────


def obuchowski(lost: ArrayLike, gained: ArrayLike) -> tuple[float, float]:
    """Statistic ((K - 1) / K) (Σ d_k)² / Σ d_k², d = b - c, from [K] counts of flips, and its p-value.

    Chi-squared with 1 degree of freedom. Where every d_k is 0 the statistic is nan and p is 1.

    Reference: Obuchowski 1998.

    >>> statistic, p = obuchowski([0, 1, 0, 2], [3, 2, 1, 0])
    >>> round(statistic, 4), round(p, 4)
    (0.45, 0.5023)
    """
    d = _differences(lost, gained)
    return _chi2((d.size - 1) * d.sum() ** 2, d.size * (d**2).sum())


def durkalski(lost: ArrayLike, gained: ArrayLike, sizes: ArrayLike) -> tuple[float, float]:
    """Statistic (Σ d_k / n_k)² / Σ (d_k / n_k)², d = b - c, from [K] counts and sizes, and its p-value.

    Every cluster counts the same, however large. Otherwise as `obuchowski`.

    Reference: Durkalski et al. 2003.

    >>> statistic, p = durkalski([0, 1, 0, 2], [3, 2, 1, 0], [5, 4, 2, 4])
    >>> round(statistic, 4), round(p, 4)
    (0.7832, 0.3762)
    """
    share = _differences(lost, gained) / np.asarray(sizes, dtype=np.float64)
    return _chi2(share.sum() ** 2, (share**2).sum())


def yang(lost: ArrayLike, gained: ArrayLike, sizes: ArrayLike) -> tuple[float, float]:
    """Statistic ((K - 1) / K) (Σ d_k)² / (½ Σ ((d_k - n_k p)² + d_k²)), p = Σ d_k / n, and its p-value.

    The spread around what was observed and around no difference at all, averaged. Otherwise as
    `obuchowski`; [K] counts and sizes.

    Reference: Yang et al. 2010.

    >>> statistic, p = yang([0, 1, 0, 2], [3, 2, 1, 0], [5, 4, 2, 4])
    >>> round(statistic, 4), round(p, 4)
    (0.4956, 0.4814)
    """
    d, size = _differences(lost, gained), np.asarray(sizes, dtype=np.float64)
    around = d - size * (d.sum() / size.sum())
    return _chi2((d.size - 1) * d.sum() ** 2, d.size * (around**2 + d**2).sum() / 2)


def _codes(cluster: ArrayLike) -> npt.NDArray[np.intp]:
    return np.asarray(cluster, dtype=np.intp)


def _occurring(cluster: ArrayLike) -> int:
    return int(np.count_nonzero(np.bincount(_codes(cluster))))


def _differences(lost: ArrayLike, gained: ArrayLike) -> Floats:
    return np.asarray(lost, dtype=np.float64) - np.asarray(gained, dtype=np.float64)


def _chi2(numerator: float, denominator: float) -> tuple[float, float]:
    """Their quotient and its p-value; nan and 1 where nothing differs."""
    if not denominator:
        return math.nan, 1.0
    return float(numerator / denominator), float(chdtrc(1, numerator / denominator))
