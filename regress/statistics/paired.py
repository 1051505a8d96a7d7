"""Paired differences of proportions: how far the change of accuracy can be from the one observed.

Of n pairs, b were lost (right before, wrong now) and c gained; delta = (c - b) / n in [-1, 1]. Only b, c
and n matter: pairs on which both sides agree tell nothing about the difference, but they do count.
The Tango functions take numbers or arrays, which broadcast; numbers give floats. Each is the score
test, or its inversion, so that bound and test of one side agree at every level. All is nan where n = 0.

References: Tango 1998; Newcombe 1998 (method 10); Bonett & Price 2012; Fagerland, Lydersen & Laake 2014.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from regress.statistics.rates import Floats, floats, plain, wilson

_HALVINGS = 64
"""Halvings of [-1, 1] after which a bound moves no more in float64."""


# ── Tango's score statistic, its interval and the tests at a margin ──────────────────────────────


@overload
def tango_z(lost: float, gained: float, n: float, delta: float) -> float: ...
@overload
def tango_z(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, delta: ArrayLike) -> Floats: ...
def tango_z(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, delta: ArrayLike) -> float | Floats:
    """Score statistic of a paired difference: standard errors by which the observed one exceeds `delta`.

    (c - b - n delta) / √(n (2q + delta (1 - delta))), q the likeliest P(lost) if `delta` is true: the
    standard error is the one under the hypothesis, so it is never 0 where there is no flip. Standard
    normal if `delta` is true; falls with `delta`. At |delta| = 1, and at 0 without a flip, the
    hypothesis leaves nothing to chance: infinite, or nan where it agrees with what was observed.

    Reference: Tango 1998.

    >>> round(tango_z(1, 0, 44, -0.10), 4)
    1.7086
    """
    lost_, gained_, n_, delta_ = floats(lost, gained, n, delta)
    # for delta < 0 the mirror image, so that the quadratic never subtracts nearly equal numbers
    sign, shift = np.where(delta_ < 0, -1.0, 1.0), np.abs(delta_)
    b, c = np.where(delta_ < 0, gained_, lost_), np.where(delta_ < 0, lost_, gained_)
    linear = (2 * n_ - c + b) * shift - b - c
    constant = b * shift * (1 - shift)
    root = np.sqrt(linear**2 + 8 * n_ * constant)
    with np.errstate(invalid="ignore", divide="ignore"):
        q = np.where(linear <= 0, (root - linear) / (4 * n_), 2 * constant / (root + linear))
        return plain(sign * (c - b - n_ * shift) / np.sqrt(n_ * (2 * q + shift * (1 - shift))))


@overload
def tango_lower(lost: float, gained: float, n: float, confidence: float = 0.95) -> float: ...
@overload
def tango_lower(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> Floats: ...
def tango_lower(
    lost: ArrayLike, gained: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95
) -> float | Floats:
    """One-sided lower bound of delta: the delta that `tango_z` puts at the normal quantile of `confidence`.

    -1 if every pair was lost.

    Reference: Tango 1998.

    >>> round(tango_lower(1, 0, 44), 4)
    -0.0957
    """
    lost_, gained_, n_, confidence_ = floats(lost, gained, n, confidence)
    z = ndtri(confidence_)
    low = np.where(n_ > 0, -np.ones_like(lost_ + gained_ + n_ + z), np.nan)
    high = -low
    # bisection, because it needs no slope and cannot leave the bracket: the statistic has a kink at 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = np.asarray(tango_z(lost_, gained_, n_, middle)) > z
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return plain((low + high) / 2)


@overload
def tango_upper(lost: float, gained: float, n: float, confidence: float = 0.95) -> float: ...
@overload
def tango_upper(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> Floats: ...
def tango_upper(
    lost: ArrayLike, gained: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95
) -> float | Floats:
    """One-sided upper bound of delta: the delta that `tango_z` puts at minus the quantile of `confidence`.

    1 if every pair was gained.

    Reference: Tango 1998.

    >>> round(tango_upper(1, 0, 44), 4)
    0.0365
    """
    return -tango_lower(gained, lost, n, confidence)


@overload
def tango_interval(lost: float, gained: float, n: float, confidence: float = 0.95) -> tuple[float, float]: ...
@overload
def tango_interval(
    lost: ArrayLike, gained: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95
) -> tuple[Floats, Floats]: ...
def tango_interval(
    lost: ArrayLike, gained: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95
) -> tuple[float | Floats, float | Floats]:
    """Two-sided score interval of delta: every delta that `tango_z` does not reject.

    ±z² / (n + z²) without a flip: never of zero width.

    Reference: Tango 1998.

    >>> [round(bound, 4) for bound in tango_interval(2, 25, 102)]
    [0.1392, 0.3213]
    """
    one_sided = (1 + np.asarray(confidence, dtype=np.float64)) / 2
    return tango_lower(lost, gained, n, one_sided), tango_upper(lost, gained, n, one_sided)


@overload
def non_inferiority_p(lost: float, gained: float, n: float, margin: float) -> float: ...
@overload
def non_inferiority_p(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, margin: ArrayLike) -> Floats: ...
def non_inferiority_p(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, margin: ArrayLike) -> float | Floats:
    """One-sided p-value against "accuracy fell by `margin` or more" (delta ≤ -margin).

    A small one says that the loss, if any, is smaller than the margin. nan where `tango_z` is.

    Reference: Tango 1998.

    >>> round(non_inferiority_p(1, 0, 44, 0.10), 4)
    0.0438
    """
    return _tail(-np.asarray(tango_z(lost, gained, n, -np.asarray(margin))))


@overload
def inferiority_p(lost: float, gained: float, n: float, margin: float) -> float: ...
@overload
def inferiority_p(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, margin: ArrayLike) -> Floats: ...
def inferiority_p(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, margin: ArrayLike) -> float | Floats:
    """One-sided p-value against "accuracy fell by `margin` at most" (delta ≥ -margin).

    A small one says that the loss is larger than the margin. 1 - `non_inferiority_p`.

    Reference: Tango 1998.

    >>> round(inferiority_p(120, 54, 1319, 0.02), 4)
    0.0011
    """
    return _tail(np.asarray(tango_z(lost, gained, n, -np.asarray(margin))))


@overload
def equivalence_p(lost: float, gained: float, n: float, margin: float) -> float: ...
@overload
def equivalence_p(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, margin: ArrayLike) -> Floats: ...
def equivalence_p(lost: ArrayLike, gained: ArrayLike, n: ArrayLike, margin: ArrayLike) -> float | Floats:
    """p-value against "accuracy changed by `margin` or more" in either direction (two one-sided tests).

    The larger of the two: a small one says that neither loss nor gain reaches the margin.

    References: Schuirmann 1987; Tango 1998.

    >>> round(equivalence_p(60, 60, 1319, 0.02), 4)
    0.009
    """
    worse, better = non_inferiority_p(lost, gained, n, margin), non_inferiority_p(gained, lost, n, margin)
    return plain(np.maximum(worse, better))


def _tail(z: Floats) -> float | Floats:
    return plain(np.asarray(ndtr(z), dtype=np.float64))


# ── intervals in closed form, for comparison with other tools ────────────────────────────────────


def newcombe_interval(
    n11: float, lost: float, gained: float, n00: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Two-sided interval of delta by square and add: Wilson's of the two accuracies, put together.

    delta - √(d² - 2 phi d e + e²) below, with d = new - low(new), e = high(old) - old and the correlation
    phi of the two sides, corrected for continuity; above with the other two distances.

    Reference: Newcombe 1998, method 10.

    >>> [round(bound, 4) for bound in newcombe_interval(1, 0, 0, 1)]
    [-0.5734, 0.5734]
    """
    n = n11 + lost + gained + n00
    if not n:
        return math.nan, math.nan
    old, new, delta = (n11 + lost) / n, (n11 + gained) / n, (gained - lost) / n
    old_low, old_high = wilson(n11 + lost, n, confidence)
    new_low, new_high = wilson(n11 + gained, n, confidence)
    phi = _correlation(n11, lost, gained, n00)

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))

    return delta - distance(new - new_low, old_high - old), delta + distance(new_high - new, old - old_low)


