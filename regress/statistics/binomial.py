"""Exact sums over binomial counts: what power and passing are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtri, xlog1py, xlogy

from regress.statistics.rates import p_at_most

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DEVIATIONS = 9.0
"""Binomial counts further from their mean than this have a probability below 1e-12 together."""


def flip_counts(n: int, churn: float) -> tuple[Ints, Floats]:
    """Numbers of flips m that may be met among n pairs, and their probabilities Bin(m; n, churn).

    >>> counts, chances = flip_counts(2, 0.5)
    >>> counts.tolist(), chances.round(12).tolist()
    ([0, 1, 2], [0.25, 0.5, 0.25])
    """
    reach = _DEVIATIONS * math.sqrt(n * churn * (1 - churn)) + 40
    m = np.arange(max(0, math.floor(n * churn - reach)), min(n, math.ceil(n * churn + reach)) + 1)
    ways = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    return m, np.exp(ways + xlogy(m, churn) + xlog1py(n - m, -churn))


def largest(holds: Callable[[Ints], Bools], up_to: Ints) -> Ints:
    """The largest k in 0 … up_to that holds, elementwise, where what holds for k holds below; else -1.

    >>> largest(lambda k: k * k <= 10, np.array([2, 9])).tolist()
    [2, 3]
    """
    low, high = np.full_like(up_to, -1), up_to + 1
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, 0)
        good = holds(np.minimum(middle, up_to)) & (high - low > 1)
        low, high = np.where(good, middle, low), np.where(good | (high - low <= 1), high, middle)
    return low


def at_most(count: Ints, n: Ints, rate: float) -> Floats:
    """P(X <= count), X ~ Bin(n, rate), elementwise; 0 below 0.

    >>> at_most(np.array([-1, 0, 2]), np.array([2, 2, 2]), 0.5).tolist()
    [0.0, 0.25, 1.0]
    """
    return np.where(count < 0, 0.0, p_at_most(np.maximum(count, 0), n, rate))


def upper_normal(tail: float) -> float:
    """The value that a standard normal variable exceeds with probability `tail`.

    >>> round(upper_normal(0.05), 4)
    1.6449
    """
    return -float(ndtri(tail))
