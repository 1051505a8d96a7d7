"""The gate's rule on many tables at once; `tests/policy/test_calibration.py` shows that it is `judge`'s.

Every function gives the two p-values of a rule, arrays of any one shape: `p_pass` against "the harm is at
least the limit", `p_fail` against "at most", nan where there is no such test.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from regress.policy.bounds import HALF
from regress.statistics import bootstrap, paired, rates

from .findings import ALPHA

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Tests = tuple[Floats, Floats]

UNDECIDED, PASS, FAIL = 0, 1, 2

RESAMPLES = 2_000
"""Resamples of a simulated data set; the gate draws 10,000 of a real one."""


# ── independent pairs ────────────────────────────────────────────────────────────────────────────


def drop(lost: Ints, gained: Ints, n: int, limit: float) -> Tests:
    """Tango's score test of a fall of accuracy; half a lost pair less is held against the new model.

    Where nothing was gained, whether it passes is Clopper and Pearson's test of the losses.
    """
    score = np.asarray(paired.non_inferiority_p(lost, gained, n, limit))
    return (
        np.where(gained == 0, rate(lost, n, limit)[0], score),
        np.asarray(paired.inferiority_p(np.maximum(lost - HALF, 0.0), gained, n, limit)),
    )


def rate(flips: npt.NDArray[np.generic], n: npt.ArrayLike, limit: float) -> Tests:
    """Clopper and Pearson's test of a rate."""
    return np.asarray(rates.p_at_most(flips, n, limit)), np.asarray(rates.p_at_least(flips, n, limit))


