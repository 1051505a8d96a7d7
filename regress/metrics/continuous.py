"""Flips of scores: how often, and by how much, an update makes an answer better or worse.

Every function takes two vectors of n finite scores, higher is better. With the change D = new - old,
an instance flips negatively where D < -tau and positively where D > tau. Changes within 1e-9 of a
threshold count as lying on it, because scores are quotients of floats. Rates are fractions in
[0, 1], mean gain and mean loss have the unit of the score; all are nan where they have nothing to
average. All raise `ValueError` if the vectors differ in length.

The identity that holds at tau = 0: mean(D) = pfr * m_g - nfr * m_r, where 0 * nan is taken as 0.

Reference: Echterhoff et al. 2024 (MUSCLE), the smooth metrics; tau is ours.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

TIE = 1e-9
"""Changes of score no larger than this are no change."""

TAU = 0.05
"""The tolerance that is always shown beside 0: without one, any change by any amount is a flip."""

Floats = npt.NDArray[np.float64]


def change(old_score: npt.ArrayLike, new_score: npt.ArrayLike) -> Floats:
    """D = new - old, [n] float64 in the unit of the score; exactly 0 where it is within 1e-9 of 0.

    >>> change([0.5, 0.3], [0.6, 0.1 + 0.2]).round(6).tolist()
    [0.1, 0.0]
    """
    old, new = np.asarray(old_score, dtype=np.float64), np.asarray(new_score, dtype=np.float64)
    if old.ndim != 1 or old.shape != new.shape:
        raise ValueError(f"expected vectors of one length, got shapes {old.shape}, {new.shape}")
    difference = new - old
    difference[np.abs(difference) <= TIE] = 0.0
    return difference


def mean_score(score: npt.ArrayLike) -> float:
    """Mean of [n] scores, in their unit; nan if n = 0.

    >>> mean_score([0.25, 0.75])
    0.5
    """
    return _mean(np.asarray(score, dtype=np.float64))


def delta(old_score: npt.ArrayLike, new_score: npt.ArrayLike) -> float:
    """Mean change, mean(D), in the unit of the score; nan if n = 0.

    It is mean(new) - mean(old) to within the 1e-9 that count as no change.

    >>> round(delta([0.5, 0.2, 0.9, 0.4, 0.3], [0.6, 0.2, 0.7, 0.4, 0.8]), 12)
    0.08
    """
    return _mean(change(old_score, new_score))


def nfr(old_score: npt.ArrayLike, new_score: npt.ArrayLike, *, tau: float = 0.0) -> float:
    """Smooth negative flip rate: share of instances whose score fell by more than `tau`; nan if n = 0.

    >>> nfr([0.5, 0.2, 0.9, 0.4, 0.3], [0.6, 0.2, 0.7, 0.4, 0.8])
    0.2
    """
    return _mean(change(old_score, new_score) < -tau - TIE)


def pfr(old_score: npt.ArrayLike, new_score: npt.ArrayLike, *, tau: float = 0.0) -> float:
    """Smooth positive flip rate: share of instances whose score rose by more than `tau`; nan if n = 0.

    >>> pfr([0.5, 0.2, 0.9, 0.4, 0.3], [0.6, 0.2, 0.7, 0.4, 0.8])
    0.4
    """
    return _mean(change(old_score, new_score) > tau + TIE)


def m_g(old_score: npt.ArrayLike, new_score: npt.ArrayLike) -> float:
    """Mean gain: average rise over the instances whose score rose; nan if none did, never 0.

    >>> round(m_g([0.5, 0.2, 0.9, 0.4, 0.3], [0.6, 0.2, 0.7, 0.4, 0.8]), 12)
    0.3
    """
    difference = change(old_score, new_score)
    return _mean(difference[difference > 0])


def m_r(old_score: npt.ArrayLike, new_score: npt.ArrayLike) -> float:
    """Mean regression: average fall, as a positive number, where the score fell; nan if none did.

    >>> round(m_r([0.5, 0.2, 0.9, 0.4, 0.3], [0.6, 0.2, 0.7, 0.4, 0.8]), 12)
    0.2
    """
    difference = change(old_score, new_score)
    return _mean(-difference[difference < 0])


def _mean(values: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else math.nan
