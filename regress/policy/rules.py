"""The statistical rules on one case: what the items say about each harm, before multiplicity.

Every blocking rule is looked at twice: on all instances, where an unreadable answer is not right, and
on those readable on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regress.comparison.evidence import FEW_CLUSTERS
from regress.comparison.judged import Judged
from regress.comparison.reruns import ENOUGH_RUNS, runs
from regress.comparison.rows import stream
from regress.errors import UsageError
from regress.policy import bounds, harms
from regress.policy.bounds import Bounds
from regress.policy.case import Case
from regress.types import Notice
from regress.verdicts import Outcome, Policy, Rule, Terms

FEWEST_CLUSTERS = 10
"""With fewer clusters nothing can be said."""


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why a rule cannot be judged."""

    outcome: Outcome
    """`not applicable` or `not gateable`."""
    code: str
    """Which obstacle."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What its sentence needs."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the items of one case say about one rule."""

    task: str
    """The case."""
    rule: Rule
    """The rule."""
    found: Bounds | Obstacle
    """On all instances."""
    readable: Bounds | Obstacle | None
    """On those readable on both sides; null where that is all of them."""
    slice: str | None = None
    """Which part of the task; null for all of it."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What else its sentence needs."""


def findings(case: Case, terms: Terms, policy: Policy, seed: int) -> Iterator[Finding]:
    """What the items say about every rule of `terms`; of those that do not apply, that they do not.

    Raises:
        UsageError: If a rule is named for this very task and means nothing for it.
    """
    apply = applicable(case, terms.rules)
    for rule in terms.rules:
        if rule in apply:
            yield finding(case, case.columns, rule, policy, seed)
        elif rule.scale in (None, case.columns.scale):
            data = {"scale": case.columns.scale}
            obstacle = Obstacle(outcome="not applicable", code="not-defined", data=data)
            yield Finding(task=case.name, rule=rule, found=obstacle, readable=None)


def applicable(case: Case, rules: Sequence[Rule]) -> list[Rule]:
    """The rules that mean something for a case.

    Raises:
        UsageError: If one that names this very task does not, or has a limit that nothing can exceed.
    """
    columns = case.columns
    apply = [rule for rule in rules if harms.defined(rule, columns.scale, answers=columns.answers)]
    meant = {rule.measure for rule in apply}
    for rule in rules:
        if rule.named and rule.measure not in meant:
            raise _meaningless(case, rule)
    for rule in apply:
        if rule.measure == "max_score_drop" and columns.scale == "bounded" and rule.limit >= 1.0:
            raise UsageError(
                f"max_score_drop of {case.name} is {rule.limit:g}, and its scores lie between 0 and 1",
                allowed="a number below 1",
            )
    return apply


def finding(
    case: Case, columns: Judged, rule: Rule, policy: Policy, seed: int, *, slice: str | None = None
) -> Finding:
    """What `columns`, all of a case or a slice of it, say about one rule."""
    names = (case.name, slice or "", rule.measure)
    all_read = bool(columns.readable.all())
    return Finding(
        task=case.name,
        slice=slice,
        rule=rule,
        found=_bounds(case, columns, rule, policy, stream(seed, *names)),
        readable=None
        if all_read
        else _bounds(case, columns.rows(columns.readable), rule, policy, stream(seed, *names, "readable")),
        warnings=tuple(_warnings(columns, rule, policy)),
        data=_parts(columns, rule, policy),
    )


def _parts(columns: Judged, rule: Rule, policy: Policy) -> dict[str, float]:
    """What an excess is made of: all flips, and how many are noise."""
    if rule.measure != "max_excess_nfr" or columns.n == 0 or _missing(columns, policy):
        return {}
    nfr = float(harms.flipped(columns, rule.tau).mean())
    return {"nfr": nfr, "floor": nfr - float(harms.excess(columns, policy.noise_kinds, rule.tau).mean())}