def score_drop(falls: Floats, limit: float, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> Tests:
    """The bootstrap of the mean of [draws, n] falls; where few differ, how many got worse at most."""
    p_pass, p_fail = rate((falls > 0).sum(axis=1), falls.shape[1], limit)
    p_fail = np.full_like(p_pass, np.nan)
    for place, values in enumerate(falls):
        if bootstrap.admitted(values):
            made = bootstrap.mean(values, rng, resamples=resamples)
            p_pass[place], p_fail[place] = made.p_pass(limit), made.p_fail(limit)
    return p_pass, p_fail


def excess(
    counts: Ints,
    excess: Floats,
    flip: Ints,
    limit: float,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> Tests:
    """The bootstrap of an excess NFR of [draws, kinds] counts; where few differ, the NFR's upper bound."""
    n = int(counts[0].sum())
    p_pass, _ = rate(counts @ flip, n, limit)
    p_fail = np.full_like(p_pass, np.nan)
    for place, row in enumerate(counts):
        values = np.repeat(excess, row)
        if bootstrap.admitted(values):
            made = bootstrap.mean(values, rng, resamples=resamples)
            p_pass[place], p_fail[place] = made.p_pass(limit), made.p_fail(limit)
    return p_pass, p_fail


# ── clusters ─────────────────────────────────────────────────────────────────────────────────────


def clustered_rate(flips: Ints, sizes: Ints, limit: float) -> Tests:
    """Korn and Graubard's test of a rate, from [draws, K] counts."""
    return rate(*_effective(flips, sizes), limit)


def clustered_drop(lost: Ints, gained: Ints, sizes: Ints, limit: float) -> Tests:
    """Student's t with Miller's standard error, from [draws, K] counts.

    Where few clusters differ, how many pairs were lost at most.
    """
    sums, n, clusters = (lost - gained).astype(np.float64), int(sizes.sum()), sizes.size
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (sums.sum(axis=1) / n - limit) / _standard_error(sums, sizes)
    p_pass, p_fail = special.stdtr(clusters - 1, t), special.stdtr(clusters - 1, -t)
    few = np.count_nonzero(sums, axis=1) < bootstrap.MINIMUM_CLUSTERS
    return np.where(few, clustered_rate(lost, sizes, limit)[0], p_pass), np.where(few, np.nan, p_fail)


def clustered_score_drop(
    sums: Floats,
    worse: Ints,
    sizes: Ints,
    limit: float,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> Tests:
    """The bootstrap of [draws, K] sums of falls, whole clusters resampled.

    Where few clusters differ, how many scores fell at most ([draws, K] counts).
    """
    p_pass, _ = clustered_rate(worse, sizes, limit)
    p_fail = np.full_like(p_pass, np.nan)
    for place, row in enumerate(sums):
        if np.count_nonzero(np.abs(row) > 1e-9) >= bootstrap.MINIMUM_CLUSTERS:
            made = bootstrap.bootstrap(np.column_stack([row, sizes]), _mean, rng, resamples=resamples)
            p_pass[place], p_fail[place] = made.p_pass(limit), made.p_fail(limit)
    return p_pass, p_fail


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def clustered_excess(
    counts: Ints,
    excess: Floats,
    flip: Ints,
    limit: float,
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> Tests:
    """The bootstrap of an excess NFR of [draws, K, kinds] counts, whole clusters resampled."""
    sizes = counts[0].sum(axis=1)
    p_pass, _ = clustered_rate(counts @ flip, sizes, limit)
    p_fail = np.full_like(p_pass, np.nan)
    cluster = np.repeat(np.arange(sizes.size), sizes)
    for place, table in enumerate(counts):
        values = np.repeat(np.tile(excess, sizes.size), table.ravel())
        if bootstrap.admitted(values, cluster):
            made = bootstrap.mean(values, rng, resamples=resamples, cluster=cluster)
            p_pass[place], p_fail[place] = made.p_pass(limit), made.p_fail(limit)
    return p_pass, p_fail


def _standard_error(sums: Floats, sizes: Ints) -> Floats:
    n = sizes.sum()
    mean = sums.sum(axis=1, keepdims=True) / n
    return np.asarray(np.linalg.norm(sums - mean * sizes, axis=1) / n)


def _effective(flips: Ints, sizes: Ints) -> tuple[Floats, Floats]:
    """[draws] effective successes and items."""
    n, clusters = int(sizes.sum()), sizes.size
    share = flips.sum(axis=1) / n
    shrinkage = (special.ndtri(1 - ALPHA) / special.stdtrit(clusters - 1, 1 - ALPHA)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        counted = share * (1 - share) * shrinkage / _standard_error(flips.astype(np.float64), sizes) ** 2
    counted = np.where((share == 0) | (share == 1), clusters, np.minimum(counted, n))
    return share * counted, counted


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────


def outcomes(tests: list[Tests]) -> Codes:
    """[rules, draws] what comes of blocking rules, their p-values of failing adjusted by Holm's method."""
    p_pass, p_fail = (np.stack(side) for side in zip(*tests, strict=True))
    failing = _holm(p_fail) < ALPHA
    return np.where(p_pass <= ALPHA, PASS, np.where(failing, FAIL, UNDECIDED)).astype(np.int8)


def gate(outcomes: Codes) -> Codes:
    """[draws] fails if a rule fails, passes if all pass."""
    failed, passed = (outcomes == FAIL).any(axis=0), (outcomes == PASS).all(axis=0)
    return np.where(failed, FAIL, np.where(passed, PASS, UNDECIDED)).astype(np.int8)


def _holm(p: Floats) -> Floats:
    """Holm's adjustment along the first axis; nan, no test on these data, counts as 1."""
    p = np.where(np.isnan(p), 1.0, p)
    order = np.argsort(p, axis=0)
    ranked = np.take_along_axis(p, order, axis=0)
    steps = np.arange(len(p)).reshape(-1, *[1] * (p.ndim - 1))
    adjusted = np.minimum(np.maximum.accumulate(ranked * (len(p) - steps), axis=0), 1.0)
    result = np.empty_like(p)
    np.put_along_axis(result, order, adjusted, axis=0)
    return result
