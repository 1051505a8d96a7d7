"""The estimates of one task, or of several pooled, from its judged columns, each with its interval.

Estimates by scale (definitions: `regress.metrics.flips`, `regress.metrics.continuous`):

    binary    old new delta nfr pfr nfr_mc btc bec nfi relative_nfr churn
    bounded   old new delta nfr pfr nfr_tau pfr_tau m_g m_r churn
    unbounded old new delta nfr pfr m_g m_r churn

and where the old model was rerun those of `regress.comparison.noise`. Each estimate's `n` is the number
of instances it rests on: those in its denominator. Intervals are two-sided at 95 %:

    rates           Wilson; with clusters (or repeats) Korn-Graubard
    delta, binary   Tango's score; with clusters Miller's standard error and Student's t
    old, new scores Miller's standard error and Student's t
    delta, scores; m_g, m_r, relative_nfr   paired bootstrap (BCa) where enough instances differ; with
                    clusters (or repeats) whole clusters resampled, where enough of them differ
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from regress.comparison.judged import Judged
from regress.comparison.noise import noise
from regress.metrics import continuous
from regress.metrics import flips as discrete
from regress.statistics import bootstrap, clustered, paired, rates
from regress.types import Estimate, Notice

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
"""Confidence of every interval that is shown."""

ROUGH = 5
"""With fewer expected successes (or failures), Wilson's interval covers less than it says."""

Interval = tuple[float, float]


