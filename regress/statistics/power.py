"""Power: how small a change could have been seen, and how many items a decision needs.

Changes and limits are fractions in [0, 1], in the unit of accuracy or of the score, never in the unit of
a test's statistic. Of n pairs a share p_lost is expected to be lost and p_gained to be gained;
churn = p_lost + p_gained here, the pairs whose correctness changes. `alpha` is a test's level, `power` the
probability of a significant result, one minus the chance of missing the effect.

The functions `pass_probability_…` are about the gate, which passes where an effect as large as its limit
is *rejected*: a smaller churn or a larger n helps, a larger true loss hurts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtr, ndtri, xlog1py, xlogy

from regress.statistics.paired import tango_z
from regress.statistics.rates import p_at_most

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DEVIATIONS = 9.0
"""Binomial counts further from their mean than this have a probability below 1e-12 together."""
_STEP = 1.01
"""Ratio of neighbours among the numbers of items that are tried."""
_STAYS = 30
"""So many neighbours must hold too: the next third, wider than a tooth of an exact test's power."""


# ── a difference of paired proportions: McNemar ──────────────────────────────────────────────────


def connor_n(
    p_lost: float, p_gained: float, *, power: float = 0.8, alpha: float = 0.05, sides: int = 2
) -> float:
    """Pairs that McNemar's test needs, by Connor's formula, not rounded up; infinite if nothing changes.

    (z_{alpha/sides} √psi + z_beta √(psi - delta²))² / delta², psi = p_lost + p_gained, delta their
    difference.

    Reference: Connor 1987.

    >>> round(connor_n(0.45, 0.05), 4)
    22.0113
    """
    churn, delta = p_lost + p_gained, p_lost - p_gained
    if delta == 0:
        return math.inf
    reach = _z(alpha / sides) * math.sqrt(churn) - float(ndtri(1 - power)) * math.sqrt(churn - delta**2)
    return (reach / delta) ** 2


def exact_power(
    n: int,
    p_lost: float,
    p_gained: float,
    *,
    alpha: float = 0.05,
    sides: int = 2,
    method: Literal["exact", "mid-p"] = "exact",
) -> float:
    """Power of McNemar's test with n pairs: sum over m of Bin(m; n, churn) P(rejected | m flips).

    With one side, the test is the one against "the new model is not worse", which many losses reject.

    >>> round(exact_power(100, 0.3, 0.5), 5), round(exact_power(100, 0.3, 0.5, method="mid-p"), 5)
    (0.56932, 0.60897)
    """
    churn = p_lost + p_gained
    flips, weights = _flips(n, churn)
    share = p_lost / churn if churn else 0.5
    weight = 0.5 if method == "mid-p" else 0.0

    def rejected(fewer: Ints) -> Bools:
        """Whether so few flips in one direction are too few: in the mirror, too many of the other."""
        tail = _at_most(fewer, flips, 0.5)
        tail = tail - weight * (tail - _at_most(fewer - 1, flips, 0.5))
        return np.asarray(sides * tail <= alpha)

    few = _largest(rejected, flips)
    power = _at_most(few, flips, 1 - share)
    if sides == 2:
        power = power + _at_most(few, flips, share)
    return float(weights @ power)


