"""One-sided bounds of a harm theta, and the two p-values that a rule is decided by.

`p_pass` tests H0 "theta >= limit", `p_fail` tests H0 "theta <= limit". An upper bound at confidence
1 - alpha is at most the limit exactly where `p_pass <= alpha`, and a lower bound above it exactly where
`p_fail < alpha`. What cannot be tested is nan: then nothing follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from regress.metrics.continuous import TIE
from regress.statistics import bootstrap, clustered, paired, rates

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

HALF = 0.5
"""Continuity correction of the test that an accuracy fell too far: without it, it would fail 7 to 9 in a
hundred innocent updates where fewer than thirty flips are expected; with it, never 6 (enumerated)."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the items say about a harm."""

    estimate: float
    """The harm observed."""
    n: int
    """Instances it rests on."""
    high: float
    """One-sided upper bound."""
    p_pass: float
    """p-value against "the harm is at least the limit"."""
    method: str
    """How they were made."""
    low: float = math.nan
    """One-sided lower bound; nan where there is none."""
    p_fail: float = math.nan
    """p-value against "the harm is at most the limit"; nan where there is no such test."""
    clusters: int | None = None
    """Groups of instances sampled together; null where each was sampled alone."""


def rate(flips: Floats, cluster: Codes | None, limit: float, confidence: float) -> Bounds:
    """Bounds of a rate: Clopper-Pearson, with clusters on Korn and Graubard's effective sample.

    Args:
        flips: [n] in [0, 1], fractions where repeats were averaged.
        cluster: [n] codes; null where every instance was sampled alone.
        limit: The limit.
        confidence: Of either bound.

    >>> found = rate(np.repeat([1.0, 0.0], [20, 980]), None, 0.05, 0.95)
    >>> round(found.low, 4), round(found.high, 4), found.p_pass < 0.05
    (0.0133, 0.0289, True)
    """
    k, n = _effective(flips, cluster, confidence)
    counted = cluster is None and not _fractional(flips)
    return Bounds(
        estimate=float(flips.mean()),
        n=flips.size,
        low=rates.lower_bound(k, n, confidence),
        high=rates.upper_bound(k, n, confidence),
        p_pass=float(rates.p_at_most(k, n, limit)),
        p_fail=float(rates.p_at_least(k, n, limit)),
        method="clopper-pearson" if counted else "korn-graubard",
        clusters=_clusters(cluster),
    )


def accuracy_drop(drop: Floats, cluster: Codes | None, limit: float, confidence: float) -> Bounds | None:
    """Bounds of a fall of accuracy: Tango's score test, with clusters or repeats Miller's standard error.

    The lower bound and its test count half a lost answer less (`HALF`). Where nothing was gained, the fall
    is a rate of losses, and the upper bound and its test are Clopper and Pearson's: there the score test
    would pass up to 6 in a hundred updates that are at the limit, the exact one never more than 5.5.

    Args:
        drop: [n] in [-1, 1], old right minus new right.
        cluster: [n] codes; null where every instance was sampled alone.
        limit: The limit.
        confidence: Of either bound.
    """
    if cluster is not None or _fractional(drop):
        return _student(drop, cluster, limit, confidence)
    lost, gained, n = int((drop > 0).sum()), int((drop < 0).sum()), drop.size
    return Bounds(
        estimate=(lost - gained) / n,
        n=n,
        low=-paired.tango_upper(max(0.0, lost - HALF), gained, n, confidence),
        high=-paired.tango_lower(lost, gained, n, confidence)
        if gained
        else rates.upper_bound(lost, n, confidence),
        p_pass=paired.non_inferiority_p(lost, gained, n, limit)
        if gained
        else rates.p_at_most(lost, n, limit),
        p_fail=paired.inferiority_p(max(0.0, lost - HALF), gained, n, limit),
        method="tango" if gained else "tango-exact",
    )


def score_drop(
    drop: Floats,
    cluster: Codes | None,
    limit: float,
    confidence: float,
    rng: np.random.Generator,
    *,
    span: float | None,
) -> Bounds | None:
    """Bounds of a fall of the mean score: paired BCa, whole clusters resampled.

    Falls of scores are skewed, a few answers collapsing while many gain a little: Student's t with
    Miller's standard error would pass 7 to 16 in a hundred updates that are at the limit.

    Args:
        drop: [n] old score minus new score.
        cluster: [n] codes; null where every instance was sampled alone.
        limit: The limit.
        confidence: Of either bound.
        rng: Where resamples come from.
        span: The most that one score can fall; null where there is no bound.

    Returns:
        Null where too few scores differ for resampling and `span` is unknown.
    """
    if bootstrap.admitted(drop, cluster):
        return _resampled(drop, cluster, limit, confidence, rng)
    return _without_spread(drop, cluster, limit, confidence, span)