def estimates(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    """Every estimate that the scale defines, by name.

    Args:
        columns: The judged columns.
        rng: Where resamples come from.
    """
    made = _binary(columns, rng) if columns.scale == "binary" else _scored(columns, rng)
    changed = ~columns.same_answer
    made["churn"] = _rate(columns, discrete.churn(columns.same_answer), changed, defined=columns.answers)
    return made | noise(columns, rng)


def _binary(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    old, new, same = columns.old_correct, columns.new_correct, columns.same_answer
    lost, gained = columns.lost(), columns.gained()
    wrong_otherwise = ~new & ~same
    return {
        "old": _rate(columns, discrete.accuracy(old), old),
        "new": _rate(columns, discrete.accuracy(new), new),
        "delta": _accuracy_change(columns),
        "nfr": _rate(columns, discrete.nfr(old, new), lost),
        "pfr": _rate(columns, discrete.pfr(old, new), gained),
        "nfr_mc": _rate(columns, discrete.nfr_mc(new, same), wrong_otherwise, defined=columns.answers),
        "btc": _rate(columns, discrete.btc(old, new), new, of=old),
        "bec": _rate(columns, discrete.bec(old, new), ~old, of=~new),
        "nfi": _rate(columns, discrete.nfi(old, new), old, of=~new),
        "relative_nfr": _relative_nfr(columns, rng),
    }


def _scored(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    old, new = columns.old_score, columns.new_score
    change = columns.change
    made = {
        "old": _mean(columns, continuous.mean_score(old), old),
        "new": _mean(columns, continuous.mean_score(new), new),
        "delta": _score_change(columns, change, rng),
        "nfr": _rate(columns, continuous.nfr(old, new), columns.lost()),
        "pfr": _rate(columns, continuous.pfr(old, new), columns.gained()),
    }
    if columns.scale == "bounded":
        tau = continuous.TAU
        made["nfr_tau"] = _rate(columns, continuous.nfr(old, new, tau=tau), columns.lost(tau))
        made["pfr_tau"] = _rate(columns, continuous.pfr(old, new, tau=tau), columns.gained(tau))
    made["m_g"] = _mean_gain(columns, continuous.m_g(old, new), change, rng)
    made["m_r"] = _mean_gain(columns, continuous.m_r(old, new), -change, rng)
    return made


# ── intervals ────────────────────────────────────────────────────────────────────────────────────


def _rate(
    columns: Judged, value: float, hits: Bools, *, of: Bools | None = None, defined: bool = True
) -> Estimate:
    """A share of instances (or of the rows `of`), with its interval."""
    n = columns.items(of)
    if not defined or not math.isfinite(value):
        return Estimate(value=math.nan, n=n)
    if columns.units is None:
        k = int(np.count_nonzero(hits if of is None else hits & of))
        rough = min(k, n - k) < ROUGH
        return _estimate(value, n, rates.wilson(k, n, CONFIDENCE), "wilson", rough=rough)
    interval = clustered.korn_graubard(hits, columns.units, CONFIDENCE, of)
    return _estimate(value, n, interval, "korn-graubard")


def _accuracy_change(columns: Judged) -> Estimate:
    value = discrete.delta(columns.old_correct, columns.new_correct)
    if columns.n == 0:
        return Estimate(value=value, n=0)
    if columns.units is not None:
        return _mean(columns, value, columns.change)
    lost, gained = int(columns.lost().sum()), int(columns.gained().sum())
    return _estimate(value, columns.n, paired.tango_interval(lost, gained, columns.n, CONFIDENCE), "tango")


def _mean(columns: Judged, value: float, values: Floats) -> Estimate:
    """A mean with Miller's standard error; no interval where there is no spread to estimate."""
    interval = clustered.mean_interval(values, columns.units, CONFIDENCE)
    return _estimate(value, columns.items(), interval, "miller-t")


def _score_change(columns: Judged, change: Floats, rng: np.random.Generator) -> Estimate:
    value = continuous.delta(columns.old_score, columns.new_score)
    return _resampled(columns, value, change, lambda: bootstrap.mean(change, rng, cluster=columns.units))


def _mean_gain(columns: Judged, value: float, change: Floats, rng: np.random.Generator) -> Estimate:
    rose, units = change > 0, columns.units
    made = _resampled(
        columns, value, np.where(rose, change, 0.0), lambda: bootstrap.mean_gain(change, rng, cluster=units)
    )
    return _of(made, columns.items(rose))


def _relative_nfr(columns: Judged, rng: np.random.Generator) -> Estimate:
    old, new = columns.old_correct, columns.new_correct
    value, lost = discrete.relative_nfr(old, new), columns.lost().astype(np.float64)
    rows = np.column_stack([lost, old, ~new, np.ones_like(lost)])

    def quotient(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] * sums[..., 3] / (sums[..., 1] * sums[..., 2]))

    return _resampled(
        columns, value, lost, lambda: bootstrap.bootstrap(rows, quotient, rng, cluster=columns.units)
    )


def _resampled(
    columns: Judged, value: float, differing: Floats, resample: Callable[[], bootstrap.Bootstrap]
) -> Estimate:
    """With a bootstrap interval where enough rows differ; else with a warning."""
    n, units = columns.items(), columns.units
    if not math.isfinite(value):
        return Estimate(value=value, n=n)
    if not bootstrap.admitted(differing, units):
        nonzero = int(np.count_nonzero(np.abs(bootstrap.unit_sums(differing, units)) > continuous.TIE))
        minimum, unit = (
            (bootstrap.MINIMUM_ITEMS, "instances")
            if units is None
            else (bootstrap.MINIMUM_CLUSTERS, "clusters")
        )
        few = Notice(code="few-differences", data={"nonzero": nonzero, "minimum": minimum, "unit": unit})
        return Estimate(value=value, n=n, warnings=(few,) if nonzero < minimum else ())
    return _estimate(value, n, resample().interval(CONFIDENCE), "bca" if units is None else "bca-clustered")


def _estimate(value: float, n: int, interval: Interval, method: str, *, rough: bool = False) -> Estimate:
    low, high = interval
    if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)) or low == high:
        return Estimate(value=value, n=n)
    warnings = (Notice(code="interval-rough"),) if rough else ()
    return Estimate(
        value=value, n=n, low=low, high=high, confidence=CONFIDENCE, method=method, warnings=warnings
    )


def _of(made: Estimate, n: int) -> Estimate:
    return Estimate(**{**vars(made), "n": n})
