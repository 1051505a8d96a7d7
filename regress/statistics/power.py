"""Power: how small a change could have been seen, and how many items a decision needs.

Changes and limits are fractions in [0, 1], in the unit of accuracy or of the score, never in the unit of
a test's statistic. Of n pairs a share p_lost is expected to be lost and p_gained to be gained;
churn = p_lost + p_gained here, the pairs whose correctness changes. `alpha` is a test's level, `power` the
probability of a significant result, one minus the chance of missing the effect.

Whether a limit of the gate would pass is another question: `regress.statistics.passing`.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from regress.statistics.binomial import Bools, Ints, at_most, flip_counts, largest, upper_normal

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
    z_alpha, z_beta = upper_normal(alpha / sides), upper_normal(1 - power)
    reach = z_alpha * math.sqrt(churn) + z_beta * math.sqrt(churn - delta**2)
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
    flips, weights = flip_counts(n, churn)
    share = p_lost / churn if churn else 0.5
    weight = 0.5 if method == "mid-p" else 0.0

    def rejected(fewer: Ints) -> Bools:
        """Whether so few flips in one direction are too few: in the mirror, too many of the other."""
        tail = at_most(fewer, flips, 0.5)
        tail = tail - weight * (tail - at_most(fewer - 1, flips, 0.5))
        return np.asarray(sides * tail <= alpha)

    few = largest(rejected, flips)
    power = at_most(few, flips, 1 - share)
    if sides == 2:
        power = power + at_most(few, flips, share)
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
    alpha_part, z = upper_normal(alpha / 2) * math.sqrt(churn), upper_normal(1 - power)
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
    noise, z = floor * (1 - floor), upper_normal(1 - power)
    alpha_part = upper_normal(alpha) * math.sqrt(2 * noise)
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
    return (upper_normal(alpha / 2) + upper_normal(1 - power)) * sd / math.sqrt(n) if n else math.nan


def miller_n(variance: float, change: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Pairs that a two-sided test needs to see a mean change, not rounded up; infinite for no change.

    (z_{alpha/2} + z_beta)² variance / change². With K answers an item, the variance of the paired
    differences is omega² + sigma_old²/K_old + sigma_new²/K_new.

    Reference: Miller 2024.

    >>> round(miller_n(1 / 9, 0.03), 4)
    968.9975
    """
    z = upper_normal(alpha / 2) + upper_normal(1 - power)
    return z**2 * variance / change**2 if change else math.inf
