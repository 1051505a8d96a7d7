"""What happens to a model that is no worse: how often it passes, by preset, size and churn."""

from __future__ import annotations

import numpy as np

from regress.policy.parse import preset
from regress.policy.presets import PRESETS
from regress.types import Scale
from regress.verdicts import Rule

from . import decisions, draws
from .decisions import FAIL, PASS, UNDECIDED, Codes, Tests
from .findings import Cell, Table
from .limits import SIZES

CHURNS = (0.013, 0.02, 0.027, 0.10, 0.20)
"""Two of them measured: reruns of one model (0.65 % each way), and other hardware (1.37 %)."""

TASKS = {"gsm8k": 1319, "samsum": 819, "piqa": 1838, "hellaswag": 10042}

Shares = tuple[float, float, float]
"""P(PASS), P(UNDECIDED), P(FAIL)."""


def blocking(name: str, scale: Scale) -> list[Rule]:
    """The blocking statistical rules of a preset for tasks of this scale."""
    measures = ("max_accuracy_drop", "max_nfr") if scale == "binary" else ("max_score_drop", "max_nfr")
    return [
        rule
        for rule in preset(name).default.rules
        if rule.tier == "blocking" and rule.scale in (None, scale) and rule.measure in measures
    ]


def one_task(reps: int, rng: np.random.Generator) -> Table:
    """One task judged right or wrong, under all of a preset's rules."""
    del reps, rng
    rows: list[list[Cell]] = []
    raw = []
    for name in PRESETS:
        rules = blocking(name, "binary")
        for n in SIZES:
            if n < preset(name).default.minimum_n:
                continue
            shares = [exact(rules, n, churn) for churn in CHURNS]
            rows.append([name, n, *map(_three, shares)])
            raw += [
                {"preset": name, "n": n, "churn": churn, "pass": one[0], "undecided": one[1], "fail": one[2]}
                for churn, one in zip(CHURNS, shares, strict=True)
            ]
    return Table(
        title="No true loss, one task: P(PASS) P(UNDECIDED) P(FAIL) in %, by churn",
        how="exact: the trinomial distribution of losses and gains, enumerated, under all blocking rules",
        columns=("preset", "n", *(f"churn {100 * churn:g} %" for churn in CHURNS)),
        rows=rows,
        details={"shares": raw},
    )


def exact(rules: list[Rule], n: int, churn: float) -> Shares:
    """What becomes of an unchanged model, with as many gains as losses in expectation."""
    met = draws.enumerated(n, churn / 2, churn / 2)
    verdict = decisions.gate(decisions.outcomes([_test(rule, met.lost, met.gained, n) for rule in rules]))
    return met.share(verdict == PASS), met.share(verdict == UNDECIDED), met.share(verdict == FAIL)


def clusters(reps: int, rng: np.random.Generator) -> Table:
    """The same with clusters of five."""
    rows: list[list[Cell]] = []
    for name in PRESETS:
        rules = blocking(name, "binary")
        for n in SIZES:
            if n < preset(name).default.minimum_n:
                continue
            sizes = draws.sizes(n, (5,))
            found = []
            for churn in CHURNS[2:]:
                rates = (churn / 2, churn / 2, 1 - churn)
                verdicts = [
                    decisions.gate(decisions.outcomes([_clustered(rule, block, sizes) for rule in rules]))
                    for block in draws.clustered(sizes, rates, max(reps // 5, 1), rng)
                ]
                found.append(_three(_shares(np.concatenate(verdicts))))
            rows.append([name, n, sizes.size, *found])
    return Table(
        title="No true loss, one task, clusters of five (ICC 0.1): P(PASS) P(UNDECIDED) P(FAIL) in %",
        how=f"simulation of {max(reps // 5, 1):,} data sets a cell, under all blocking rules",
        columns=("preset", "n", "K", *(f"churn {100 * churn:g} %" for churn in CHURNS[2:])),
        rows=rows,
    )


def correlated(reps: int, rng: np.random.Generator) -> Table:
    """Four tasks at once, whose flips go together or not."""
    n, churn = 1319, 0.10
    rates = (churn / 2, churn / 2, 1 - churn)
    rows: list[list[Cell]] = []
    for name in PRESETS:
        rules = blocking(name, "binary")
        for overlap in (0.0, 0.5, 1.0):
            shared = round(overlap * n)
            counts = rng.multinomial(shared, rates, size=reps) + rng.multinomial(
                n - shared, rates, size=(4, reps)
            )
            tests = [_test(rule, task[:, 0], task[:, 1], n) for task in counts for rule in rules]
            verdict = decisions.gate(decisions.outcomes(tests))
            rows.append([name, f"{100 * overlap:g} %", len(tests), *_shares(verdict)])
    return Table(
        title=f"No true loss, four tasks of n = {n}, churn 10 %",
        how=f"simulation of {reps:,} suites a row, under all blocking rules",
        columns=("preset", "items shared", "rules", "PASS", "UNDECIDED", "FAIL"),
        rows=rows,
    )


def presets(reps: int, rng: np.random.Generator) -> Table:
    """The table of the README: an unchanged model, the real tasks, each alone and all together."""
    rows: list[list[Cell]] = []
    for churn in (0.10, 0.027, 0.013):
        for name in (*PRESETS, "strict, accuracy and score alone"):
            base = name.split(",")[0]
            passing = {}
            for task, n in TASKS.items():
                scale: Scale = "bounded" if task == "samsum" else "binary"
                rules = blocking(base, scale)
                if base != name:
                    rules = [rule for rule in rules if rule.measure != "max_nfr"]
                if scale == "binary":
                    passing[task] = exact(rules, n, churn)[0]
                else:
                    passing[task] = _scores(rules, n, churn, max(reps // 20, 1), rng)
            together = float(np.prod(list(passing.values())))
            rows.append([f"{100 * churn:g} %", name, *passing.values(), together])
    return Table(
        title="The probability that an unchanged model passes, in %",
        how="exact; SAMSum: simulation, as many of its scores changing, by 0.2 on average; tasks independent",
        columns=("churn", "preset", *TASKS, "all four"),
        rows=rows,
    )


def _scores(rules: list[Rule], n: int, changed: float, reps: int, rng: np.random.Generator) -> float:
    falls = draws.tied(0.0, changed=changed).drawn((reps, n), rng)
    tests: list[Tests] = []
    for rule in rules:
        if rule.measure == "max_score_drop":
            tests.append(decisions.score_drop(falls, rule.limit, rng))
        else:
            tests.append(decisions.rate((falls > (rule.tau or 0.0)).sum(axis=1), n, rule.limit))
    return _shares(decisions.gate(decisions.outcomes(tests)))[0]


def _test(rule: Rule, lost: draws.Ints, gained: draws.Ints, n: int) -> Tests:
    if rule.measure == "max_accuracy_drop":
        return decisions.drop(lost, gained, n, rule.limit)
    return decisions.rate(lost, n, rule.limit)


def _clustered(rule: Rule, counts: draws.Ints, sizes: draws.Ints) -> Tests:
    lost, gained = counts[..., 0], counts[..., 1]
    if rule.measure == "max_accuracy_drop":
        return decisions.clustered_drop(lost, gained, sizes, rule.limit)
    return decisions.clustered_rate(lost, sizes, rule.limit)


def _shares(verdict: Codes) -> Shares:
    passed, undecided, failed = (float(np.mean(verdict == one)) for one in (PASS, UNDECIDED, FAIL))
    return passed, undecided, failed


def _three(shares: Shares) -> str:
    return " ".join(f"{100 * one:4.0f}" for one in shares)


TABLES = (one_task, clusters, correlated, presets)
