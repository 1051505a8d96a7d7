"""The verdict: every rule of a policy on every case, with multiplicity accounted for.

A gate passes only if every blocking rule passes: an intersection-union test, so the p-values of passing
are not adjusted, and P(gate passes | some blocking harm is at its limit or above) is at most alpha. It
fails if any blocking rule fails: those p-values are Holm-adjusted over all blocking rules of all cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from regress.comparison.rows import SEED
from regress.errors import UnknownName, UsageError
from regress.policy.bounds import Bounds
from regress.policy.case import Case
from regress.policy.counts import counted
from regress.policy.harms import article
from regress.policy.rules import Finding, Obstacle, applicable, finding, findings
from regress.statistics.multiplicity import holm
from regress.types import Notice
from regress.verdicts import Outcome, Policy, Rule, RuleResult, SliceTerms, Terms, Verdict

_SLACK = 1e-12
"""What a quotient of counts may miss a limit by."""

_DROPS = ("max_accuracy_drop", "max_score_drop")

Decided = tuple[Outcome, str, float]
"""Outcome, code and Holm-adjusted p-value."""


def judge(cases: Sequence[Case], policy: Policy, *, seed: int = SEED) -> Verdict:
    """Hold compared runs to a policy.

    Args:
        cases: The tasks, or pooled groups of tasks.
        policy: What they are held to.
        seed: Seed of resampling: same seed, same digits.

    Raises:
        UsageError: If the policy means nothing for these tasks, or decides nothing about one of them.
        UnknownName: If it names a task, tag or id that is not there.
    """
    _require_known(cases, policy)
    found = [one for case in cases for one in _found(case, policy, seed)]
    for case in cases:
        _require_decisive(case, found)
    judged = _judged(found, policy)
    results = [
        result
        for case in cases
        for result in (
            *counted(case, terms_of(case, policy), policy),
            *(one for one in judged if one.task == case.name),
        )
    ]
    return Verdict(outcome=_overall(results), policy=policy, results=tuple(results))


def terms_of(case: Case, policy: Policy) -> Terms:
    """What a case is held to."""
    return policy.tasks.get(case.name, policy.default)


def _overall(results: Sequence[RuleResult]) -> Outcome:
    blocking = {result.outcome for result in results if result.blocks}
    order: tuple[Outcome, ...] = ("not gateable", "fail", "undecided")
    return next((outcome for outcome in order if outcome in blocking), "pass")


# ── what is looked at ────────────────────────────────────────────────────────────────────────────


def _found(case: Case, policy: Policy, seed: int) -> Iterator[Finding]:
    terms = terms_of(case, policy)
    yield from findings(case, terms, policy, seed)
    for part in policy.slices:
        if not part.tasks or case.name in part.tasks:
            yield from _slice(case, part, terms, policy, seed)


def _slice(case: Case, part: SliceTerms, terms: Terms, policy: Policy, seed: int) -> Iterator[Finding]:
    """The rules on a declared part of a case; nothing where the case does not know its tags."""
    mask = case.tagged(part.tags)
    if not mask.any():
        if part.tasks:
            raise _no_such_part([case], part)
        return
    columns = case.columns.rows(mask)
    minimum = terms.minimum_n if part.minimum_n is None else part.minimum_n
    for rule in applicable(case, _rules_of(part, case, terms)):
        one = finding(case, columns, rule, policy, seed, slice=part.name)
        if columns.items() < minimum:
            few = {"n": columns.items(), "minimum": minimum}
            obstacle = Obstacle(outcome="not gateable", code="few-items", data=few)
            one = replace(one, found=obstacle, readable=None)
        yield one


def _rules_of(part: SliceTerms, case: Case, terms: Terms) -> tuple[Rule, ...]:
    """A slice's own rules, meant for this very task where it names it; else the task's, at its tier."""
    if part.rules:
        return tuple(replace(rule, named=case.name in part.tasks) for rule in part.rules)
    return tuple(replace(rule, tier=part.tier) for rule in terms.rules)


def _no_such_part(cases: Sequence[Case], part: SliceTerms) -> UsageError:
    known = "; ".join(
        f"{case.name} {tag}: {', '.join(values[:8])}"
        for case in cases
        for tag, values in case.known_tags().items()
    )
    wanted = ", ".join(f"{tag} = {value}" for tag, value in part.tags.items())
    return UsageError(
        f"slice {part.name!r}: no instance of {', '.join(case.name for case in cases)} bears {wanted}",
        allowed=known or "nothing: its instances bear no tags",
    )


def require_tasks(policy: Policy, names: Collection[str]) -> None:
    """Refuse a policy that names a task which is not among these.

    Raises:
        UnknownName: Naming the first.
    """
    for name in (*policy.tasks, *(task for part in policy.slices for task in part.tasks)):
        if name not in names:
            do = "Compare it too (--tasks), or take it out of the policy: what is missing cannot pass."
            raise UnknownName("task", name, names, where=f"policy {policy.name}", do=do)


def _require_known(cases: Sequence[Case], policy: Policy) -> None:
    require_tasks(policy, [case.name for case in cases])
    for part in policy.slices:
        if not part.tasks and not any(case.tagged(part.tags).any() for case in cases):
            raise _no_such_part(cases, part)


def _require_decisive(case: Case, found: Sequence[Finding]) -> None:
    """Refuse a policy that would let a case pass unlooked at."""
    mine = [
        one for one in found if one.task == case.name and one.slice is None and one.rule.tier == "blocking"
    ]
    if not any(not isinstance(one.found, Obstacle) or one.found.outcome == "not gateable" for one in mine):
        scale = case.columns.scale
        raise UsageError(
            f"the policy has no blocking rule for {case.name}, which is judged on {article(scale)} scale",
            do=f"Limit something under [tasks.{case.name}], for example "
            + ("max_accuracy_drop." if scale == "binary" else "max_score_drop."),
        )


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────


def _judged(found: Sequence[Finding], policy: Policy) -> list[RuleResult]:
    """The results of all findings, on all instances and, beside, on the readable ones."""
    decided = _decided(found, policy, lambda one: one.found)
    beside = _decided(found, policy, lambda one: one.found if one.readable is None else one.readable)
    return [
        _result(one, first, second, policy) for one, first, second in zip(found, decided, beside, strict=True)
    ]


def _decided(
    found: Sequence[Finding], policy: Policy, look: Callable[[Finding], Bounds | Obstacle]
) -> list[Decided]:
    """What each rule says by one of the two analyses; the family of Holm is its blocking rules.

    A rule without a test of failing on these items counts in it too: that it has none is itself observed,
    and where one appears only with many flips, leaving it out until then would fail too often.
    """
    p_fail = np.full(len(found), math.nan)
    for place, one in enumerate(found):
        seen = look(one)
        if one.rule.tier == "blocking" and isinstance(seen, Bounds):
            p_fail[place] = 1.0 if math.isnan(seen.p_fail) else seen.p_fail
    adjusted = holm(p_fail)
    return [
        _outcome(look(one), one.rule.limit, one.rule.tier, float(p), policy)
        for one, p in zip(found, adjusted, strict=True)
    ]


def _outcome(seen: Bounds | Obstacle, limit: float, tier: str, p_holm: float, policy: Policy) -> Decided:
    if isinstance(seen, Obstacle):
        return seen.outcome, seen.code, math.nan
    if policy.scope == "items":
        within = seen.estimate <= limit + _SLACK
        return ("pass", "within-limit", math.nan) if within else ("fail", "over-limit", math.nan)
    alpha = 1.0 - policy.confidence
    if math.isnan(seen.p_fail):
        p_holm = math.nan
    if seen.p_pass <= alpha:
        return "pass", "within-limit", p_holm
    if (p_holm if tier == "blocking" else seen.p_fail) < alpha:
        return "fail", "over-limit", p_holm
    return "undecided", "holm" if seen.p_fail < alpha else "straddles", p_holm


def _result(one: Finding, first: Decided, second: Decided, policy: Policy) -> RuleResult:
    outcome, code, p_holm = first
    rule, data, numbers = one.rule, dict(one.data), {}
    warnings = list(one.warnings)
    if isinstance(one.found, Obstacle):
        data |= one.found.data
    else:
        numbers = _numbers(one.found, policy)
        if outcome == "pass" and rule.measure in _DROPS and one.found.low > 0.0:
            warnings.append(Notice(code="significant-drop", data={"low": one.found.low}))
    if one.readable is not None and outcome in ("pass", "fail", "undecided"):
        data |= _beside(one.readable, second)
        if rule.tier == "blocking":
            outcome, code = _agreed(outcome, code, one.readable, second)
    return RuleResult(
        task=one.task,
        slice=one.slice,
        rule=rule.measure,
        outcome=outcome,
        code=code,
        tier=rule.tier,
        limit=rule.limit,
        tau=rule.tau,
        p_fail_holm=p_holm,
        data=data,
        warnings=tuple(warnings),
        **numbers,
    )


def _agreed(outcome: Outcome, code: str, readable: Bounds | Obstacle, second: Decided) -> tuple[Outcome, str]:
    """What both analyses allow: if they disagree it hangs on how answers are read, and is undecided.

    Where hardly anything is readable there is no second opinion, which helps no verdict.
    """
    if isinstance(readable, Obstacle):
        return ("not gateable", "none-readable") if outcome == "pass" else (outcome, code)
    return (outcome, code) if second[0] == outcome else ("undecided", "extraction")


def _numbers(found: Bounds, policy: Policy) -> dict[str, Any]:
    return {
        **{name: getattr(found, name) for name in ("estimate", "low", "high", "n", "clusters", "method")},
        **{name: getattr(found, name) for name in ("p_pass", "p_fail")},
        "confidence": None if policy.scope == "items" else policy.confidence,
    }


def _beside(readable: Bounds | Obstacle, decided: Decided) -> dict[str, Any]:
    """What the instances readable on both sides say, for the record."""
    said: dict[str, Any] = {"readable_outcome": decided[0]}
    if isinstance(readable, Obstacle):
        return said | {"readable_code": readable.code}
    names = ("n", "estimate", "low", "high")
    return said | {f"readable_{name}": getattr(readable, name) for name in names}
