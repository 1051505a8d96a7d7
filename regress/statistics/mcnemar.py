"""McNemar's tests: do more flips go one way than the other?

Given m = b + c flips, b lost and c gained, the number lost is Bin(m, ½) if the two sides are equally
good. All p-values lie in [0, 1], and are 1 without a flip. They keep their relative precision down to
1e-300, and up to a million flips. A large p-value never shows that nothing was lost: see
`paired.non_inferiority_p` and `power` for what could have been missed.

References: McNemar 1947; Fagerland, Lydersen & Laake 2013.
"""

from __future__ import annotations

import math
from typing import Literal

from scipy.special import betainc, chdtrc, ndtri

from regress.statistics.rates import clopper_pearson, p_at_least, p_at_most

OddsRatioMethod = Literal["clopper-pearson", "mid-p", "wald"]

_HALVINGS = 64
"""Halvings of the logarithms of all odds after which a bound moves no more in float64."""


def exact_worse(lost: float, gained: float) -> float:
    """One-sided exact p-value against "the new model is not worse": P(X ≥ b), X ~ Bin(b + c, ½).

    Reference: Kübler et al. 2026.

    >>> f"{exact_worse(2981, 2325):.2e}"
    '1.09e-19'
    """
    return p_at_least(float(lost), float(lost + gained), 0.5)


def exact(lost: float, gained: float) -> float:
    """Two-sided exact p-value against "the two are equally good": 2 P(X ≤ min(b, c)), at most 1.

    >>> round(exact(16, 6), 6)
    0.052479
    """
    return min(2 * p_at_most(float(min(lost, gained)), float(lost + gained), 0.5), 1.0)


def mid_p(lost: float, gained: float) -> float:
    """Two-sided mid-p value: the exact one with what was observed counted half.

    2 P(X < min(b, c)) + P(X = min(b, c)), and 1 - ½ P(X = b) where b = c. Holds its level in practice, if
    not by proof, and finds more than the exact test.

    Reference: Fagerland, Lydersen & Laake 2013.

    >>> mid_p(5, 1)
    0.125
    """
    fewer, flips = float(min(lost, gained)), float(lost + gained)
    if not flips:
        return 1.0
    # from cumulative probabilities alone: a single term of a million flips loses digits in its logarithm
    below = p_at_most(fewer - 1, flips, 0.5) if fewer else 0.0
    return 0.5 + below if lost == gained else below + p_at_most(fewer, flips, 0.5)


def chi2(lost: float, gained: float, correction: bool = False) -> tuple[float, float]:
    """Statistic (b - c)² / (b + c) and its two-sided p-value from chi-squared with 1 degree of freedom.

    With `correction`, |b - c| is taken 1 smaller (Edwards). Without a flip the statistic is nan and p is 1.

    >>> statistic, p = chi2(21, 50)
    >>> round(statistic, 4), round(p, 6)
    (11.8451, 0.000578)
    """
    if not lost + gained:
        return math.nan, 1.0
    distance = max(abs(lost - gained) - (1 if correction else 0), 0)
    statistic = distance**2 / (lost + gained)
    return float(statistic), float(chdtrc(1, statistic))


def odds_ratio_interval(
    lost: float,
    gained: float,
    confidence: float = 0.95,
    method: OddsRatioMethod = "clopper-pearson",
) -> tuple[float, float]:
    """Two-sided interval of the conditional odds ratio P(lost) / P(gained), estimated by b / c; in [0, ∞].

    q / (1 - q) at both ends of an interval of q = P(lost, given a flip): the exact one, the mid-p one,
    or exp(log(b / c) ± z √(1/b + 1/c)), which is nan where b or c is 0. All are nan without a flip.

    Raises:
        ValueError: `method` is none of these.

    Reference: Fagerland, Lydersen & Laake 2014.

    >>> [round(bound, 4) for bound in odds_ratio_interval(25, 2)]
    [3.1169, 108.8892]
    """
    if method == "clopper-pearson":
        low, high = clopper_pearson(float(lost), float(lost + gained), confidence)
        return _odds(low), _odds(high)
    if method == "mid-p":
        # the upper end of lost / gained is the lower end of gained / lost, upside down
        low, high = _mid_p_odds(lost, gained, confidence), _mid_p_odds(gained, lost, confidence)
        return low, (math.inf if high == 0 else 1 / high)
    if method == "wald":
        if not lost or not gained:
            return math.nan, math.nan
        half = float(ndtri((1 + confidence) / 2)) * math.sqrt(1 / lost + 1 / gained)
        return lost / gained * math.exp(-half), lost / gained * math.exp(half)
    raise ValueError(f"expected clopper-pearson, mid-p or wald, got {method!r}")


def _mid_p_odds(b: float, c: float, confidence: float) -> float:
    """Odds at which P(X > b) + ½ P(X = b) = (1 - confidence) / 2; 0 if b = 0, nan without a flip."""
    if not b + c:
        return math.nan
    if not b:
        return 0.0
    alpha = (1 - confidence) / 2
    low, high = -700.0, 700.0  # logarithms of odds that float64 can hold
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        q = 1 / (1 + math.exp(-middle))
        more, as_many_or_more = betainc(b + 1, c, q) if c else 0.0, betainc(b, c + 1, q)
        low, high = (middle, high) if (more + as_many_or_more) / 2 < alpha else (low, middle)
    return math.exp((low + high) / 2)


def _odds(q: float) -> float:
    return math.inf if q == 1 else q / (1 - q)