def bonett_price_interval(
    lost: float, gained: float, n: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Two-sided interval of delta: Wald's after one more lost and one more gained pair, within [-1, 1].

    Reference: Bonett & Price 2012.

    >>> [round(bound, 4) for bound in bonett_price_interval(2, 25, 102)]
    [0.129, 0.3133]
    """
    return wald_interval(lost + 1, gained + 1, n + 2, confidence) if n else (math.nan, math.nan)


def wald_interval(lost: float, gained: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval delta ± z √(b + c - (c - b)² / n) / n, within [-1, 1]; of zero width without a flip.

    What most tools print. It covers too little when flips are few.

    >>> [round(bound, 4) for bound in wald_interval(2, 25, 102)]
    [0.1357, 0.3152]
    """
    if not n:
        return math.nan, math.nan
    delta = (gained - lost) / n
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(max(lost + gained - n * delta**2, 0.0)) / n
    return max(delta - half, -1.0), min(delta + half, 1.0)


def _correlation(n11: float, lost: float, gained: float, n00: float) -> float:
    """Phi of the 2x2 table, corrected for continuity where it is positive; 0 where a margin is empty."""
    margins = (n11 + lost) * (gained + n00) * (n11 + gained) * (lost + n00)
    if not margins:
        return 0.0
    numerator = n11 * n00 - lost * gained
    if numerator > 0:
        numerator = max(numerator - (n11 + lost + gained + n00) / 2, 0.0)
    return numerator / math.sqrt(margins)
