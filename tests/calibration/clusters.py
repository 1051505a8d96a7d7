"""The hard points with clusters: pairs of one cluster correlate by 0.1.

Miller's standard error, Korn and Graubard's interval and the bootstrap are approximations in the number
of clusters, so each has one point beyond the error of the simulation, as Tango's test has. Clusters of
unequal sizes count for fewer: (sum of sizes)^2 / sum of squared sizes. The promise begins above 30 such
effective clusters; below, what comes of it is printed, and the gate warns of fewer than 30.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import decisions, draws
from .decisions import Tests
from .findings import ALPHA, APPROXIMATE, Cell, Table
from .limits import FLOORS, SIZES, held_to, percent

ENOUGH = 30
"""Effective clusters above which the promise holds."""

PATTERNS = {"5 each": (5,), "1 to 15": draws.UNEQUAL}


def accuracy_drop(reps: int, rng: np.random.Generator) -> Table:
    """Miller's standard error with Student's t: a fall of accuracy."""
    simulated = []
    for name, pattern in PATTERNS.items():
        for n in SIZES:
            for churn in (0.10, 0.20):
                sizes = draws.sizes(n, pattern)
                rates = ((churn + 0.02) / 2, (churn - 0.02) / 2, 1 - churn)
                tests = _joined(
                    decisions.clustered_drop(block[..., 0], block[..., 1], sizes, 0.02)
                    for block in draws.clustered(sizes, rates, _fewer(reps, n), rng)
                )
                simulated.append(([name, percent(churn), n, effective(sizes)], tests))
    return held_to(
        "max_accuracy_drop of 2 % at its limit, clusters (ICC 0.1)",
        ("clusters of", "churn", "n", "effective"),
        simulated,
        ALPHA + APPROXIMATE,
        promised=_promised,
    )


def flip_rate(reps: int, rng: np.random.Generator) -> Table:
    """Korn and Graubard: a flip rate."""
    simulated = []
    for name, pattern in PATTERNS.items():
        for n in SIZES:
            for limit in (0.02, 0.05, 0.10):
                sizes = draws.sizes(n, pattern)
                tests = _joined(
                    decisions.clustered_rate(block[..., 0], sizes, limit)
                    for block in draws.clustered(sizes, (limit, 1 - limit), _fewer(reps, n), rng)
                )
                simulated.append(([name, percent(limit), n, effective(sizes)], tests))
    return held_to(
        "max_nfr at its limit, clusters (ICC 0.1)",
        ("clusters of", "limit", "n", "effective"),
        simulated,
        ALPHA + APPROXIMATE,
        promised=_promised,
    )


def score_drop(reps: int, rng: np.random.Generator) -> Table:
    """BCa of a mean fall of scores, whole clusters resampled."""
    reps = max(reps // 10, 1)
    simulated = []
    for name, pattern in PATTERNS.items():
        for n in (100, 300, 819, 1319):
            sizes = draws.sizes(n, pattern)
            for made in (draws.tied(0.02), draws.skewed(0.02)):
                tests = _joined(
                    decisions.clustered_score_drop(sums, worse, sizes, 0.02, rng)
                    for sums, worse in falls(made, sizes, reps, rng)
                )
                simulated.append(([name, made.name, n, effective(sizes)], tests))
    return held_to(
        "max_score_drop of 2 % at its limit, clusters (ICC 0.1)",
        ("clusters of", "falls", "n", "effective"),
        simulated,
        ALPHA + APPROXIMATE,
        promised=_promised,
    )


def falls(
    made: draws.Scores, sizes: draws.Ints, reps: int, rng: np.random.Generator
) -> Iterator[tuple[draws.Floats, draws.Ints]]:
    """Blocks of [some, K] sums of falls and [some, K] counts of scores that fell."""
    largest = int(sizes.max())
    for counts in draws.clustered(sizes, made.rates, reps, rng):
        lost, gained = counts[..., 0], counts[..., 1]
        amounts = [rng.beta(*how, size=(*lost.shape, largest)) for how in (made.loss, made.gain)]
        place = np.arange(largest)
        fell, rose = (
            np.where(place < count[..., None], amount, 0.0).sum(axis=2)
            for count, amount in zip((lost, gained), amounts, strict=True)
        )
        yield fell - rose, lost


def excess(reps: int, rng: np.random.Generator) -> Table:
    """BCa of an excess NFR, whole clusters resampled."""
    reps = max(reps // 10, 1)
    simulated = []
    for name, pattern in PATTERNS.items():
        for n in (100, 300, 819, 1838):
            for limit in (0.01, 0.03):
                sizes, pair = draws.sizes(n, pattern), draws.noisy(limit, FLOORS[1])
                tests = _joined(
                    decisions.clustered_excess(block, pair.excess, pair.flip, limit, rng)
                    for block in draws.clustered(sizes, pair.rates.tolist(), reps, rng)
                )
                simulated.append(([name, percent(limit), n, effective(sizes)], tests))
    return held_to(
        "max_excess_nfr at its limit, floor 1.37 %, clusters (ICC 0.1)",
        ("clusters of", "limit", "n", "effective"),
        simulated,
        ALPHA + APPROXIMATE,
        promised=_promised,
    )


def effective(sizes: draws.Ints) -> int:
    """How many clusters of equal size these count for."""
    return round(float(sizes.sum()) ** 2 / float((sizes**2).sum()))


def _promised(labels: list[Cell]) -> bool:
    return isinstance(labels[-1], int) and labels[-1] > ENOUGH


def _joined(blocks: Iterator[Tests]) -> Tests:
    p_pass, p_fail = zip(*blocks, strict=True)
    return np.concatenate(p_pass), np.concatenate(p_fail)


def _fewer(reps: int, n: int) -> int:
    """A large task is slow to draw and near its limit distribution."""
    return reps if n < 2000 else max(reps // 5, 1)


TABLES = (accuracy_drop, flip_rate, score_drop, excess)
