"""The estimates of one task, or of several pooled, from its judged columns, each with its interval.

Estimates by scale (definitions: `regress.metrics.flips`, `regress.metrics.continuous`):

    binary    old new delta nfr pfr nfr_mc btc bec nfi relative_nfr churn
    bounded   old new delta nfr pfr nfr_tau pfr_tau m_g m_r churn
    unbounded old new delta nfr pfr m_g m_r churn

where the old model was rerun those of `regress.comparison.noise`, and in the row of a single task
model_nfr and model_pfr of `regress.comparison.kinds`. Each estimate's `n` is the number
of instances it rests on: those in its denominator. Intervals are two-sided at 95 %:

    rates           Wilson; with clusters (or repeats) Korn-Graubard
    delta, binary   Tango's score; with clusters Miller's standard error and Student's t
    old, new scores Miller's standard error and Student's t
    delta, scores; m_g, m_r, relative_nfr   paired bootstrap (BCa) where enough instances differ; with
                    clusters (or repeats) whole clusters resampled, where enough of them differ
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from regress.comparison.intervals import CONFIDENCE, Floats, estimate, mean, rate, resampled
from regress.comparison.judged import Judged
from regress.comparison.noise import noise
from regress.metrics import continuous
from regress.metrics import flips as discrete
from regress.statistics import bootstrap, paired
from regress.types import Estimate


def estimates(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    """Every estimate that the scale defines, by name.

    Args:
        columns: The judged columns.
        rng: Where resamples come from.
    """
    made = _binary(columns, rng) if columns.scale == "binary" else _scored(columns, rng)
    changed = ~columns.same_answer
    made["churn"] = rate(columns, discrete.churn(columns.same_answer), changed, defined=columns.answers)
    return made | noise(columns, rng)


def basic(columns: Judged) -> dict[str, Estimate]:
    """old, new, delta, nfr and pfr, whatever the scale, none of them resampled.

    A delta of scores has Miller's standard error and Student's t here: parts of a task are many.
    """
    if columns.scale == "binary":
        right = columns.old_correct, columns.new_correct
        old, new = (rate(columns, discrete.accuracy(side), side) for side in right)
        delta = _accuracy_change(columns)
        nfr, pfr = discrete.nfr(*right), discrete.pfr(*right)
    else:
        scores = columns.old_score, columns.new_score
        old, new = (mean(columns, continuous.mean_score(side), side) for side in scores)
        delta = mean(columns, continuous.delta(*scores), columns.change)
        nfr, pfr = continuous.nfr(*scores), continuous.pfr(*scores)
    return {
        "old": old,
        "new": new,
        "delta": delta,
        "nfr": rate(columns, nfr, columns.lost()),
        "pfr": rate(columns, pfr, columns.gained()),
    }


def _binary(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    old, new, same = columns.old_correct, columns.new_correct, columns.same_answer
    wrong_otherwise = ~new & ~same
    return {
        **basic(columns),
        "nfr_mc": rate(columns, discrete.nfr_mc(new, same), wrong_otherwise, defined=columns.answers),
        "btc": rate(columns, discrete.btc(old, new), new, of=old),
        "bec": rate(columns, discrete.bec(old, new), ~old, of=~new),
        "nfi": rate(columns, discrete.nfi(old, new), old, of=~new),
        "relative_nfr": _relative_nfr(columns, rng),
    }


def _scored(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    old, new = columns.old_score, columns.new_score
    change = columns.change
    made = basic(columns) | {"delta": _score_change(columns, change, rng)}
    if columns.scale == "bounded":
        tau = continuous.TAU
        made["nfr_tau"] = rate(columns, continuous.nfr(old, new, tau=tau), columns.lost(tau))
        made["pfr_tau"] = rate(columns, continuous.pfr(old, new, tau=tau), columns.gained(tau))
    made["m_g"] = _mean_gain(columns, continuous.m_g(old, new), change, rng)
    made["m_r"] = _mean_gain(columns, continuous.m_r(old, new), -change, rng)
    return made


# ── intervals ────────────────────────────────────────────────────────────────────────────────────


def _accuracy_change(columns: Judged) -> Estimate:
    value = discrete.delta(columns.old_correct, columns.new_correct)
    if columns.n == 0:
        return Estimate(value=value, n=0)
    if columns.units is not None:
        return mean(columns, value, columns.change)
    lost, gained = int(columns.lost().sum()), int(columns.gained().sum())
    return estimate(value, columns.n, paired.tango_interval(lost, gained, columns.n, CONFIDENCE), "tango")


def _score_change(columns: Judged, change: Floats, rng: np.random.Generator) -> Estimate:
    value = continuous.delta(columns.old_score, columns.new_score)
    return resampled(columns, value, change, lambda: bootstrap.mean(change, rng, cluster=columns.units))


def _mean_gain(columns: Judged, value: float, change: Floats, rng: np.random.Generator) -> Estimate:
    rose, units = change > 0, columns.units
    made = resampled(
        columns, value, np.where(rose, change, 0.0), lambda: bootstrap.mean_gain(change, rng, cluster=units)
    )
    return replace(made, n=columns.items(rose))


def _relative_nfr(columns: Judged, rng: np.random.Generator) -> Estimate:
    old, new = columns.old_correct, columns.new_correct
    value, lost = discrete.relative_nfr(old, new), columns.lost().astype(np.float64)
    rows = np.column_stack([lost, old, ~new, np.ones_like(lost)])

    def quotient(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] * sums[..., 3] / (sums[..., 1] * sums[..., 2]))

    return resampled(
        columns, value, lost, lambda: bootstrap.bootstrap(rows, quotient, rng, cluster=columns.units)
    )
