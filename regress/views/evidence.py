"""Whether a difference is real, in words: intervals, tests and the noise floor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from regress.types import (
    VARIATIONS,
    Comparison,
    Evidence,
    Notice,
    TaskComparison,
)
from regress.views.measures import MEASURES, Measure, has_interval, value
from regress.views.notices import ENGINE_AT_FAULT
from regress.views.numbers import chosen, count, number, p_value, percent, plural
from regress.views.sentences import notices, sentence, task_name
from regress.views.settings import name

_FLIPS = ("delta", "nfr", "pfr")
_TESTS = {
    "mcnemar": "McNemar's test",
    "mcnemar-clustered": "McNemar's test for clusters",
    "sign-flip": "sign-flip test",
    "sign-flip-clustered": "sign-flip test for clusters",
}
_SUITE_NAMES = 4


# ── one row ──────────────────────────────────────────────────────────────────────────────────────


def interval_line(task: TaskComparison) -> str:
    """The intervals of what an update is judged by, where any were made."""
    return _intervals(task, (one for one in MEASURES if one.estimate in _FLIPS))


def evidence_line(task: TaskComparison) -> str:
    """Whether delta is more than chance; empty where nothing was tested."""
    evidence = task.evidence
    if evidence is None or not math.isfinite(evidence.p_differs):
        return ""
    line = f"{_test(evidence)}, two-sided: {p_value(evidence.p_differs)}"
    if math.isfinite(evidence.p_differs_holm) and evidence.p_differs_holm != evidence.p_differs:
        line += f"; adjusted for the number of tasks (Holm) {p_value(evidence.p_differs_holm)}"
    return line


def floor_line(task: TaskComparison) -> str:
    """What the old model loses against itself, and what the update loses beyond that."""
    if not math.isfinite(value(task, "floor_nfr")):
        return ""
    kinds = [
        f"{kind} {percent(value(task, f'floor_{kind}'))}"
        for kind in VARIATIONS
        if math.isfinite(value(task, f"floor_{kind}"))
    ]
    floor = f"noise floor NFR {percent(value(task, 'floor_nfr'))}" + (
        f" ({', '.join(kinds)})" if kinds else ""
    )
    parts = [*_excess(task), *_tosses(task)]
    return f"{floor}: {'; '.join(parts)}" if parts else floor


def wide_lines(task: TaskComparison) -> Iterator[str]:
    """What is said only where there is room; some of it may be empty."""
    yield _intervals(task, (one for one in MEASURES if one.estimate not in _FLIPS))
    yield _methods(task)
    if task.evidence is not None and math.isfinite(task.evidence.p_worse):
        yield f"{_test(task.evidence)}, one-sided for worse: {p_value(task.evidence.p_worse)}"
    yield _diagnosis(task)


def _intervals(task: TaskComparison, measures: Iterable[Measure]) -> str:
    made = [(one, task.estimates[one.estimate]) for one in measures if _interval_of(task, one.estimate)]
    if not made:
        return ""
    shown = (f"{one.heading} {ends(task, one)}" for one, _ in made)
    levels = {estimate.confidence for _, estimate in made}
    level = levels.pop() if len(levels) == 1 else None
    return (f"{chosen(level)} % intervals: " if level else "intervals: ") + ", ".join(shown)


def _interval_of(task: TaskComparison, estimate: str) -> bool:
    return estimate in task.estimates and has_interval(task.estimates[estimate])


def ends(task: TaskComparison, one: Measure) -> str:
    """The interval of an estimate that has a column; empty where none was made."""
    if not _interval_of(task, one.estimate):
        return ""
    estimate, scale = task.estimates[one.estimate], task.task.scale
    return f"{number(estimate.low, one.unit, scale)} to {number(estimate.high, one.unit, scale)}"


def _methods(task: TaskComparison) -> str:
    """Which estimates' intervals were made how."""
    made: dict[str, list[str]] = {}
    for one in MEASURES:
        if _interval_of(task, one.estimate) and (method := task.estimates[one.estimate].method):
            made.setdefault(name(method), []).append(one.heading)
    return "intervals by " + "; ".join(f"{m}: {', '.join(h)}" for m, h in made.items()) if made else ""


def _test(evidence: Evidence) -> str:
    return _TESTS.get(evidence.test, name(evidence.test))


def _excess(task: TaskComparison) -> Iterator[str]:
    if not math.isfinite(value(task, "excess_nfr")):
        return
    excess = task.estimates["excess_nfr"]
    ends = f" ({percent(excess.low)} to {percent(excess.high)})" if has_interval(excess) else ""
    yield f"excess NFR {percent(excess.value)}{ends}"


def _tosses(task: TaskComparison) -> Iterator[str]:
    """Lost answers whose margin lies within the noise."""
    nfr, robust = value(task, "nfr"), value(task, "robust_nfr")
    if not math.isfinite(robust):
        return
    lost, tosses = round(nfr * task.n), round((nfr - robust) * task.n)
    are = "is a coin toss" if tosses == 1 else "are coin tosses"
    yield f"{count(tosses)} of the {count(lost)} lost {are}, robust NFR {percent(robust)}"


def _diagnosis(task: TaskComparison) -> str:
    """The identity of repeated answers: what exceeds the models' own noise, and what it is made of."""
    parts = [value(task, one) for one in ("cross_nfr", "self_nfr", "half_loss", "half_distance")]
    if not all(map(math.isfinite, parts)):
        return ""
    cross, own, loss, distance = map(percent, parts)
    return (
        f"NFR over all pairs of an old and a new answer {cross}, of which {own} is what the models show "
        f"against themselves (their mean), {loss} half the accuracy loss and {distance} half the distance "
        "in behaviour"
    )


# ── the whole table ──────────────────────────────────────────────────────────────────────────────


def suite_line(comparison: Comparison) -> str:
    """Whether the new model is worse on all tasks together; empty where that was not tested."""
    suite = comparison.suite
    if suite is None:
        return ""
    named = [name(task) for task in suite.tasks]
    if len(named) > _SUITE_NAMES:
        named = [plural(len(named), "task")]
    tests = (("pooled McNemar", suite.pooled), ("largest z", suite.max_z), ("Fisher", suite.fisher))
    shown = ", ".join(f"{test} {p_value(p)}" for test, p in tests if math.isfinite(p))
    clustered = [
        task_name(row)
        for row in comparison.tasks
        if row.task.scale == "binary"
        and row.clusters is not None
        and row.task.name not in suite.tasks
        and not row.members
    ]
    without = f" Without {', '.join(clustered)}: these tests know nothing of clusters." if clustered else ""
    return f"Worse over {', '.join(named)} together? One-sided: {shown}.{without}" if shown else ""


def alarms(comparison: Comparison) -> Iterator[str]:
    """What to see before any number: tasks on which the engine, not the model, is at fault."""
    for task in comparison.tasks:
        if found := at_fault(task):
            yield f"{task_name(task)}: {sentence(found)}"


def at_fault(task: TaskComparison) -> Notice | None:
    """The notice that the engine, not the model, is at fault; null where it is not known to be."""
    found = next((notice for notice in notices(task) if notice.code == ENGINE_AT_FAULT), None)
    if found or task.padding is None or task.padding.sound:
        return found
    check = task.padding
    data = {"largest": check.largest, "threshold": check.threshold, "batch_size": check.batch_size}
    return Notice(code=ENGINE_AT_FAULT, data=data)
