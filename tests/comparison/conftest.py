"""Judged columns from vectors, without runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from regress.comparison.judged import Judged


def _columns(old: Any, new: Any, *, scale: str = "binary", **changes: Any) -> Judged:
    old, new = np.asarray(old), np.asarray(new)
    n, binary = old.size, scale == "binary"
    nothing = np.zeros(n, dtype=np.bool_)
    given = {
        "item": np.arange(n),
        "cluster": None,
        "readable": np.ones(n, dtype=np.bool_),
        "same_answer": old == new,
        "answers": True,
        "repeated": False,
    }
    return Judged(
        scale=scale,
        old_correct=old.astype(np.bool_) if binary else nothing,
        new_correct=new.astype(np.bool_) if binary else nothing,
        old_score=old.astype(np.float64),
        new_score=new.astype(np.float64),
        **(given | changes),
    )


@pytest.fixture(scope="session")
def columns() -> Callable[..., Judged]:
    """Judged columns from two vectors of right answers or scores."""
    return _columns


@pytest.fixture(scope="session")
def flips() -> Callable[..., Judged]:
    """Judged columns with so many flips, half of the rest right: `flips(lost=60, gained=60, n=1319)`."""

    def build(lost: int, gained: int, n: int, **changes: Any) -> Judged:
        old = np.arange(n) % 2 == 0
        old[:lost], old[lost : lost + gained] = True, False
        new = old.copy()
        new[: lost + gained] = ~old[: lost + gained]
        return _columns(old, new, **changes)

    return build
