"""Judged columns from vectors, without runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from regress.comparison.judged import Judged


@pytest.fixture(scope="session")
def flips(columns: Callable[..., Judged]) -> Callable[..., Judged]:
    """Judged columns with so many flips, half of the rest right: `flips(lost=60, gained=60, n=1319)`."""

    def build(lost: int, gained: int, n: int, **changes: Any) -> Judged:
        old = np.arange(n) % 2 == 0
        old[:lost], old[lost : lost + gained] = True, False
        new = old.copy()
        new[: lost + gained] = ~old[: lost + gained]
        return columns(old, new, **changes)

    return build