def excess_rate(
    excess: Floats,
    flips: Floats,
    cluster: Codes | None,
    limit: float,
    confidence: float,
    rng: np.random.Generator,
) -> Bounds:
    """Bounds of an excess flip rate: paired BCa, whole clusters resampled.

    With few non-zero rows, the upper bound of the flip rate itself: the floor is never below 0.

    Args:
        excess: [n] flips less how often the old model flips by itself.
        flips: [n] the flips.
        cluster: [n] codes; null where every instance was sampled alone.
        limit: The limit.
        confidence: Of either bound.
        rng: Where resamples come from.
    """
    if bootstrap.admitted(excess, cluster):
        return _resampled(excess, cluster, limit, confidence, rng)
    k, n = _effective(flips, cluster, confidence)
    return Bounds(
        estimate=float(excess.mean()),
        n=excess.size,
        high=rates.upper_bound(k, n, confidence),
        p_pass=float(rates.p_at_most(k, n, limit)),
        method="upper-bound",
        clusters=_clusters(cluster),
    )


def _student(values: Floats, cluster: Codes | None, limit: float, confidence: float) -> Bounds | None:
    if not bootstrap.admitted(values, cluster):
        return _without_spread(values, cluster, limit, confidence, 1.0)
    error = clustered.standard_error(values, cluster)
    mean, clusters = float(values.mean()), _clusters(cluster)
    freedom = (clusters or values.size) - 1
    quantile = float(special.stdtrit(freedom, confidence))
    t = (mean - limit) / error
    return Bounds(
        estimate=mean,
        n=values.size,
        low=mean - quantile * error,
        high=mean + quantile * error,
        p_pass=float(special.stdtr(freedom, t)),
        p_fail=float(special.stdtr(freedom, -t)),
        method="miller-t",
        clusters=clusters,
    )


def _resampled(
    values: Floats,
    cluster: Codes | None,
    limit: float,
    confidence: float,
    rng: np.random.Generator,
) -> Bounds:
    resampled = bootstrap.mean(values, rng, cluster=cluster)
    return Bounds(
        estimate=resampled.estimate,
        n=values.size,
        low=resampled.lower(confidence),
        high=resampled.upper(confidence),
        p_pass=resampled.p_pass(limit),
        p_fail=resampled.p_fail(limit),
        method="bca" if cluster is None else "bca-clustered",
        clusters=_clusters(cluster),
    )


def _without_spread(
    values: Floats, cluster: Codes | None, limit: float, confidence: float, span: float | None
) -> Bounds | None:
    """Where so few values differ from 0, or from each other, that their spread says nothing."""
    if span is None:
        return None
    if np.ptp(values) <= TIE and values[0] != 0.0:
        return _constant(values, cluster, limit, confidence, span)
    k, n = _effective((values > 0).astype(np.float64), cluster, confidence)
    # at most so many got worse, and each by the whole span; that they did cannot be shown this way
    return Bounds(
        estimate=float(values.mean()),
        n=values.size,
        high=span * rates.upper_bound(k, n, confidence),
        p_pass=float(rates.p_at_most(k, n, min(1.0, limit / span))),
        method="upper-bound",
        clusters=_clusters(cluster),
    )


def _constant(values: Floats, cluster: Codes | None, limit: float, confidence: float, span: float) -> Bounds:
    """Where nothing varies, what the share of other values in the population can still be.

    Of n equal values v the share p of v in the population is at least the Clopper-Pearson bound for n
    out of n; the others lie anywhere between -span and span.
    """
    value, units = float(values[0]), values.size if cluster is None else int(np.unique(cluster).size)
    others = rates.upper_bound(0, units, confidence)
    return Bounds(
        estimate=value,
        n=values.size,
        low=value - others * (span + value),
        high=value + others * (span - value),
        p_pass=_all_but(units, (limit - value) / (span - value) if span > value else 0.0),
        p_fail=_all_but(units, (value - limit) / (span + value)),
        method="constant",
        clusters=_clusters(cluster),
    )


def _all_but(units: int, share: float) -> float:
    """P(none of `units` is an exception) where exceptions have this share; 1 where it is not above 0."""
    return float((1.0 - min(1.0, share)) ** units) if share > 0.0 else 1.0


def _effective(flips: Floats, cluster: Codes | None, confidence: float) -> tuple[float, float]:
    if cluster is None and not _fractional(flips):
        return float(flips.sum()), float(flips.size)
    # an average over repeats varies less than a single answer would
    units = np.arange(flips.size) if cluster is None else cluster
    return clustered.effective_count(flips, units, confidence)


def _fractional(values: Floats) -> bool:
    """Whether repeats were averaged, so that values need not be -1, 0 or 1."""
    return bool(np.any(values != np.rint(values)))


def _clusters(cluster: Codes | None) -> int | None:
    return None if cluster is None else int(np.unique(cluster).size)
