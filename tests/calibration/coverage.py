"""How often intervals cover what they are about, two-sided at 95 %."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regress.comparison.estimates import estimates
from regress.statistics import bootstrap, paired, rates

from . import cases, decisions, draws
from .findings import APPROXIMATE, Cell, Check, Table
from .limits import SIZES

RATES = (0.005, 0.02, 0.10)
CONFIDENCE = 0.95


def clopper_pearson(reps: int, rng: np.random.Generator) -> Table:
    """Clopper-Pearson's interval of an NFR."""
    del reps, rng
    return _of_rates("Clopper-Pearson's interval of an NFR", rates.clopper_pearson, guaranteed=True)


def wilson(reps: int, rng: np.random.Generator) -> Table:
    """Wilson's interval, which is only shown, and where the comparison warns of it."""
    del reps, rng
    table = _of_rates("Wilson's interval of an NFR (for display)", rates.wilson, guaranteed=False)
    rows = []
    checks = []
    for p, row in zip(RATES, table.rows, strict=True):
        marked: list[Cell] = [row[0]]
        for n, share in zip(SIZES, row[1:], strict=True):
            warned = _warned(n, int(n * p))
            marked.append(f"{100 * float(share or 0):.2f}{' *' if warned else ''}")
            if n * p < 5:
                checks.append(
                    Check(name=f"warned, p {p:g}, n {n}", rate=float(warned), bound=1.0, at_least=True)
                )
        rows.append(marked)
    return Table(
        title=table.title,
        how=f"{table.how}; *: with n p flips regress warns of it",
        columns=table.columns,
        rows=rows,
        checks=checks,
    )


def _warned(n: int, flips: int) -> bool:
    made = estimates(cases.binary("", flips, 0, n).columns, np.random.default_rng(0))["nfr"]
    return "interval-rough" in {notice.code for notice in made.warnings}


def _of_rates(
    title: str, interval: Callable[..., tuple[np.ndarray, np.ndarray]], *, guaranteed: bool
) -> Table:
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for p in RATES:
        row: list[Cell] = [f"{100 * p:g} %"]
        for n in SIZES:
            k, weight = draws.binomial(n, p)
            low, high = interval(k, n, CONFIDENCE)
            share = float(weight[(low <= p) & (p <= high)].sum())
            row.append(share)
            if guaranteed:
                checks.append(
                    Check(
                        name=f"coverage, NFR {p:g}, n {n}",
                        rate=share,
                        bound=CONFIDENCE - APPROXIMATE,
                        at_least=True,
                    )
                )
        rows.append(row)
    return Table(
        title=f"Coverage: {title}",
        how="exact: the binomial distribution, enumerated",
        columns=("NFR", *map(str, SIZES)),
        rows=rows,
        checks=checks,
    )


def accuracy_drop(reps: int, rng: np.random.Generator) -> Table:
    """The gate's bounds of a fall of accuracy, both at 97.5 %, and Tango's interval, which is shown."""
    del reps, rng
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for p in RATES:
        for share in (1.0, 0.5, 0.0):
            labels = (f"{100 * p:g} %", f"{100 * p * share:g} %")
            gate, shown = zip(*(_drop_covered(n, p, p * share) for n in SIZES), strict=True)
            rows += [["gate", *labels, *gate], ["shown", *labels, *shown]]
            checks += [
                Check(
                    name=f"coverage of the gate's bounds, NFR {p:g}, PFR {p * share:g}, n {n}",
                    rate=covered,
                    bound=CONFIDENCE - APPROXIMATE,
                    at_least=True,
                )
                for n, covered in zip(SIZES, gate, strict=True)
            ]
    return Table(
        title="Coverage: bounds of a fall of accuracy, as the gate makes them and as the table shows them",
        how="exact: the trinomial distribution, enumerated; guaranteed are the gate's",
        columns=("", "NFR", "PFR", *map(str, SIZES)),
        rows=rows,
        checks=checks,
    )


def _drop_covered(n: int, p_lost: float, p_gained: float) -> tuple[float, float]:
    """Coverage of the gate's two bounds and of Tango's interval."""
    met, drop = draws.enumerated(n, p_lost, p_gained), p_lost - p_gained
    tail = (1 - CONFIDENCE) / 2
    low, high = paired.tango_interval(met.lost, met.gained, n, CONFIDENCE)
    # a bound leaves the truth out where the test at the truth rejects; at 0 without a flip there is none
    p_pass, p_fail = decisions.drop(met.lost, met.gained, n, drop)
    covered = ~((p_pass <= tail) | (p_fail < tail))
    return met.share(covered), met.share((low <= 1e-12 - drop) & (-1e-12 - drop <= high))


def bca(reps: int, rng: np.random.Generator) -> Table:
    """The bootstrap's interval of an excess NFR, where enough pairs differ for one."""
    reps = max(reps // 10, 1)
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for p in RATES:
        pair = draws.noisy(p / 2, p / 2)
        for n in SIZES:
            made, missed = _missed(rng.multinomial(n, pair.rates, size=reps), pair.excess, p / 2, rng)
            given = 1 - missed / made if made else float("nan")
            rows.append([f"{100 * p:g} %", n, made / reps, missed / reps, given])
            checks.append(
                Check(
                    name=f"a BCa interval is made and misses, NFR {p:g}, n {n}",
                    rate=missed / reps,
                    bound=1 - CONFIDENCE + APPROXIMATE,
                    draws=reps,
                )
            )
    return Table(
        title="Coverage: BCa interval of an excess NFR, half of the NFR being noise",
        how=f"simulation of {reps:,} data sets a row; `made`: enough pairs differ (20)",
        columns=("NFR", "n", "made", "made and misses", "covers, if made"),
        rows=rows,
        checks=checks,
    )


def _missed(
    counts: draws.Ints, excess: draws.Floats, truth: float, rng: np.random.Generator
) -> tuple[int, int]:
    made = missed = 0
    for row in counts:
        values = np.repeat(excess, row)
        if bootstrap.admitted(values):
            low, high = bootstrap.mean(values, rng, resamples=decisions.RESAMPLES).interval(CONFIDENCE)
            made += 1
            missed += not low <= truth <= high
    return made, missed


TABLES = (clopper_pearson, accuracy_drop, bca, wilson)