def _meaningless(case: Case, rule: Rule) -> UsageError:
    columns = case.columns
    on = "" if rule.scale in (None, columns.scale) else f" on {harms.article(rule.scale)} scale"
    return UsageError(
        f"the policy names {rule.measure}{on} for {case.name}, which is judged on "
        f"{harms.article(columns.scale)} scale",
        allowed=", ".join(harms.usable(columns.scale, answers=columns.answers)),
        do="Limit one of these there, or leave the rule to [default].",
    )


def _bounds(
    case: Case, columns: Judged, rule: Rule, policy: Policy, rng: np.random.Generator
) -> Bounds | Obstacle:
    if columns.n == 0:
        return Obstacle(outcome="not gateable", code="few-items", data={"n": 0, "minimum": 1})
    if rule.measure == "max_excess_nfr" and (missing := _missing(columns, policy)):
        subset = case.subsets[0]
        floor: dict[str, Any] = {"missing": missing, "model": case.old, "task": case.name}
        floor |= {"sample": subset.sample, "seed": subset.seed} if subset.sample else {}
        return Obstacle(outcome="not gateable", code="no-floor", data=floor)
    if policy.scope == "items":
        return _observed(columns, rule, policy)
    clusters = columns.clusters
    if clusters is not None and clusters < FEWEST_CLUSTERS:
        data = {"clusters": clusters, "minimum": FEWEST_CLUSTERS}
        return Obstacle(outcome="not gateable", code="few-clusters", data=data)
    found = _tested(columns, rule, policy, rng)
    return Obstacle(outcome="not gateable", code="no-range") if found is None else found


def _tested(columns: Judged, rule: Rule, policy: Policy, rng: np.random.Generator) -> Bounds | None:
    values, cluster = columns.averaged(_harm(columns, rule, policy))
    limit, confidence = rule.limit, policy.confidence
    match rule.measure:
        case "max_accuracy_drop":
            return bounds.accuracy_drop(values, cluster, limit, confidence)
        case "max_nfr" | "max_nfr_mc":
            return bounds.rate(values, cluster, limit, confidence)
        case "max_excess_nfr":
            flips, _ = columns.averaged(harms.flipped(columns, rule.tau))
            return bounds.excess_rate(values, flips, cluster, limit, confidence, rng)
        case "max_score_drop":
            span = 1.0 if columns.scale == "bounded" else None
            return bounds.score_drop(values, cluster, limit, confidence, rng, span=span)


def _observed(columns: Judged, rule: Rule, policy: Policy) -> Bounds:
    """What is observed on these very items: there is nothing to infer, so there are no bounds."""
    values, _ = columns.averaged(_harm(columns, rule, policy))
    harm = float(values.mean())
    nan = float("nan")
    return Bounds(estimate=harm, n=values.size, high=nan, p_pass=nan, method="observed")


def _harm(columns: Judged, rule: Rule, policy: Policy) -> harms.Floats:
    match rule.measure:
        case "max_accuracy_drop" | "max_score_drop":
            return harms.drop(columns)
        case "max_nfr":
            return harms.flipped(columns, rule.tau)
        case "max_nfr_mc":
            return harms.wrong_otherwise(columns)
        case "max_excess_nfr":
            return harms.excess(columns, policy.noise_kinds, rule.tau)


def _missing(columns: Judged, policy: Policy) -> Sequence[str]:
    stored = columns.old_floor.reruns if columns.old_floor else {}
    return [kind for kind in policy.noise_kinds if kind not in stored]


def _warnings(columns: Judged, rule: Rule, policy: Policy) -> Iterator[Notice]:
    clusters = columns.clusters
    if clusters is not None and FEWEST_CLUSTERS <= clusters < FEW_CLUSTERS:
        yield Notice(code="few-clusters", data={"clusters": clusters, "minimum": FEW_CLUSTERS})
    if rule.measure != "max_excess_nfr" or columns.old_floor is None or _missing(columns, policy):
        return
    if (known := runs(columns.old_floor, policy.noise_kinds)) < ENOUGH_RUNS:
        yield Notice(code="floor-conditional", data={"runs": known})