def mde(n: int, churn: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest change of accuracy, up or down, that a two-sided McNemar test of n pairs would detect.

    Connor's formula solved for delta. nan if even flips all in one direction would not do
    (delta > churn), hence if there are none.

    Reference: Connor 1987.

    >>> round(mde(1319, 0.10), 4)
    0.0244
    """
    if not n or not churn:
        return math.nan
    alpha_part, z = _z(alpha / 2) * math.sqrt(churn), _z(1 - power)
    inside = (n + z**2) * churn - alpha_part**2
    delta = (math.sqrt(n) * alpha_part + z * math.sqrt(max(inside, 0.0))) / (n + z**2)
    return delta if inside >= 0 and delta <= churn else math.nan


def mde_excess(n: int, floor: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest negative flip rate above a noise floor that a one-sided test of n pairs would detect.

    The smallest x with (z_alpha √(2 f (1 - f)) + z_beta √(f (1 - f) + (f + x)(1 - f - x)))² / x² <= n,
    f the floor: conservative, as if noise and harm fell on different items. nan if f + x would exceed 1, and
    if the floor is 0: the formula then takes a single flip for proof.

    >>> round(mde_excess(1319, 0.0137), 4)
    0.012
    """
    if not n or not floor:
        return math.nan
    noise, z = floor * (1 - floor), _z(1 - power)
    alpha_part = _z(alpha) * math.sqrt(2 * noise)
    # where √n x - alpha_part = z √(…), squared: a x² - 2 b x + c = 0; of its roots the larger is meant
    a, b = n + z**2, math.sqrt(n) * alpha_part + z**2 * (1 - 2 * floor) / 2
    c = alpha_part**2 - 2 * z**2 * noise
    x = (b + math.sqrt(max(b**2 - a * c, 0.0))) / a
    return x if x <= 1 - floor else math.nan


# ── a mean difference ────────────────────────────────────────────────────────────────────────────


def mde_mean(sd: float, n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest change of a mean, up or down, that a two-sided test of n pairs would detect, in its unit.

    (z_{alpha/2} + z_beta) sd / √n, sd of the paired differences. nan if n = 0.

    Reference: Miller 2024.

    >>> round(mde_mean(0.2, 819), 4)
    0.0196
    """
    return (_z(alpha / 2) + _z(1 - power)) * sd / math.sqrt(n) if n else math.nan


def miller_n(variance: float, change: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Pairs that a two-sided test needs to see a mean change, not rounded up; infinite for no change.

    (z_{alpha/2} + z_beta)² variance / change². With K answers an item, the variance of the paired
    differences is omega² + sigma_old²/K_old + sigma_new²/K_new.

    Reference: Miller 2024.

    >>> round(miller_n(1 / 9, 0.03), 4)
    968.9975
    """
    return (_z(alpha / 2) + _z(1 - power)) ** 2 * variance / change**2 if change else math.inf


# ── the gate: whether it would pass ──────────────────────────────────────────────────────────────


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
    flips, weights = _flips(n, churn)
    z = _z(1 - confidence)

    def passes(lost: Ints) -> Bools:
        score = np.asarray(tango_z(lost, flips - lost, n, -limit)) >= z
        return np.where(lost < flips, score, _at_most(lost, np.array(n), limit) <= 1 - confidence)

    most_lost = _largest(passes, flips)
    share = (churn - delta) / (2 * churn) if churn else 0.5
    return float(weights @ _at_most(most_lost, flips, share))


def pass_probability_rate(n: int, rate: float, limit: float, *, confidence: float = 0.95) -> float:
    """Probability that a limit on a rate passes: its Clopper-Pearson upper bound is at most the limit.

    Exact: P(X <= k), X ~ Bin(n, rate), k the largest count that passes; 0 if not even 0 does.

    >>> round(pass_probability_rate(1319, 0.03, 0.05), 3)
    0.978
    """
    every = np.array([n])
    most = _largest(lambda count: _at_most(count, every, limit) <= 1 - confidence, every)
    return float(_at_most(most, every, rate)[0])


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
    return float(ndtr((limit - drop) * math.sqrt(n) / sd - _z(1 - confidence)))


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


# ── binomial sums ────────────────────────────────────────────────────────────────────────────────


def _flips(n: int, churn: float) -> tuple[Ints, Floats]:
    """Numbers of flips m that may be met among n pairs, and their probabilities Bin(m; n, churn)."""
    reach = _DEVIATIONS * math.sqrt(n * churn * (1 - churn)) + 40
    m = np.arange(max(0, math.floor(n * churn - reach)), min(n, math.ceil(n * churn + reach)) + 1)
    ways = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    return m, np.exp(ways + xlogy(m, churn) + xlog1py(n - m, -churn))


def _largest(holds: Callable[[Ints], Bools], up_to: Ints) -> Ints:
    """The largest k in 0 … up_to that holds, elementwise, where what holds for k holds below; else -1."""
    low, high = np.full_like(up_to, -1), up_to + 1
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, 0)
        good = holds(np.minimum(middle, up_to)) & (high - low > 1)
        low, high = np.where(good, middle, low), np.where(good | (high - low <= 1), high, middle)
    return low


def _at_most(count: Ints, n: Ints, rate: float) -> Floats:
    """P(X <= count), X ~ Bin(n, rate); 0 below 0."""
    return np.where(count < 0, 0.0, p_at_most(np.maximum(count, 0), n, rate))


def _z(tail: float) -> float:
    """Upper normal quantile."""
    return -float(ndtri(tail))
