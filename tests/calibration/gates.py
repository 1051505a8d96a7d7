"""Whole gates: several rules at once, each at its limit, or one at its limit and the others perfect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import decisions, draws
from .decisions import FAIL, PASS, Tests
from .findings import ALPHA, APPROXIMATE, Cell, Check, Table

N = 1319
LIMIT = 0.02
FLOOR = 0.0137
OVERLAP = 0.5
"""Share of items that correlated tasks have in common."""

RULES = ("max_accuracy_drop", "max_nfr", "max_nfr_mc", "max_excess_nfr")
LOST, GAINED, OTHERWISE = 0.05, 0.03, 0.03
"""Of one task: pairs lost, gained, and wrong on both sides with another answer."""
LIMITS = (LOST - GAINED, LOST, LOST + OTHERWISE, LOST - FLOOR)
"""The true harms of that task, which are its limits."""


def failing(reps: int, rng: np.random.Generator) -> Table:
    """P(gate FAIL) with all rules at their limits."""
    rows: list[list[Cell]] = []
    checks: list[Check] = []

    def add(what: str, rules: int, tests: list[Tests]) -> None:
        decided = decisions.outcomes(tests)
        rate = float(np.mean(decisions.gate(decided) == FAIL))
        p_fail = np.stack([one[1] for one in tests])
        unadjusted = float(np.mean((p_fail < ALPHA).any(axis=0)))
        rows.append([what, rules, unadjusted, rate])
        checks.append(
            Check(
                name=f"P(gate FAIL), {rules} rules at their limits, {what}",
                rate=rate,
                bound=ALPHA + APPROXIMATE,
                draws=decided.shape[1],
            )
        )

    for tasks in (1, 4, 8):
        add("accuracy, one a task, independent", tasks, _drops(tasks, 20 * reps, 0.0, rng))
    for tasks in (4, 8):
        add("accuracy, one a task, half the items shared", tasks, _drops(tasks, 20 * reps, OVERLAP, rng))
    for tasks in (1, 2):
        several = [one for _ in range(tasks) for one in _four_rules(reps // 4, rng)]
        add("four measures of each task", 4 * tasks, several)
    for tasks in (1, 2, 4):
        several = [one for _ in range(tasks) for one in _clustered_rules(reps, rng)]
        add("accuracy and NFR of each task, clusters", 2 * tasks, several)
    for tasks in (1, 4):
        several = [one for _ in range(tasks) for one in _seldom_tested(reps, rng)]
        add("accuracy, and an excess NFR seldom tested", 2 * tasks, several)
    return Table(
        title="Whole gate, every rule at its limit: P(gate FAIL)",
        how=f"simulation of {reps // 4:,} to {20 * reps:,} suites a row; n = {N} a task; "
        "`no Holm`: unadjusted",
        columns=("rules", "k", "no Holm", "FAIL"),
        rows=rows,
        checks=checks,
    )


def passing(reps: int, rng: np.random.Generator) -> Table:
    """P(gate PASS) with one rule at its limit and the rest perfect."""
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for name, allowed, at_limit in (
        ("max_accuracy_drop", APPROXIMATE, _drops(1, 20 * reps, 0.0, rng)[0]),
        ("max_nfr", 0.0, _rate(20 * reps, rng)),
        ("max_score_drop", APPROXIMATE, _scores(max(reps // 10, 1), rng)),
        ("max_excess_nfr", APPROXIMATE, _four_rules(reps // 4, rng)[-1]),
    ):
        for k in (1, 4, 8):
            perfect = decisions.drop(*np.zeros((2, at_limit[0].size), dtype=np.int64), N, LIMIT)
            decided = decisions.outcomes([at_limit, *[perfect] * (k - 1)])
            rate = float(np.mean(decisions.gate(decided) == PASS))
            rows.append([name, k, rate])
            checks.append(
                Check(
                    name=f"P(gate PASS), {name} at its limit, {k - 1} perfect rules beside",
                    rate=rate,
                    bound=ALPHA + allowed,
                    draws=decided.shape[1],
                )
            )
    return Table(
        title="Whole gate, one rule at its limit and the others perfect: P(gate PASS)",
        how=f"simulation of {max(reps // 10, 1):,} to {20 * reps:,} suites a row; n = {N} a task",
        columns=("rule at its limit", "k", "PASS"),
        rows=rows,
        checks=checks,
    )


# ── suites ───────────────────────────────────────────────────────────────────────────────────────


def _drops(tasks: int, reps: int, overlap: float, rng: np.random.Generator) -> list[Tests]:
    """A fall of accuracy of each task, at its limit, with a churn of 10 %."""
    rates = ((0.10 + LIMIT) / 2, (0.10 - LIMIT) / 2, 0.90)
    common = rng.multinomial(round(overlap * N), rates, size=reps)
    own = rng.multinomial(N - round(overlap * N), rates, size=(tasks, reps))
    lost, gained = np.moveaxis(own + common, -1, 0)[:2]
    return [decisions.drop(*counts, N, LIMIT) for counts in zip(lost, gained, strict=True)]


def _rate(reps: int, rng: np.random.Generator) -> Tests:
    return decisions.rate(rng.binomial(N, 0.05, size=reps), N, 0.05)


def _scores(reps: int, rng: np.random.Generator) -> Tests:
    return decisions.score_drop(draws.skewed(LIMIT).drawn((reps, 819), rng), LIMIT, rng)


def one_task() -> tuple[draws.Noisy, np.ndarray, np.ndarray]:
    """Kinds of pairs of a task whose four harms are `LIMITS`: noise, what is gained, and wrong otherwise.

    Returns:
        The kinds of losses and of noise, then for all kinds, with two more at the end (gained, wrong on
        both sides with another answer), the excess and the rates.
    """
    pair = draws.noisy(LOST - FLOOR, FLOOR)
    rates = np.concatenate([pair.rates, [GAINED, OTHERWISE]])
    rates[0] -= GAINED + OTHERWISE  # of the pairs that were kept and never differ
    return pair, np.concatenate([pair.excess, [0.0, 0.0]]), rates


def _four_rules(reps: int, rng: np.random.Generator) -> list[Tests]:
    """Four measures of one task, each at its limit: they rest on the same flips."""
    pair, excess, rates = one_task()
    counts = rng.multinomial(N, rates, size=reps)
    flip = np.concatenate([pair.flip, [0, 0]])
    lost, gained, otherwise = counts @ flip, counts[:, -2], counts[:, -1]
    return [
        decisions.drop(lost, gained, N, LIMITS[0]),
        decisions.rate(lost, N, LIMITS[1]),
        decisions.rate(lost + otherwise, N, LIMITS[2]),
        decisions.excess(counts, excess, flip, LIMITS[3], rng),
    ]


def _seldom_tested(reps: int, rng: np.random.Generator) -> list[Tests]:
    """Accuracy of one task, and an excess NFR of another whose flips are seldom enough for a test of failing.

    Where they are, they are nearly always too many: the test appears with its rejection.
    """
    n = 600
    lost = rng.binomial(n, LIMIT, size=reps)
    kinds = np.array([1, 0])
    counts = np.column_stack([lost, n - lost])
    return [
        _drops(1, reps, 0.0, rng)[0],
        decisions.excess(counts, kinds.astype(np.float64), kinds, LIMIT, rng),
    ]


def _clustered_rules(reps: int, rng: np.random.Generator) -> list[Tests]:
    """Fall of accuracy and NFR of one task with clusters of five, each at its limit."""
    sizes = draws.sizes(N, (5,))
    blocks = list(draws.clustered(sizes, (0.06, 0.04, 0.90), reps, rng))
    pairs: Sequence[list[Tests]] = [
        [
            decisions.clustered_drop(one[..., 0], one[..., 1], sizes, 0.02),
            decisions.clustered_rate(one[..., 0], sizes, 0.06),
        ]
        for one in blocks
    ]
    return [
        (np.concatenate([pair[rule][0] for pair in pairs]), np.concatenate([pair[rule][1] for pair in pairs]))
        for rule in (0, 1)
    ]


TABLES = (failing, passing)
