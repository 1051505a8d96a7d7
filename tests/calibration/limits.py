"""The hard points: what a rule decides where the true harm equals its limit.

There neither PASS nor FAIL is true, and each may come about in at most alpha of all data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import decisions, draws
from .decisions import Tests
from .findings import ALPHA, APPROXIMATE, Cell, Check, Table

SIZES = (100, 300, 819, 1319, 1838, 10042)
CHURNS = (0.02, 0.10, 0.20)
FLOORS = (0.0065, 0.0137)
"""NFR of a model against its own rerun, and against a run on other hardware."""


def accuracy_drop(reps: int, rng: np.random.Generator) -> Table:
    """Tango's score test: sizes by limit, churn and n."""
    del reps, rng
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for limit in (0.01, 0.02, 0.03):
        # where churn equals the limit nothing is gained, and the score is furthest from normal
        for churn in (limit, *(one for one in CHURNS if one > limit)):
            sizes = {n: _drop_at(n, churn, limit) for n in SIZES}
            for side, place in (("PASS", 0), ("FAIL", 1)):
                rows.append([side, percent(limit), percent(churn), *(sizes[n][place] for n in SIZES)])
                checks += [
                    Check(
                        name=f"P({side}), max_accuracy_drop {limit:g}, churn {churn:g}, n {n}",
                        rate=sizes[n][place],
                        bound=ALPHA + APPROXIMATE,
                    )
                    for n in SIZES
                ]
    return Table(
        title="max_accuracy_drop at its limit",
        how="exact: the trinomial distribution of losses and gains, enumerated",
        columns=("P of", "limit", "churn", *map(str, SIZES)),
        rows=rows,
        checks=checks,
    )


def _drop_at(n: int, churn: float, limit: float) -> tuple[float, float]:
    met = draws.enumerated(n, (churn + limit) / 2, (churn - limit) / 2)
    p_pass, p_fail = decisions.drop(met.lost, met.gained, n, limit)
    return met.share(p_pass <= ALPHA), met.share(p_fail < ALPHA)


def flip_rate(reps: int, rng: np.random.Generator) -> Table:
    """Clopper-Pearson: sizes by limit and n."""
    del reps, rng
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for limit in (0.005, 0.02, 0.05, 0.10, 0.20):
        sizes = []
        for n in SIZES:
            k, weight = draws.binomial(n, limit)
            p_pass, p_fail = decisions.rate(k, n, limit)
            sizes.append((float(weight[p_pass <= ALPHA].sum()), float(weight[p_fail < ALPHA].sum())))
        for side, place in (("PASS", 0), ("FAIL", 1)):
            rows.append([side, percent(limit), *(size[place] for size in sizes)])
            checks += [
                Check(name=f"P({side}), max_nfr {limit:g}, n {n}", rate=size[place], bound=ALPHA)
                for n, size in zip(SIZES, sizes, strict=True)
            ]
    return Table(
        title="max_nfr at its limit (binary, or a score's fall beyond tau)",
        how="exact: the binomial distribution, enumerated",
        columns=("P of", "limit", *map(str, SIZES)),
        rows=rows,
        checks=checks,
    )


def score_drop(reps: int, rng: np.random.Generator) -> Table:
    """BCa of a mean fall of scores: ties and a skewed mixture."""
    reps = max(reps // 10, 1)
    cells = [(n, 0.02) for n in (100, 300, 819, 1319)] + [(819, 0.01), (819, 0.03)]
    simulated = []
    for n, limit in cells:
        for made in (draws.tied(limit), draws.tied(limit, changed=0.15), draws.skewed(limit)):
            tests = decisions.score_drop(made.drawn((reps, n), rng), limit, rng)
            simulated.append(([made.name, percent(limit), n], tests))
    return held_to("max_score_drop at its limit", ("falls", "limit", "n"), simulated, ALPHA + APPROXIMATE)


def excess(reps: int, rng: np.random.Generator) -> Table:
    """BCa of an excess NFR over three reruns, and the NFR's upper bound where few pairs differ."""
    reps = max(reps // 10, 1)
    simulated = []
    for n in SIZES:
        for floor in FLOORS:
            for limit in (0.01, 0.03):
                pair = draws.noisy(limit, floor)
                counts = rng.multinomial(n, pair.rates, size=reps)
                tests = decisions.excess(counts, pair.excess, pair.flip, limit, rng)
                simulated.append(([percent(floor), percent(limit), n], tests))
    return held_to("max_excess_nfr at its limit", ("floor", "limit", "n"), simulated, ALPHA + APPROXIMATE)


def held_to(
    title: str,
    heads: Sequence[str],
    simulated: Sequence[tuple[list[Cell], Tests]],
    bound: float,
    *,
    promised: Callable[[list[Cell]], bool] = lambda labels: True,
) -> Table:
    """A table of P(PASS) and P(FAIL) from simulated p-values, a row each, held to `bound` where promised."""
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for labels, (p_pass, p_fail) in simulated:
        rates = {
            "PASS": float(np.mean(p_pass <= ALPHA)),
            "FAIL": float(np.mean(p_fail < ALPHA)),
        }
        rows.append([*labels, *rates.values(), float(np.mean(np.isnan(p_fail)))])
        where = ", ".join(f"{head} {label}" for head, label in zip(heads, labels, strict=True))
        checks += [
            Check(name=f"P({side}), {where}", rate=rate, bound=bound, draws=p_pass.size)
            for side, rate in rates.items()
            if promised(labels)
        ]
    counts = sorted({one[1][0].size for one in simulated})
    how = f"simulation of {counts[0]:,}" + (f" to {counts[-1]:,}" if len(counts) > 1 else "")
    return Table(
        title=title,
        how=f"{how} data sets a row; `fallback`: too little differs for the method",
        columns=(*heads, "P(PASS)", "P(FAIL)", "fallback"),
        rows=rows,
        checks=checks,
    )


def percent(share: float) -> str:
    """0.005 as 0.5 %."""
    return f"{100 * share:g} %"


TABLES = (accuracy_drop, flip_rate, score_drop, excess)
