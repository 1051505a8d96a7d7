"""Things known beforehand, beside what was found: the one place that decides whether they agree."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

from regress.changes import Fact, Value

Unit = Literal["", "share", "nats"]

ROUNDING = 1e-12
"""Two rates reckoned in different order may differ by this."""


def equal(what: str, found: Value, known: Value, *, case: str = "", unit: Unit = "") -> Fact:
    """What is found must be what is known; a float up to `ROUNDING`.

    >>> equal("answers that changed", 0, 0).holds, equal("NFR", 0.1 + 0.2, 0.3).holds
    (True, True)
    """
    same = found == known
    if isinstance(found, float) and isinstance(known, float):
        same = abs(found - known) <= ROUNDING
    return Fact(what=what, relation="is", known=known, found=found, holds=same, case=case, unit=unit)


def below(what: str, found: float, known: float, *, case: str = "", unit: Unit = "") -> Fact:
    """What is found must be less; nan is not.

    >>> below("KLD", 1e-12, 1e-9).holds, below("KLD", float("nan"), 1e-9).holds
    (True, False)
    """
    return Fact(
        what=what, relation="below", known=known, found=found, holds=found < known, case=case, unit=unit
    )


def above(what: str, found: float, known: float, *, case: str = "", unit: Unit = "") -> Fact:
    """What is found must be more; nan is not.

    >>> above("KLD", 0.0, 0.0).holds
    False
    """
    return Fact(
        what=what, relation="above", known=known, found=found, holds=found > known, case=case, unit=unit
    )


def at_least(what: str, found: float, known: float, *, case: str = "", unit: Unit = "") -> Fact:
    """What is found must be as much or more; nan is not.

    >>> at_least("certified", 1.0, 0.99).holds
    True
    """
    return Fact(
        what=what, relation="at least", known=known, found=found, holds=found >= known, case=case, unit=unit
    )


def rising(what: str, found: Mapping[str, float], *, case: str = "", unit: Unit = "") -> Fact:
    """What is found must rise strictly from each to the next; its keys name them in the known order.

    >>> rising("KLD", {"int8": 1e-4, "int4": 0.1}).holds, rising("KLD", {"int8": 0.1, "int4": 0.1}).holds
    (True, False)
    """
    values = tuple(map(float, found.values()))
    return Fact(
        what=what,
        relation="rises",
        known=" < ".join(found),
        found=values,
        holds=len(values) > 1 and all(one < next_ for one, next_ in pairwise(values)),
        case=case,
        unit=unit,
    )
