"""Flips of right-or-wrong answers: how often an update breaks what worked, and how often it mends.

Counts over n pairs, `old` before `new`:

    |            | new right | new wrong                        |
    |------------|-----------|----------------------------------|
    | old right  | n11       | b (negative flips)               |
    | old wrong  | c         | n00 = n00_same + n00_different   |

Every function takes boolean vectors of one length n: `old_correct` and `new_correct`, where an
unreadable answer is not right, and where it matters `same_answer`. All results are fractions in
[0, 1] unless said otherwise, and `nan` where the denominator is 0: nothing can be said then, which
is not the same as 0. All raise `ValueError` if the vectors differ in length.

The identities that hold: accuracy(new) - accuracy(old) = pfr - nfr, and with one right answer an
instance nfr_mc = nfr + n00_different / n and churn = nfr_mc + pfr.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from regress.types import QuadrantCounts

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]


def accuracy(correct: npt.ArrayLike) -> float:
    """Share of instances answered right: mean of [n] booleans; nan if n = 0.

    >>> accuracy([True, True, False, True])
    0.75
    """
    (correct_,) = vectors(correct)
    return _ratio(correct_.sum(), correct_.size)


def delta(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Change of accuracy, (c - b) / n = pfr - nfr, in [-1, 1]; nan if n = 0.

    From counts, not as a difference of two rates, so that a limit of 0.01 is met by 1 in 100.

    >>> delta([1, 1, 0, 0], [1, 1, 1, 0])
    0.25
    """
    old, new = vectors(old_correct, new_correct)
    return _ratio(int(new.sum()) - int(old.sum()), old.size)


def quadrants(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike, same_answer: npt.ArrayLike) -> Codes:
    """Where each instance lies: [n] int8 positions in `regress.types.QUADRANTS`.

    0 both right, 1 positive flip, 2 negative flip, 3 both wrong with the same answer, 4 both wrong
    with another answer.

    Reference: Echterhoff et al. 2024 (MUSCLE), Fig. 2; quadrant 3 there is split by the answer here.

    >>> quadrants([1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 1, 0]).tolist()
    [0, 1, 2, 3, 4]
    """
    old, new, same = vectors(old_correct, new_correct, same_answer)
    codes = np.where(same, np.int8(3), np.int8(4))
    codes[old & new] = 0
    codes[~old & new] = 1
    codes[old & ~new] = 2
    return codes


def counts(codes: npt.ArrayLike) -> QuadrantCounts:
    """How many instances lie in each quadrant, from the codes of `quadrants`; they sum to n.

    >>> counts([0, 0, 2, 4]).negative_flips
    1
    """
    both_right, positive, negative, same, different = np.bincount(
        np.asarray(codes, dtype=np.int8), minlength=5
    ).tolist()
    return QuadrantCounts(
        both_right=both_right,
        negative_flips=negative,
        positive_flips=positive,
        both_wrong_same=same,
        both_wrong_different=different,
    )


