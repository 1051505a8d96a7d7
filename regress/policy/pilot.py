"""What a pilot says about updates to come: how much they change, never in which direction.

A pilot's loss is what the gate will judge, on other items: planning with it would be judging twice.
So every number here stays the same if the old and the new answers are swapped, and those that are
estimated are taken at their one-sided upper bound, because a pilot is small.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from regress.comparison.judged import Judged
from regress.metrics.continuous import change
from regress.statistics import clustered, rates

PILOT_CONFIDENCE = 0.95
"""Of the one-sided upper bounds of what a pilot shows."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def changed(columns: Judged, beyond: float = 0.0) -> Bools:
    """Which rows an update changes: another correctness; on scores a change by more than `beyond`. [n]."""
    return columns.lost(beyond) | columns.gained(beyond)


def still_wrong_otherwise(columns: Judged) -> Bools:
    """Which rows are wrong on both sides, with two different answers. [n]."""
    return ~columns.old_correct & ~columns.new_correct & ~columns.same_answer


def share(columns: Judged, rows: Bools) -> float:
    """Upper bound of the share of instances that `rows` picks, in [0, 1]: Clopper-Pearson's.

    With clusters Korn and Graubard's; nan where there are fewer than two of them.
    """
    values, cluster = columns.averaged(rows)
    if cluster is None:
        return rates.upper_bound(float(values.sum()), values.size, PILOT_CONFIDENCE)
    return clustered.korn_graubard_upper(values, cluster, PILOT_CONFIDENCE)


def deviation(columns: Judged) -> float:
    """Upper bound of the standard deviation of one instance's change of score, as the mean's error sees it.

    √n SE, with clusters the clustered SE, times √(df / chi²_df): exact for normal differences, near
    enough for others; df = n - 1, with clusters K - 1. nan for fewer than two of either.
    """
    values, cluster = columns.averaged(change(columns.old_score, columns.new_score))
    freedom = (values.size if cluster is None else int(np.unique(cluster).size)) - 1
    if freedom < 1:
        return math.nan
    sd = clustered.standard_error(values, cluster) * math.sqrt(values.size)
    return sd * math.sqrt(freedom / float(chdtri(freedom, PILOT_CONFIDENCE)))


def design_of_rate(columns: Judged, rows: Bools, confidence: float) -> float:
    """How many clustered instances tell as much about a rate as one sampled on its own: 1 or more.

    n over Korn and Graubard's effective sample; 1 without clusters. Where no row changes, every cluster
    counts as one instance.
    """
    values, cluster = columns.averaged(rows)
    if cluster is None:
        return 1.0
    return values.size / clustered.effective_count(values, cluster, confidence)[1]


def design_of_mean(columns: Judged) -> float:
    """The same for the mean change of correctness: its variance over that of independent instances.

    Below 1 only where repeats are averaged: then no less than one over their number.
    """
    drop = columns.old_correct.astype(np.float64) - columns.new_correct
    values, cluster = columns.averaged(drop)
    if cluster is None:
        return 1.0
    variance = float(drop.var())
    if not variance:
        return values.size / int(np.unique(cluster).size)
    return max(
        clustered.standard_error(values, cluster) ** 2 * values.size / variance, values.size / columns.n
    )


def of_reruns(columns: Judged) -> Judged | None:
    """The old model beside that rerun of its own which changed most; null where none is stored.

    Which answers the rerun gave is not known, only how they were judged.
    """
    if columns.old_floor is None or not columns.old_floor.reruns:
        return None
    beside = [
        replace(
            columns,
            old_correct=columns.old_correct if one.correct is None else one.correct[0],
            new_correct=columns.new_correct if one.correct is None else one.correct[again],
            old_score=one.score[0],
            new_score=one.score[again],
        )
        for one in columns.old_floor.reruns.values()
        for again in range(1, len(one.score))
    ]
    return max(beside, key=_movement)


def _movement(columns: Judged) -> float:
    """Mean squared change; of answers that are right or wrong, the share that changed."""
    if columns.scale == "binary":
        return float(changed(columns).mean())
    return float(np.mean(change(columns.old_score, columns.new_score) ** 2))
