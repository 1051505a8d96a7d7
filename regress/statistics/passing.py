"""Passing: how likely a limit of the gate passes an update, and how many items that takes.

The gate passes where an effect as large as its limit is *rejected*: a smaller churn or a larger n helps, a
larger true loss hurts. Of n pairs a share churn changes correctness; changes, rates and limits are fractions
in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from regress.statistics.binomial import Bools, Ints, at_most, flip_counts, largest, upper_normal
from regress.statistics.paired import tango_z

_STEP = 1.01
"""Ratio of neighbours among the numbers of items that are tried."""

_STAYS = 30
"""So many neighbours must hold too: the next third, wider than a tooth of an exact test's power."""


def pass_probability_drop(
    n: int, churn: float, limit: float, *, delta: float = 0.0, confidence: float = 0.95
) -> float:
    """Probability that a limit on the drop of accuracy passes: that Tango's test rejects "delta <= -limit".

    Exact: the sum over losses and gains, trinomial with rates (churn ∓ delta)/2, that the one-sided score
    test rejects; where nothing was gained the exact test of the losses stands in for it, as in the gate.
    At delta = -limit it is the test's size. nan if |delta| > churn or n = 0.

    >>> round(pass_probability_drop(1319, 0.10, 0.01), 2)
    0.31
    """
    if abs(delta) > churn or not n:
        return math.nan
    flips, weights = flip_counts(n, churn)
    z = upper_normal(1 - confidence)

    def passes(lost: Ints) -> Bools:
        score = np.asarray(tango_z(lost, flips - lost, n, -limit)) >= z
        return np.where(lost < flips, score, at_most(lost, np.array(n), limit) <= 1 - confidence)

    most_lost = largest(passes, flips)
    share = (churn - delta) / (2 * churn) if churn else 0.5
    return float(weights @ at_most(most_lost, flips, share))


def pass_probability_rate(n: int, rate: float, limit: float, *, confidence: float = 0.95) -> float:
    """Probability that a limit on a rate passes: its Clopper-Pearson upper bound is at most the limit.

    Exact: P(X <= k), X ~ Bin(n, rate), k the largest count that passes; 0 if not even 0 does.

    >>> round(pass_probability_rate(1319, 0.03, 0.05), 3)
    0.978
    """
    every = np.array([n])
    most = largest(lambda count: at_most(count, every, limit) <= 1 - confidence, every)
    return float(at_most(most, every, rate)[0])


def pass_probability_mean(
    n: int, sd: float, limit: float, *, drop: float = 0.0, confidence: float = 0.95
) -> float:
    """Probability that a limit on the drop of a mean passes, by the normal approximation.

    Phi((limit - drop) √n / sd - z), sd of the paired differences. nan if n or sd is 0.

    >>> round(pass_probability_mean(819, 0.2, 0.02), 2)
    0.89
    """
    if not n or not sd:
        return math.nan
    return float(ndtr((limit - drop) * math.sqrt(n) / sd - upper_normal(1 - confidence)))


def items_needed(probability: Callable[[int], float], power: float, maximum: int) -> int | None:
    """Fewest items at which `probability` reaches `power` and stays there; null if above `maximum`.

    The power of exact tests rises in saw-teeth. Tried are 1, 2, … 100, then numbers 1 % apart, and
    `maximum`; that it stays is tried on the next 30, a third more items. Only some of them are looked at,
    by bisection, so `probability` should rise but for its teeth; nan counts as not reached.

    >>> items_needed(lambda n: pass_probability_mean(n, 0.2, 0.02), 0.8, 10_000)
    620
    """
    tried = [1]
    while tried[-1] < maximum * _STEP**_STAYS:
        tried.append(max(tried[-1] + 1, int(tried[-1] * _STEP)))
    tried = sorted({*tried, maximum})

    def reached(place: int) -> bool:
        return probability(tried[place]) >= power

    below, above = -1, sum(n <= maximum for n in tried)
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if reached(middle) else (middle, above)
    while above < len(tried) and tried[above] <= maximum:
        window = range(above, min(above + 1 + _STAYS, len(tried)))
        failing = next((place for place in window if not reached(place)), None)
        if failing is None:
            return tried[above]
        above = failing + 1
    return None


def smallest_limit(probability: Callable[[float], float], power: float) -> float:
    """Smallest limit in [0, 1] at which `probability`, which rises with it, reaches `power`; to 1e-6.

    nan if not even 1 does.

    >>> round(smallest_limit(lambda limit: pass_probability_drop(1319, 0.1, limit), 0.8), 4)
    0.0218
    """
    low, high = 0.0, 1.0
    if not probability(high) >= power:
        return math.nan
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if probability(middle) >= power else (middle, high)
    return high
