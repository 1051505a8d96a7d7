"""Noise: flips that a model shows against itself, and what is left of an update's flips beside them.

Runs of one model are stacked as [R, n]: R runs, themselves and their reruns, of the same n instances.
An A/A pair is two of these runs on one instance. A floor is an expectation per instance, [n] float64;
excess flips are what an update loses beyond it, and lie in [-1, 1].
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TIE = 1e-9
"""Changes of score no larger than this are no change, as in `regress.metrics.continuous`."""

PADDING_FAULT = 1e-2
"""Log-likelihoods, in nats, that move further with the batch size in float32 are a fault of padding or
mask: rounding moves them by some 1e-4."""

MARGIN_QUANTILE = 0.999
ENOUGH_PAIRS = 1000
"""With fewer A/A pairs there is no such quantile, and the largest is taken."""


def self_flips(correct: npt.ArrayLike) -> Floats:
    """How often each instance flips negatively between two runs of one model: [n] in [0, 0.5].

    The mean over ordered pairs of runs i, j of 1[i right and j wrong], r (R - r) / (R (R - 1)) if r of R
    runs are right: unbiased for p (1 - p). nan with fewer than two runs.

    Args:
        correct: [R, n] booleans.

    >>> self_flips([[True, True], [True, False], [True, False]]).round(4).tolist()
    [0.0, 0.3333]
    """
    runs = _stacked(correct, np.bool_)
    repeats, right = len(runs), runs.sum(axis=0)
    if repeats < 2:
        return np.full(right.shape, math.nan)
    return np.asarray(right * (repeats - right) / (repeats * (repeats - 1)))


def self_falls(score: npt.ArrayLike, tau: float = 0.0) -> Floats:
    """How often each instance's score falls by more than `tau` between two runs of one model: [n].

    In [0, 0.5]: the mean over ordered pairs of runs i, j of 1[score_j - score_i < -tau], where changes
    within 1e-9 of the threshold lie on it. nan with fewer than two runs.

    Args:
        score: [R, n] finite scores, higher is better.
        tau: How far a score must fall to count.

    >>> self_falls([[0.5, 0.2], [0.5, 0.6]], tau=0.1).tolist()
    [0.0, 0.5]
    """
    runs = _stacked(score, np.float64)
    pairs = len(runs) * (len(runs) - 1)
    if not pairs:
        return np.full(runs.shape[1], math.nan)
    falls = np.zeros(runs.shape[1])
    for before, after in itertools.permutations(runs, 2):
        falls += after - before < -tau - TIE
    return falls / pairs


def excess(lost: npt.ArrayLike, floor: npt.ArrayLike) -> Floats:
    """Excess flips of each instance: e = lost - floor, [n] in [-1, 1]; their mean is the excess NFR.

    Not clipped at 0, or noise would look like harm.

    Args:
        lost: [n] negative flips of the update: booleans, or their mean over repeats.
        floor: [n] how often the old model flips so by itself (`self_flips`, `self_falls`).

    >>> excess([True, False], [0.25, 0.25]).tolist()
    [0.75, -0.25]
    """
    flips, expected = np.asarray(lost, dtype=np.float64), np.asarray(floor, dtype=np.float64)
    if flips.shape != expected.shape:
        raise ValueError(f"expected vectors of one length, got shapes {flips.shape}, {expected.shape}")
    return flips - expected


def margin_noise(margins: npt.ArrayLike) -> tuple[float, bool]:
    """How far gold margins move by themselves: (epsilon, capped).

    epsilon is the 0.999 quantile of |g - g'| over all pairs of runs and all instances, the next higher
    value where it falls between two. Below 1,000 such pairs it is the largest, and `capped` is true.
    Pairs whose difference is not a number (a margin unknown, or both infinite) are left out; nan, capped,
    if none is left.

    Args:
        margins: [R, n] gold margins, nan where unknown.

    >>> margin_noise([[1.0, -2.0], [1.25, -2.5]])
    (0.5, True)
    """
    runs = _stacked(margins, np.float64)
    with np.errstate(invalid="ignore"):
        moved = [np.abs(first - second) for first, second in itertools.combinations(runs, 2)]
    known = np.concatenate([[], *moved])
    known = known[~np.isnan(known)]
    if not known.size:
        return math.nan, True
    capped = known.size < ENOUGH_PAIRS
    place = known.size - 1 if capped else math.ceil(MARGIN_QUANTILE * (known.size - 1))
    return float(np.partition(known, place)[place]), capped


def coin_toss(old_margin: npt.ArrayLike, new_margin: npt.ArrayLike, epsilon: float) -> Bools:
    """Which instances lie so near a tie on either side that noise alone may flip them: [n] booleans.

    |g_old| <= epsilon or |g_new| <= epsilon; false where a margin is unknown, because noise is not to be
    presumed. Descriptive only: a gate that forgave these flips would reward noise.

    Raises:
        ValueError: if epsilon is nan.

    >>> coin_toss([0.1, 2.0, 2.0], [1.0, -0.1, -2.0], 0.5).tolist()
    [True, True, False]
    """
    if math.isnan(epsilon):
        raise ValueError("expected a number for epsilon, got nan: no A/A pair has a margin")
    old, new = np.abs(np.asarray(old_margin, np.float64)), np.abs(np.asarray(new_margin, np.float64))
    return (old <= epsilon) | (new <= epsilon)


def robust_flip_rate(flips: npt.ArrayLike, toss: npt.ArrayLike) -> float:
    """Share of all n instances that flipped and are no coin toss; nan if n = 0.

    For negative and positive flips alike. Over the full n, so that it never exceeds the flip rate.

    >>> robust_flip_rate([True, True, False, False], [True, False, True, False])
    0.25
    """
    flipped, tossed = np.asarray(flips, dtype=np.bool_), np.asarray(toss, dtype=np.bool_)
    if flipped.shape != tossed.shape:
        raise ValueError(f"expected vectors of one length, got shapes {flipped.shape}, {tossed.shape}")
    return float(np.mean(flipped & ~tossed)) if flipped.size else math.nan


@dataclass(frozen=True, kw_only=True)
class RepeatIdentity:
    """What flips of repeated answers are made of: noise, loss of accuracy, and other behaviour.

    nfr - (old_self + new_self) / 2 = half_loss + half_distance, exactly for these estimates and, as each
    is unbiased, for what they estimate. A diagnosis, not for the gate: what NEW flips by itself is taken
    off too.
    """

    nfr: float
    """Observed: mean over instances and pairs of an old and a new answer; E[p_old (1 - p_new)]."""
    old_self: float
    """Negative flips of OLD against itself; E[p_old (1 - p_old)]."""
    new_self: float
    """Negative flips of NEW against itself; E[p_new (1 - p_new)]."""
    half_loss: float
    """Half the loss of accuracy, (accuracy(old) - accuracy(new)) / 2."""
    half_distance: float
    """Half the noise-free distance of behaviour, E[(p_old - p_new)^2] / 2; may fall below 0 by chance."""


def repeat_identity(old: npt.ArrayLike, new: npt.ArrayLike) -> RepeatIdentity:
    """The pieces of the identity, from K independent answers an instance on each side.

    With k of K answers right and q = k/K, p (1 - p) is estimated by K/(K-1) q (1 - q) and (p_old - p_new)^2
    by (q_old - q_new)^2 less both q (1 - q) / (K - 1). What needs a second answer is nan with K = 1: one
    answer cannot tell noise from change. All nan if n = 0.

    Args:
        old: [K_old, n] booleans, right answers.
        new: [K_new, n] booleans; K may differ.

    Reference: Miller 2024 for resampled answers; the identity is ours.

    >>> parts = repeat_identity([[1, 1, 0], [1, 0, 0]], [[0, 1, 0], [0, 1, 1]])
    >>> parts.nfr, parts.old_self, parts.half_loss
    (0.3333333333333333, 0.16666666666666666, 0.0)
    """
    before, after = _stacked(old, np.bool_), _stacked(new, np.bool_)
    if before.shape[1] != after.shape[1]:
        raise ValueError(f"expected the same instances, got {before.shape[1]} and {after.shape[1]}")
    old_rate, new_rate = before.mean(axis=0), after.mean(axis=0)
    old_self, new_self = self_flips(before), self_flips(after)
    distance = (old_rate - new_rate) ** 2 - old_self / len(before) - new_self / len(after)
    return RepeatIdentity(
        nfr=_mean(old_rate * (1 - new_rate)),
        old_self=_mean(old_self),
        new_self=_mean(new_self),
        half_loss=_mean(old_rate - new_rate) / 2,
        half_distance=_mean(distance) / 2,
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


def _stacked(runs: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    stack = np.asarray(runs, dtype=dtype)
    if stack.ndim != 2 or not len(stack):
        raise ValueError(f"expected runs by instances, got shape {stack.shape}")
    return stack
