"""What an oracle is, and what several of them look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from regress.changes import Fact
from regress.frames import ComparedRuns
from regress.types import Pairs
from regress.workflows.selftest.bench import Bench
from regress.workflows.selftest.facts import equal
from regress.workflows.selftest.material import ITEMS


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Updates, or comparisons, of which something is known beforehand."""

    number: str
    """`I-3`."""
    name: str
    """What is done, in a few words."""
    facts: Callable[[Bench], Iterator[Fact]]
    """Does it, and yields what is known beside what is found."""
    quick: bool = False
    """Whether it is part of the quick self test."""


def all_there(compared: ComparedRuns, *, case: str = "") -> Fact:
    """Every item of every task that was asked was paired with itself, and no other."""
    known = sum(ITEMS[task] for task in compared.pairs)
    return equal("instances paired", sum(row.n for row in compared.tasks), known, case=case)


def nothing_flipped(compared: ComparedRuns, *, case: str = "") -> Iterator[Fact]:
    """No answer is another, and the comparison's own numbers say so."""
    yield all_there(compared, case=case)
    changed = sum(int(np.sum(other_answers(pairs))) for pairs in compared.pairs.values())
    yield equal("answers that changed", changed, 0, case=case)
    binary = [row.counts for row in compared.tasks if row.counts is not None]
    moved = sum(one.n - one.both_right - one.both_wrong_same for one in binary)
    yield equal("flips, other wrong answers", moved, 0, case=case)
    rates = (abs(row.estimates[name].value) for row in compared.tasks for name in ("nfr", "pfr", "delta"))
    yield equal("largest of NFR, PFR and |Δ|", max(rates), 0.0, case=case, unit="share")


def nothing_differs(compared: ComparedRuns, *, case: str = "") -> Iterator[Fact]:
    """All that is stored of every answer is the same, log-probabilities to the last bit."""
    different = sum(
        one != other
        for pairs in compared.pairs.values()
        for one, other in zip(pairs.old.to_pylist(), pairs.new.to_pylist(), strict=True)
    )
    yield equal("answers with any other bit", different, 0, case=case)


def other_answers(pairs: Pairs) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which pairs have two different answers."""
    old, new = (np.array(side["answer"].to_pylist(), dtype=object) for side in (pairs.old, pairs.new))
    return np.asarray(old != new, dtype=np.bool_)
