"""The harms that a policy limits, one number a row; a rule is about their mean.

max_accuracy_drop   old right - new right, mean (b - c) / n               binary scale
max_nfr             was right and is wrong; on scores: fell by more than tau
max_nfr_mc          is wrong, with another answer than before             binary scale
max_excess_nfr      max_nfr's flip less how often OLD flips by itself
max_score_drop      old score - new score                                 score scales
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from regress.comparison.judged import Judged
from regress.comparison.reruns import own_flips
from regress.types import Scale, Variation
from regress.verdicts import MEASURES, Measure, Rule

Floats = npt.NDArray[np.float64]

_DEFINED: dict[Scale, tuple[Measure, ...]] = {
    "binary": ("max_accuracy_drop", "max_nfr", "max_nfr_mc", "max_excess_nfr"),
    "bounded": ("max_score_drop", "max_nfr", "max_excess_nfr"),
    "unbounded": (),
}
_BY_NAME: dict[Scale, tuple[Measure, ...]] = {
    **_DEFINED,
    # a score without bounds has a unit, in which only somebody who names the task can mean a limit
    "unbounded": ("max_score_drop", "max_nfr", "max_excess_nfr"),
}


def defined(rule: Rule, scale: Scale, *, answers: bool) -> bool:
    """Whether a rule means anything for a task judged on this scale.

    Args:
        rule: The rule.
        scale: How the task is judged.
        answers: Whether two wrong answers of it can be told apart.

    >>> defined(Rule(measure="max_score_drop", limit=0.02), "binary", answers=True)
    False
    """
    if rule.scale not in (None, scale) or (rule.measure == "max_nfr_mc" and not answers):
        return False
    return rule.measure in (_BY_NAME if rule.named else _DEFINED)[scale]


def article(scale: Scale) -> str:
    """A scale with its article.

    >>> article("unbounded")
    'an unbounded'
    """
    return f"{'an' if scale == 'unbounded' else 'a'} {scale}"


def usable(scale: Scale, *, answers: bool) -> list[Measure]:
    """The measures that can be limited for a task judged on this scale, if it is named.

    >>> usable("bounded", answers=True)
    ['max_score_drop', 'max_nfr', 'max_excess_nfr']
    """
    return [
        one for one in MEASURES if defined(Rule(measure=one, limit=1.0, named=True), scale, answers=answers)
    ]


def drop(columns: Judged) -> Floats:
    """Fall of accuracy or score, row by row: [n], positive where the new model is worse."""
    return -columns.change


def flipped(columns: Judged, tau: float | None) -> Floats:
    """Negative flips, row by row: [n], 0 or 1; on scores those that fell by more than `tau`."""
    return columns.lost(tau or 0.0).astype(np.float64)


def wrong_otherwise(columns: Judged) -> Floats:
    """Wrong now, with another answer than before, row by row: [n], 0 or 1."""
    return (~columns.new_correct & ~columns.same_answer).astype(np.float64)


def excess(columns: Judged, kinds: Collection[Variation], tau: float | None) -> Floats:
    """Negative flips less how often OLD flips by itself, row by row: [n] in [-1, 1].

    Raises:
        KeyError: If OLD was not rerun in one of these ways.
    """
    if columns.old_floor is None:
        raise KeyError(next(iter(kinds)))
    return flipped(columns, tau) - own_flips(columns.old_floor, kinds, tau=tau or 0.0)
