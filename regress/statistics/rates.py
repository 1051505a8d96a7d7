"""Rates: how far a share of items, k successes of n, can be from the rate behind it.

Counts, limits and confidence levels may be numbers or arrays, which broadcast; numbers give floats.
All bounds are rates in [0, 1], and nan where n = 0: nothing can be said then. Every Clopper-Pearson
function takes fractional counts too, so that effective sample sizes of clustered items can be put in
(`regress.statistics.clustered`). A test and the bound of the same side agree at every level:

    upper_bound(k, n, 1 - alpha) <= limit    where    p_at_most(k, n, limit) <= alpha
    lower_bound(k, n, 1 - alpha) >= limit    where    p_at_least(k, n, limit) <= alpha
"""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincc, betainccinv, betaincinv, ndtri

Floats = npt.NDArray[np.float64]


@overload
def wilson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]: ...
@overload
def wilson(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> tuple[Floats, Floats]: ...
def wilson(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> tuple[float | Floats, float | Floats]:
    """Two-sided score interval of a rate: all rates from which k / n is at most z standard errors away.

    (k + z²/2 ± z √(k (n - k) / n + z²/4)) / (n + z²). For display: below np = 5 it covers less than it says.

    Reference: Wilson 1927.

    >>> [round(bound, 4) for bound in wilson(5, 100)]
    [0.0215, 0.1118]
    """
    k_, n_, confidence_ = floats(k, n, confidence)
    z = ndtri((1 + confidence_) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = z * np.sqrt(k_ * (n_ - k_) / n_ + z**2 / 4)
        low, high = ((k_ + z**2 / 2 + side * half) / (n_ + z**2) for side in (-1, 1))
    # at k = 0 the lower end is exactly 0; at k = n rounding would keep the upper one from 1
    return _bound(low, n_), _bound(np.where(k_ >= n_, 1.0, high), n_)


@overload
def clopper_pearson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]: ...
@overload
def clopper_pearson(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> tuple[Floats, Floats]: ...
def clopper_pearson(
    k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95
) -> tuple[float | Floats, float | Floats]:
    """Two-sided exact interval of a rate: its one-sided bounds at (1 - confidence) / 2 each.

    Covers at least `confidence` at every rate. k and n may be fractional.

    Reference: Clopper & Pearson 1934.

    >>> [round(bound, 4) for bound in clopper_pearson(5, 100)]
    [0.0164, 0.1128]
    """
    one_sided = (1 + np.asarray(confidence, dtype=np.float64)) / 2
    return lower_bound(k, n, one_sided), upper_bound(k, n, one_sided)


@overload
def upper_bound(k: float, n: float, confidence: float = 0.95) -> float: ...
@overload
def upper_bound(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> Floats: ...
def upper_bound(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> float | Floats:
    """One-sided exact upper bound of a rate: k or fewer of n would have probability 1 - confidence there.

    1 - (1 - confidence)^(1/n) at k = 0, and 1 at k = n. k and n may be fractional.

    Reference: Clopper & Pearson 1934.

    >>> round(upper_bound(0, 819), 5)
    0.00365
    """
    k_, n_, confidence_ = floats(k, n, confidence)
    bound = betainccinv(k_ + 1, np.maximum(n_ - k_, 0.0), 1 - confidence_)
    return _bound(np.where(k_ >= n_, 1.0, bound), n_)


@overload
def lower_bound(k: float, n: float, confidence: float = 0.95) -> float: ...
@overload
def lower_bound(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> Floats: ...
def lower_bound(k: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> float | Floats:
    """One-sided exact lower bound of a rate: k or more of n would have probability 1 - confidence there.

    (1 - confidence)^(1/n) at k = n, and 0 at k = 0. k and n may be fractional.

    Reference: Clopper & Pearson 1934.

    >>> round(lower_bound(5, 100), 4)
    0.0199
    """
    k_, n_, confidence_ = floats(k, n, confidence)
    bound = betaincinv(k_, n_ - k_ + 1, 1 - confidence_)
    return _bound(np.where(k_ <= 0, 0.0, bound), n_)


@overload
def p_at_most(k: float, n: float, limit: float) -> float: ...
@overload
def p_at_most(k: ArrayLike, n: ArrayLike, limit: ArrayLike) -> Floats: ...
def p_at_most(k: ArrayLike, n: ArrayLike, limit: ArrayLike) -> float | Floats:
    """P(X ≤ k), X ~ Bin(n, limit): the exact p-value against "the rate is at least the limit".

    I_{1-limit}(n - k, k + 1), which also defines it for fractional counts. 1 if k = n, hence if n = 0.

    >>> round(p_at_most(40, 1000, 0.05), 4)
    0.0806
    """
    k_, n_, limit_ = floats(k, n, limit)
    return plain(np.where(k_ >= n_, 1.0, betaincc(k_ + 1, np.maximum(n_ - k_, 0.0), limit_)))


@overload
def p_at_least(k: float, n: float, limit: float) -> float: ...
@overload
def p_at_least(k: ArrayLike, n: ArrayLike, limit: ArrayLike) -> Floats: ...
def p_at_least(k: ArrayLike, n: ArrayLike, limit: ArrayLike) -> float | Floats:
    """P(X ≥ k), X ~ Bin(n, limit): the exact p-value against "the rate is at most the limit".

    I_limit(k, n - k + 1), which also defines it for fractional counts. 1 if k = 0, hence if n = 0.

    >>> round(p_at_least(60, 1000, 0.05), 4)
    0.0867
    """
    k_, n_, limit_ = floats(k, n, limit)
    return plain(np.where(k_ <= 0, 1.0, betainc(k_, n_ - k_ + 1, limit_)))


def floats(*values: ArrayLike) -> tuple[Floats, ...]:
    """Numbers or arrays as float64 arrays, not yet broadcast.

    >>> [value.shape for value in floats(1, [2, 3])]
    [(), (2,)]
    """
    return tuple(np.asarray(value, dtype=np.float64) for value in values)


def _bound(bound: Floats, n: Floats) -> float | Floats:
    return plain(np.where(n > 0, np.clip(bound, 0.0, 1.0), np.nan))


def plain(values: Floats) -> float | Floats:
    """A float where `values` is a single number, else `values`.

    >>> plain(np.asarray(0.5))
    0.5
    """
    return float(values) if values.ndim == 0 else values