def negative(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> Bools:
    """Which instances were right before and are wrong now: [n] booleans.

    >>> negative([1, 1, 0], [1, 0, 0]).tolist()
    [False, True, False]
    """
    old, new = vectors(old_correct, new_correct)
    return old & ~new


def positive(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> Bools:
    """Which instances were wrong before and are right now: [n] booleans.

    >>> positive([1, 0, 0], [1, 1, 0]).tolist()
    [False, True, False]
    """
    old, new = vectors(old_correct, new_correct)
    return ~old & new


def nfr(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Negative flip rate: share of instances right before and wrong now, b / n; nan if n = 0.

    It lies between max(0, accuracy(old) - accuracy(new)) and min(accuracy(old), 1 - accuracy(new)).

    Reference: Yan et al. 2021, Positive-Congruent Training.

    >>> nfr([1, 1, 1, 0], [1, 0, 1, 1])
    0.25
    """
    broken = negative(old_correct, new_correct)
    return _ratio(broken.sum(), broken.size)


def pfr(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Positive flip rate: share of instances wrong before and right now, c / n; nan if n = 0.

    >>> pfr([1, 0, 0, 0], [1, 1, 1, 0])
    0.5
    """
    mended = positive(old_correct, new_correct)
    return _ratio(mended.sum(), mended.size)


def nfr_mc(new_correct: npt.ArrayLike, same_answer: npt.ArrayLike) -> float:
    """Inconsistency flip rate: share of instances wrong now with another answer than before.

    Includes ordinary negative flips: (b + n00_different) / n, so nfr <= nfr_mc <= 1 - accuracy(new).
    With two choices it is nfr. nan if n = 0.

    Reference: Echterhoff et al. 2024 (MUSCLE), NFR_mc.

    >>> nfr_mc([0, 0, 1, 0], [0, 1, 0, 0])
    0.5
    """
    new, same = vectors(new_correct, same_answer)
    return _ratio((~new & ~same).sum(), new.size)


def churn(same_answer: npt.ArrayLike) -> float:
    """Share of instances whose answer changed, for better or worse or neither; nan if n = 0.

    Reference: Milani Fard et al. 2016, Launch and Iterate.

    >>> churn([True, False, True, True])
    0.25
    """
    (same,) = vectors(same_answer)
    return _ratio((~same).sum(), same.size)


def btc(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Backward trust compatibility: share of the old model's right answers that stay right.

    n11 / (n11 + b) = 1 - nfr / accuracy(old); nan if the old model was never right.

    Reference: Srivastava et al. 2020; Träuble et al. 2021.

    >>> btc([1, 1, 1, 1, 0], [1, 1, 1, 0, 0])
    0.75
    """
    old, new = vectors(old_correct, new_correct)
    return _ratio((old & new).sum(), old.sum())


def bec(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Backward error compatibility: share of the new model's mistakes that are not new.

    n00 / (n00 + b), over *new* mistakes as the definition says; nan if the new model is never wrong.

    Reference: Srivastava et al. 2020; Träuble et al. 2021. (Microsoft's BackwardCompatibilityML
    divides by the old model's mistakes, against its own description.)

    >>> bec([1, 0, 0, 0, 1], [0, 0, 0, 0, 1])
    0.75
    """
    old, new = vectors(old_correct, new_correct)
    return _ratio((~old & ~new).sum(), (~new).sum())


def nfi(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Negative flip impact: share of the new model's mistakes that are negative flips.

    b / (b + n00) = nfr / (1 - accuracy(new)) = 1 - bec; nan if the new model is never wrong.

    Reference: Cai et al. 2022.

    >>> nfi([1, 0, 0, 0, 1], [0, 0, 0, 0, 1])
    0.25
    """
    old, new = vectors(old_correct, new_correct)
    return _ratio((old & ~new).sum(), (~new).sum())


def relative_nfr(old_correct: npt.ArrayLike, new_correct: npt.ArrayLike) -> float:
    """Negative flip rate relative to two models whose mistakes are independent.

    nfr / (accuracy(old) * (1 - accuracy(new))), from 0 upwards: 1 is what unrelated models of these
    accuracies would show. nan if the old model was never right or the new one is never wrong.

    Reference: Yan et al. 2021, Eq. 11.

    >>> relative_nfr([1, 1, 0, 0], [1, 0, 1, 0])
    1.0
    """
    old, new = vectors(old_correct, new_correct)
    # counts instead of rates, so that the one division rounds once: b n / (n1. n.0)
    return _ratio(float((old & ~new).sum()) * old.size, float(old.sum()) * float((~new).sum()))


def vectors(*values: npt.ArrayLike) -> tuple[Bools, ...]:
    """`values` as [n] booleans each.

    Raises:
        ValueError: If they are not vectors of one length.

    >>> [one.tolist() for one in vectors([1, 0], [False, True])]
    [[True, False], [False, True]]
    """
    made = tuple(np.asarray(value, dtype=np.bool_) for value in values)
    if any(vector.ndim != 1 or vector.size != made[0].size for vector in made):
        shapes = ", ".join(str(vector.shape) for vector in made)
        raise ValueError(f"expected vectors of one length, got shapes {shapes}")
    return made


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan
