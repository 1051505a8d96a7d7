"""Why answers flipped: the first of six rules that explains what is wrong on a flip's wrong side.

The *wrong side* of a negative flip is the new one, of a positive flip the old one; on score scales it
is the side with the lower score. The rules, in the order in which they are tried:

    runaway     the output goes on into a new prompt, so stop strings were not applied; judged on what
                comes before, it would be right (on score scales: score higher)
    truncated   the output was cut off at the longest length; where that is unknown, it was not
    unreadable  no answer could be read
    format      an answer was read; another extractor of the task reads one that is right (scores higher)
    coin toss   a gold margin of either side lies inside the noise of the old model's own reruns
    runaway     it goes on into a new prompt, and cannot be judged on what comes before
    answer      all else: the model answers differently

Not the model's own are flips that are truncated, a matter of format or a coin toss; unreadable ones
that another extractor finds right; and runaway ones that are right by what comes before. Everything
else is, what nothing is known of too: missing evidence excuses nothing. All of this is descriptive
only. No gate rule uses it, or a model would pass by rambling, and noise would be rewarded.

Every function takes vectors of one length n and raises `ValueError` if they differ in length.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from regress.metrics.flips import Bools, Codes, vectors
from regress.types import FLIP_KINDS, FlipKind, KindCounts

NOT_THE_MODELS: tuple[FlipKind, ...] = ("truncated", "format", "coin toss")
"""Kinds that say nothing of what the model would have answered."""

WHERE_SHOWN: tuple[FlipKind, ...] = ("runaway", "unreadable")
"""Kinds that say nothing of it where the wrong side was shown to be right, read in another way."""

_UNREADABLE = FLIP_KINDS.index("unreadable")


def wrong_side(lost: npt.ArrayLike, gained: npt.ArrayLike, old: npt.ArrayLike, new: npt.ArrayLike) -> Bools:
    """A property of each flip's wrong side: [n] booleans, false where nothing flipped.

    Args:
        lost: [n] negative flips.
        gained: [n] positive flips.
        old: [n] whether the old side has the property.
        new: [n] whether the new side has it.

    >>> wrong_side([1, 0, 0], [0, 1, 0], old=[0, 1, 1], new=[1, 0, 1]).tolist()
    [True, True, False]
    """
    fell, rose, before, after = vectors(lost, gained, old, new)
    return (fell & after) | (rose & before)


def kinds(
    flipped: npt.ArrayLike,
    *,
    runaway: npt.ArrayLike,
    truncated: npt.ArrayLike,
    unreadable: npt.ArrayLike,
    format: npt.ArrayLike,
    toss: npt.ArrayLike,
    unstopped: npt.ArrayLike | None = None,
) -> Codes:
    """Why each instance flipped: [n] int8 positions in `regress.types.FLIP_KINDS`, -1 where it did not.

    Of several rules that hold, the first in that order decides; where none does, it is the answer.

    Args:
        flipped: [n] which instances flipped, in either direction.
        runaway: [n] whether the wrong side's output goes on into a new prompt and is wrong for that.
        truncated: [n] whether it was cut off.
        unreadable: [n] whether no answer could be read in it.
        format: [n] whether another extractor finds it right.
        toss: [n] whether a margin lies inside the noise.
        unstopped: [n] whether it goes on into a new prompt, and nobody knows if it is wrong for that;
            by default nowhere.

    >>> nothing = [False, False, False]
    >>> codes = kinds([True, True, False], runaway=nothing, truncated=[True, False, True],
    ...               unreadable=[True, False, True], format=nothing, toss=nothing)
    >>> [FLIP_KINDS[code] if code >= 0 else None for code in codes]
    ['truncated', 'answer', None]
    """
    last = np.zeros_like(np.asarray(flipped, dtype=np.bool_)) if unstopped is None else unstopped
    mask, *rules = vectors(flipped, runaway, truncated, unreadable, format, toss, last)
    names: tuple[FlipKind, ...] = ("runaway", "truncated", "unreadable", "format", "coin toss", "runaway")
    codes = np.full(mask.size, FLIP_KINDS.index("answer"), dtype=np.int8)
    for kind, holds in reversed(list(zip(names, rules, strict=True))):
        codes[holds] = FLIP_KINDS.index(kind)
    codes[~mask] = -1
    return codes


def model_flips(codes: npt.ArrayLike, recoverable: npt.ArrayLike) -> Bools:
    """Which flips are the model's own: [n] booleans, false where nothing flipped.

    Args:
        codes: [n] from `kinds`.
        recoverable: [n] whether the wrong side was shown to be right, read in another way: by another
            extractor, or only up to a new prompt. It matters to the kinds in `WHERE_SHOWN`.

    >>> unreadable, answer, format = (FLIP_KINDS.index(kind) for kind in ("unreadable", "answer", "format"))
    >>> model_flips([unreadable, unreadable, answer, format, -1], [True, False, True, True, False]).tolist()
    [False, True, True, False, False]
    """
    found = np.asarray(codes, dtype=np.int8)
    flipped, mended = vectors(found >= 0, recoverable)
    excused = np.isin(found, [FLIP_KINDS.index(kind) for kind in NOT_THE_MODELS])
    excused |= np.isin(found, [FLIP_KINDS.index(kind) for kind in WHERE_SHOWN]) & mended
    return np.asarray(flipped & ~excused, dtype=np.bool_)


def model_flip_rate(flips: npt.ArrayLike, own: npt.ArrayLike) -> float:
    """Share of all n instances whose flip is the model's own, in [0, 1]; nan if n = 0.

    For negative and positive flips alike. Over all n, so that it never exceeds the flip rate.

    Args:
        flips: [n] which instances flipped in one direction.
        own: [n] from `model_flips`.

    >>> model_flip_rate([True, True, False, False], [True, False, True, False])
    0.25
    """
    flipped, models = vectors(flips, own)
    return float(np.mean(flipped & models)) if flipped.size else math.nan


def counts(codes: npt.ArrayLike, lost: npt.ArrayLike, recoverable: npt.ArrayLike) -> KindCounts:
    """How many flips there are of each kind; they sum to the flips of each direction.

    Args:
        codes: [n] from `kinds`.
        lost: [n] which of the flips are negative.
        recoverable: [n] as in `model_flips`.

    >>> codes = [FLIP_KINDS.index("unreadable"), FLIP_KINDS.index("answer"), -1]
    >>> found = counts(codes, lost=[True, False, False], recoverable=[True, False, False])
    >>> found.negative, found.positive, found.recoverable, found.not_the_models
    ({'unreadable': 1}, {'answer': 1}, 1, 1)
    """
    found = np.asarray(codes, dtype=np.int8)
    flipped, fell, mended = vectors(found >= 0, lost, recoverable)
    negative = flipped & fell
    return KindCounts(
        negative=_tally(found[negative]),
        positive=_tally(found[flipped & ~fell]),
        recoverable=int(np.count_nonzero(negative & (found == _UNREADABLE) & mended)),
        not_the_models=int(np.count_nonzero(negative & ~model_flips(found, mended))),
    )


def _tally(codes: Codes) -> dict[FlipKind, int]:
    each = np.bincount(codes, minlength=len(FLIP_KINDS)).tolist()
    return {kind: count for kind, count in zip(FLIP_KINDS, each, strict=True) if count}
