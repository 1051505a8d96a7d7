"""The non-parametric bootstrap of a smooth function of column sums, with BCa bounds and p-values.

Whatever is a function of sums over units (a mean, a ratio of sums, a correlation) is resampled here
by one routine: units are instances, or whole clusters of instances sampled together, drawn with
replacement. Repeated answers are averaged within their instance before they come here.

A bound and the p-value at a limit are one thing read two ways: `upper(1 - alpha) <= limit` exactly
where `p_pass(limit) <= alpha`, and `lower(1 - alpha) >= limit` exactly where `p_fail(limit) <= alpha`.
Flips make many resamples equal, so the distribution of the replicates is taken at the middle of each
of its steps, both for bounds and for p-values.

Reference: Efron 1987, Better Bootstrap Confidence Intervals; Efron and Tibshirani 1993, ch. 14;
Ma, Genton and Parzen 2011 for quantiles at mid-steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Maps summed columns [..., p] to values [...]."""

RESAMPLES = 10_000
MINIMUM_ITEMS = 20
"""With fewer instances that differ, resamples cannot show what might have been."""
MINIMUM_CLUSTERS = 10
"""The same for clusters."""

_FEW_ROWS = 64
"""Up to so many distinct rows, how often each is drawn is one multinomial draw."""
_BLOCK = 2**17
"""Units drawn at a time: a few MB, near the processor."""
_TIE = 1e-9
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """An estimate with its bootstrap distribution.

    Bounds and p-values are nan where nothing can be said: fewer than two units, a statistic that is
    undefined in some resample or without some unit, or replicates that are all the same.

    Reference: Efron 1987.

    >>> drop = mean([0.0, 0.1, 0.3, 0.0, 0.2] * 8, np.random.default_rng(0))
    >>> round(drop.estimate, 12), drop.lower() < 0.12 < drop.upper()
    (0.12, True)
    >>> drop.p_pass(0.2) < 0.05 and drop.upper() < 0.2
    True
    """

    estimate: float
    """The statistic of the data."""
    replicates: Floats
    """[R] float64, the statistic of each resample, ascending; nan last."""
    bias: float
    """z0: normal quantile of the share of replicates below the estimate."""
    acceleration: float
    """a: how fast the standard error changes with the statistic, from the jackknife."""
    units: int
    """What was drawn from: instances or clusters."""

    def lower(self, confidence: float = 0.95) -> float:
        """One-sided lower BCa bound; nan where even the lowest replicate is not low enough."""
        values, ranks = self._steps()
        share = self._share(ndtri(1 - confidence))
        return _nan_unless(share >= ranks[0], np.interp(share, ranks, values))

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided upper BCa bound; nan where even the highest replicate is not high enough."""
        values, ranks = self._steps()
        share = self._share(ndtri(confidence))
        return _nan_unless(share <= ranks[-1], np.interp(share, ranks, values))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided BCa interval: the bounds at 1 - (1 - confidence) / 2 each."""
        return self.lower((1 + confidence) / 2), self.upper((1 + confidence) / 2)

    def percentile_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of plain quantiles, for comparison: neither bias nor skew is mended."""
        values, ranks = self._steps()
        tail = (1 - confidence) / 2
        low, high = np.interp([tail, 1 - tail], ranks, values)
        return _nan_unless(self._sound, low), _nan_unless(self._sound, high)

    def p_pass(self, limit: float) -> float:
        """One-sided p-value against "theta >= limit": small where theta lies well below the limit.

        1 - Phi(w / (1 + a w) - z0) with w = Phi^-1(G) - z0 and G the share of replicates below the
        limit; never below 1 / (R + 1).
        """
        values, ranks = self._steps()
        return self._tail(-self._normal(float(np.interp(limit, values, ranks, left=0.0))))

    def p_fail(self, limit: float) -> float:
        """One-sided p-value against "theta <= limit": small where theta lies well above the limit."""
        values, ranks = self._steps()
        return self._tail(self._normal(float(np.interp(limit, values, ranks, right=1.0))))

    @property
    def _sound(self) -> bool:
        return self.units > 1 and math.isfinite(self.acceleration) and not math.isnan(self.bias)

    def _steps(self) -> tuple[Floats, Floats]:
        """The distinct replicates, and the share of replicates up to the middle of each."""
        return _middles(self.replicates)

    def _share(self, z: float) -> float:
        """The share of replicates below the bound at normal quantile `z`."""
        return float(ndtr(self.bias + _bend(self.bias + z, -self.acceleration)))

    def _normal(self, share: float) -> float:
        """The inverse of `_share`."""
        return _bend(float(ndtri(share)) - self.bias, self.acceleration) - self.bias

    def _tail(self, z: float) -> float:
        return _nan_unless(self._sound, max(float(ndtr(z)), 1 / (self.replicates.size + 1)))


def bootstrap(
    columns: npt.ArrayLike,
    statistic: Statistic,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    cluster: npt.ArrayLike | None = None,
) -> Bootstrap:
    """Bootstrap of a smooth function of column sums.

    Where the units have few distinct rows, as flips have, how often each of them is drawn is drawn
    itself, from the multinomial distribution: the same distribution of sums at the price of a few
    numbers a resample.

    Args:
        columns: [n, p] finite numbers, or [n] for one column; one row an instance.
        statistic: Maps summed columns [..., p] to values [...]; may give nan.
        rng: Where all randomness comes from.
        resamples: R.
        cluster: [n] labels; instances of one label are drawn together.

    Raises:
        ValueError: if a number is not finite or a length does not fit.

    >>> ratio = lambda sums: sums[..., 0] / sums[..., 1]
    >>> rows = [[1, 2], [3, 4], [2, 4], [5, 6]]
    >>> bootstrap(rows, ratio, np.random.default_rng(0), resamples=100).estimate
    0.6875
    """
    units = unit_sums(columns, cluster)
    rows, weights = np.unique(units, axis=0, return_counts=True)
    if len(rows) <= _FEW_ROWS:
        sums = _multinomial_sums(rows, weights, rng, resamples)
    else:
        sums = _gathered_sums(units, rng, resamples)
    total = weights @ rows
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = float(statistic(total))
        replicates = _merged(np.sort(statistic(sums)))
        without_one = statistic(total - rows)
    return Bootstrap(
        estimate=estimate,
        replicates=replicates,
        bias=_bias(estimate, replicates),
        acceleration=_acceleration(without_one, weights),
        units=len(units),
    )


def mean(
    values: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    cluster: npt.ArrayLike | None = None,
) -> Bootstrap:
    """Bootstrap of the mean of [n] values: changes of score, excess flips, flips (a rate).

    With clusters it is the sum over the clusters drawn, divided by the number of their instances.

    >>> mean([True, False, False, False], np.random.default_rng(0), resamples=100).estimate
    0.25
    """
    value = np.asarray(values, dtype=np.float64)
    columns = np.column_stack([value, np.ones_like(value)])
    return bootstrap(columns, _quotient, rng, resamples=resamples, cluster=cluster)


def mean_gain(
    change: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    cluster: npt.ArrayLike | None = None,
) -> Bootstrap:
    """Bootstrap of m_g: the average of the changes above 0 among [n]; nan if there is none.

    `change` is new - old as `regress.metrics.continuous.change` makes it: exactly 0 within 1e-9 of 0.
    The mean regression m_r of a change is the mean gain of its negative.

    Reference: Echterhoff et al. 2024 (MUSCLE).

    >>> mean_gain([0.25, 0.0, -0.5, 0.75], np.random.default_rng(0), resamples=100).estimate
    0.5
    """
    value = np.asarray(change, dtype=np.float64)
    columns = np.column_stack([np.maximum(value, 0.0), value > 0])
    return bootstrap(columns, _quotient, rng, resamples=resamples, cluster=cluster)


def admitted(values: npt.ArrayLike, cluster: npt.ArrayLike | None = None) -> bool:
    """Whether a bootstrap bound of the mean of [n] values may be used.

    At least 20 instances (10 clusters) must have a value (a sum) that is not 0, and not all units may
    be the same: resamples of equal units are equal, however few there are.

    >>> admitted([1] * 19 + [0] * 981), admitted([1] * 20 + [0] * 980), admitted([1] * 1000)
    (False, True, False)
    """
    value = np.asarray(values, dtype=np.float64)
    units = unit_sums(np.column_stack([value, np.ones_like(value)]), cluster)
    differing = np.count_nonzero(np.abs(units[:, 0]) > _TIE)
    return bool(
        differing >= (MINIMUM_ITEMS if cluster is None else MINIMUM_CLUSTERS)
        and np.any(np.ptp(units, axis=0) > _TIE)
    )


def unit_sums(columns: npt.ArrayLike, cluster: npt.ArrayLike | None = None) -> Floats:
    """One row for each thing that was sampled on its own: [n, p] columns, or [K, p] sums over clusters.

    [n] numbers are one column. Clusters come in the order of their labels.

    Raises:
        ValueError: if a number is not finite or a length does not fit.

    >>> unit_sums([1.0, 2.0, 4.0], ["b", "a", "b"]).tolist()
    [[2.0], [5.0]]
    """
    rows = np.asarray(columns, dtype=np.float64)
    rows = rows[:, np.newaxis] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"expected columns of finite numbers, got shape {rows.shape}")
    if cluster is None:
        return rows
    labels = np.asarray(cluster)
    if labels.shape != rows.shape[:1]:
        raise ValueError(f"expected {len(rows)} cluster labels, got shape {labels.shape}")
    _, group = np.unique(labels, return_inverse=True)
    return np.column_stack([np.bincount(group, weights=column) for column in rows.T])


def _quotient(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _multinomial_sums(
    rows: Floats, weights: npt.NDArray[np.int64], rng: np.random.Generator, resamples: int
) -> Floats:
    """[R, p] sums of as many units as there are, from how often each distinct row is drawn."""
    n = int(weights.sum())
    if n == 0:
        return np.zeros((resamples, rows.shape[1]))
    return np.asarray(rng.multinomial(n, weights / n, size=resamples) @ rows)


def _gathered_sums(rows: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """[R, p] sums of the units drawn; the generator is used in one order, whatever the block size."""
    n = len(rows)
    varying = np.flatnonzero(np.ptp(rows, axis=0))
    sums = np.tile(n * rows[0], (resamples, 1))
    step = max(1, _BLOCK // n)
    for start in range(0, resamples, step):
        drawn = rng.integers(n, size=(min(step, resamples - start), n), dtype=np.int32)
        for j in varying:
            sums[start : start + step, j] = rows[:, j].take(drawn).sum(axis=1)
    return sums


def _merged(replicates: Floats) -> Floats:
    """Ascending replicates, with those made equal that only the order of summation keeps apart."""
    if not replicates.size or np.isnan(replicates[-1]):
        return replicates
    apart = np.diff(replicates, prepend=-np.inf) > _ROUNDING * np.abs(replicates).max()
    return np.asarray(replicates[apart][np.cumsum(apart) - 1])


def _middles(replicates: Floats) -> tuple[Floats, Floats]:
    values, counts = np.unique(replicates, return_counts=True)
    return values, (np.cumsum(counts) - counts / 2) / replicates.size


def _bias(estimate: float, replicates: Floats) -> float:
    if math.isnan(estimate) or np.isnan(replicates).any() or replicates[0] == replicates[-1]:
        return math.nan
    return float(ndtri(np.interp(estimate, *_middles(replicates))))


def _acceleration(without_one: Floats, weights: npt.NDArray[np.int64]) -> float:
    """a = sum u^3 / (6 (sum u^2)^(3/2)), u the mean jackknife value minus each."""
    u = weights @ without_one / max(weights.sum(), 1) - without_one
    spread = float(weights @ u**2)
    return float(weights @ u**3) / (6 * spread**1.5) if spread > 0 else math.nan


def _bend(w: float, a: float) -> float:
    """w / (1 + a w); infinite on the side of `w` from its pole on."""
    if w == 0 or math.isinf(w):
        return w
    inverse = 1 / w + a
    return 1 / inverse if inverse * w > 0 else math.copysign(math.inf, w)


def _nan_unless(sound: bool, value: float) -> float:
    return float(value) if sound else math.nan
