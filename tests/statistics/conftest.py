"""Enumeration, for tests of what is computed more cleverly."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import scipy.stats


@pytest.fixture(scope="session", name="outcomes")
def all_outcomes() -> Callable[[int, float, float], Iterator[tuple[int, int, float]]]:
    """Every (lost, gained) among n pairs with its probability."""

    def build(n: int, p_lost: float, p_gained: float) -> Iterator[tuple[int, int, float]]:
        for lost, gained in itertools.product(range(n + 1), repeat=2):
            if lost + gained <= n:
                rest = 1 - p_lost - p_gained
                chance = scipy.stats.multinomial.pmf(
                    [lost, gained, n - lost - gained], n, [p_lost, p_gained, rest]
                )
                yield lost, gained, float(chance)

    return build
