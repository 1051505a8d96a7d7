"""Several tests at once: adjusted p-values, and one answer for a suite of tasks.

`holm` and `benjamini_hochberg` adjust a family of m p-values; a nan in it is no test, stays nan and does
not count. `pooled`, `max_z` and `fisher` ask of a suite whether the new model is worse: `pooled` finds
a small loss on every task, `max_z` a large loss on one, `fisher` what lies between.

Reference: Kübler et al. 2026 for the three.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from regress.statistics.mcnemar import exact_worse
from regress.statistics.rates import Floats


def holm(p: ArrayLike) -> Floats:
    """Adjusted p-values [m] that control the probability of a single false rejection among all of them.

    With p sorted upwards, the largest so far of (m - i + 1) p_i, at most 1; whatever the dependence.

    Reference: Holm 1979.

    >>> holm([0.01, 0.04, float("nan"), 0.03]).round(12).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    return _adjusted(p, lambda ordered, rank: np.maximum.accumulate(ordered * (rank.size - rank + 1)))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p-values [m] that control the expected share of false ones among the rejections.

    With p sorted upwards, the smallest from there on of (m / i) p_i; for independent tests, or
    positively dependent ones.

    Reference: Benjamini & Hochberg 1995.

    >>> benjamini_hochberg([0.01, 0.04, float("nan"), 0.03]).round(12).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    return _adjusted(p, lambda ordered, rank: np.minimum.accumulate((ordered * rank.size / rank)[::-1])[::-1])


def fisher(p: ArrayLike) -> float:
    """One p-value from m independent ones: -2 Σ log p against chi-squared with 2m degrees of freedom.

    nan entries do not count; nan if none is left. For discrete tests, such as exact McNemar, it errs
    on the safe side.

    Reference: Fisher 1932.

    >>> round(fisher([0.05, 0.05]), 6)
    0.017479
    """
    values = np.asarray(p, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return math.nan
    with np.errstate(divide="ignore"):
        return float(chdtrc(2 * values.size, -2 * np.log(values).sum()))


def pooled(lost: ArrayLike, gained: ArrayLike) -> float:
    """One-sided exact McNemar p-value of the flips of all tasks together, from [m] counts.

    >>> round(pooled([12, 9], [5, 6]), 6)
    0.055092
    """
    return exact_worse(float(np.sum(lost)), float(np.sum(gained)))


def max_z(lost: ArrayLike, gained: ArrayLike, rng: np.random.Generator, resamples: int = 100_000) -> float:
    """p-value of the largest one-sided McNemar z of all tasks, from [m] counts of independent tasks.

    z = (b - c) / √(b + c), against `resamples` draws of every b from Bin(b + c, ½):
    (1 + draws at least as large) / (1 + resamples). Tasks without a flip do not count; 1 if none has any.

    Reference: Kübler et al. 2026.

    >>> max_z([12, 9], [2, 6], np.random.default_rng(0)) < 0.05
    True
    """
    b, flips = np.asarray(lost), np.asarray(lost) + np.asarray(gained)
    b, flips = b[flips > 0], flips[flips > 0]
    if not flips.size:
        return 1.0
    largest = np.full(resamples, -np.inf)
    for m in flips.tolist():  # task by task: memory for one
        drawn = rng.binomial(int(m), 0.5, size=resamples)
        np.maximum(largest, (2 * drawn - m) / math.sqrt(m), out=largest)
    # the same z from other counts may differ in its last digit, and is a tie
    observed = float(((2 * b - flips) / np.sqrt(flips)).max()) - 1e-12
    return (1 + int(np.count_nonzero(largest >= observed))) / (1 + resamples)


def _adjusted(p: ArrayLike, adjust: Callable[[Floats, Floats], Floats]) -> Floats:
    """`adjust` of the sorted p-values and their ranks, at most 1, put back in place."""
    adjusted = np.array(p, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(adjusted[tested], kind="stable")]
    rank = np.arange(1, order.size + 1, dtype=np.float64)
    adjusted[order] = np.minimum(adjust(adjusted[order], rank), 1.0)
    return adjusted
