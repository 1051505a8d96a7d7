"""The rules without sampling error: enough items, few unreadable answers, ids that must stay right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.errors import UnknownName, UsageError
from regress.policy.case import Case
from regress.types import Notice
from regress.verdicts import Outcome, Policy, RuleResult, Terms

Bools = npt.NDArray[np.bool_]


def counted(case: Case, terms: Terms, policy: Policy) -> Iterator[RuleResult]:
    """What came of every rule that counts instead of inferring.

    Raises:
        UnknownName: If an id that must not flip is not among the instances.
        UsageError: If ids are listed for a task that is not judged right or wrong.
    """
    yield from _population(case, policy)
    yield _enough(case, terms.minimum_n)
    if terms.max_unreadable is not None:
        shares = [side.unreadable / case.columns.n for side in case.sides]
        yield _admission(case, "max_unreadable", terms.max_unreadable, shares)
    if terms.max_truncated is not None:
        yield _truncated(case, terms.max_truncated)
    if terms.must_not_flip:
        yield _must_not_flip(case, terms.must_not_flip)


def _population(case: Case, policy: Policy) -> Iterator[RuleResult]:
    """What the items cannot stand for; nothing where they can."""
    n, whole = case.n, sum(task.n for task in case.tasks)
    limits = [subset.limit for subset in case.subsets if subset.limit is not None]
    sampled = any(subset.sample for subset in case.subsets)
    found: list[tuple[str, dict[str, Any]]] = []
    if case.missing:
        found.append(
            ("members-missing", {"missing": list(case.missing), "of": len(case.tasks) + len(case.missing)})
        )
    if policy.scope == "items" and (n < whole or sampled):
        found.append(("not-every-item", {"n": n, "of": whole}))
    elif limits and n < whole:
        found.append(("limit-not-sample", {"limit": limits[0], "n": whole}))
    elif n < whole and not sampled:
        found.append(("rows-missing", {"n": n, "of": whole}))
    for code, data in found:
        yield RuleResult(task=case.name, rule="evidence", outcome="not gateable", code=code, n=n, data=data)


def _enough(case: Case, minimum: int) -> RuleResult:
    few = case.n < minimum
    return RuleResult(
        task=case.name,
        rule="minimum_n",
        outcome="not gateable" if few else "pass",
        code="few-items" if few else "enough",
        limit=minimum,
        estimate=case.n,
        n=case.n,
        data={"n": case.n, "minimum": minimum},
    )


def _truncated(case: Case, limit: float) -> RuleResult:
    if not any(task.kind == "generation" for task in case.tasks):
        return RuleResult(
            task=case.name,
            rule="max_truncated",
            outcome="not applicable",
            code="not-a-generation",
            limit=limit,
            n=case.n,
        )
    for side, counts in zip(("old", "new"), case.sides, strict=True):
        if counts.truncated is None:
            return RuleResult(
                task=case.name,
                rule="max_truncated",
                outcome="not gateable",
                code="unknown",
                limit=limit,
                n=case.n,
                data={"side": side},
            )
    shares = [(side.truncated or 0) / case.columns.n for side in case.sides]
    return _admission(case, "max_truncated", limit, shares)


def _admission(case: Case, rule: str, limit: float, shares: list[float]) -> RuleResult:
    """OLD above the limit cannot be compared with; NEW above it fails."""
    old, new = shares
    outcome: Outcome = "pass"
    code = "within-limit"
    if old > limit:
        outcome, code = "not gateable", "old-over-limit"
    elif new > limit:
        outcome, code = "fail", "over-limit"
    return RuleResult(
        task=case.name,
        rule=rule,
        outcome=outcome,
        code=code,
        limit=limit,
        estimate=new,
        n=case.n,
        data={"old": old, "new": new},
    )


def _must_not_flip(case: Case, listed: tuple[str, ...]) -> RuleResult:
    columns = case.columns
    if columns.scale != "binary":
        raise UsageError(
            f"must_not_flip lists ids of {case.name}, whose answers are scored, not right or wrong",
            do="List ids of tasks that are judged right or wrong.",
        )
    known = set(case.ids.to_pylist())
    if unknown := [one for one in listed if one not in known]:
        where = f"must_not_flip of {case.name} ({len(unknown)} of {len(listed)} are not among its instances)"
        raise UnknownName("instance", unknown[0], sorted(known), where=where)
    # instance by instance: tasks of a group may use the same id, and what one gains pays for no other
    old, new = (
        np.bincount(columns.item, weights=side) for side in (columns.old_correct, columns.new_correct)
    )
    lost, right = _ids(case, (new < old)[columns.item]), _ids(case, (old > 0)[columns.item])
    broken = [one for one in listed if one in lost]
    data: dict[str, Any] = {"listed": len(listed), "ids": broken, "noisy": _noisy(case, broken)}
    never = [one for one in listed if one not in right]
    return RuleResult(
        task=case.name,
        rule="must_not_flip",
        outcome="fail" if broken else "pass",
        code="flipped" if broken else "kept",
        estimate=len(broken),
        limit=0,
        n=len(listed),
        data=data,
        warnings=(Notice(code="listed-not-right", data={"ids": never}),) if never else (),
    )


def _ids(case: Case, rows: Bools) -> set[str]:
    return set(case.ids.filter(pa.array(rows)).to_pylist())


def _noisy(case: Case, ids: list[str]) -> list[str]:
    """Those of the ids that reruns of the old model get wrong too."""
    floor = case.columns.old_floor
    if floor is None or not ids:
        return []
    wrong = np.zeros(case.columns.n, dtype=np.bool_)
    for one in floor.reruns.values():
        if one.correct is not None:
            wrong |= ~one.correct.all(axis=0)
    flipping = _ids(case, wrong)
    return [one for one in ids if one in flipping]
