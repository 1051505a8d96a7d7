"""How likely a policy's rules pass an update that does no harm, or a little, and how many items that takes.

What an update is assumed to do, and what follows for a rule, stands in `regress.policy.outlook`; what a
pilot is evidence of in `regress.policy.pilot`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from regress.errors import UsageError
from regress.plans import GatePlan, RulePlan
from regress.policy import harms
from regress.policy.judge import terms_of
from regress.policy.outlook import Outlook, Scenario, Subject, outlook
from regress.statistics import passing
from regress.types import Scale
from regress.verdicts import Policy, Rule

ASSUMED_CHURNS = (0.02, 0.05, 0.10, 0.20)
"""What is assumed where nothing is known; published updates of base models change 10 to 20 %."""

MAXIMUM = 1_000_000
"""Items beyond which nobody will look."""


def rule_plans(
    subjects: Sequence[Subject], policy: Policy, scenarios: Sequence[Scenario], power: float
) -> list[RulePlan]:
    """What every statistical rule of `policy` asks of these tasks, in every scenario.

    Rules that mean nothing for a task's scale are left out, and so are slices and admission limits.

    Args:
        subjects: The tasks, with what is known of updates.
        policy: What will be judged by.
        scenarios: What is assumed of an update.
        power: The probability of passing that is asked for.

    Raises:
        UsageError: If the policy judges the observed items, where nothing is left to chance.
    """
    if policy.scope == "items":
        raise UsageError(
            f"policy {policy.name} judges the items as observed (scope = items)",
            allowed="scope = population",
            do="There is nothing to plan: no sampling error, and every item of the data set is needed.",
        )
    return [
        _rule_plan(subject, rule, policy, scenario, power)
        for subject in subjects
        for rule in terms_of(subject.case, policy).rules
        if harms.defined(rule, subject.case.columns.scale, answers=subject.case.columns.answers)
        for scenario in scenarios
    ]


def gate_plans(rules: Sequence[RulePlan], scenarios: Sequence[Scenario]) -> list[GatePlan]:
    """Whether all blocking rules would pass, were they independent: products, one a scenario."""
    plans = []
    for scenario in scenarios:
        asked = (scenario.delta, scenario.churn)
        blocking = [
            one for one in rules if one.tier == "blocking" and (one.delta, one.assumed_churn) == asked
        ]
        plans.append(
            GatePlan(
                delta=scenario.delta,
                assumed_churn=scenario.churn,
                pass_at_hand=math.prod(one.pass_at_hand for one in blocking) if blocking else math.nan,
                pass_whole=math.prod(one.pass_whole for one in blocking) if blocking else math.nan,
            )
        )
    return plans


# ── one rule ─────────────────────────────────────────────────────────────────────────────────────


def _rule_plan(subject: Subject, rule: Rule, policy: Policy, scenario: Scenario, power: float) -> RulePlan:
    case = subject.case
    scale, minimum = case.columns.scale, terms_of(case, policy).minimum_n
    n, whole = case.n, max(case.n, sum(task.n for task in case.tasks))
    seen = outlook(subject, rule, policy, scenario)
    plan = RulePlan(
        task=case.name,
        rule=rule.measure,
        limit=rule.limit,
        scale=scale,
        tier=rule.tier,
        tau=None if scale == "binary" else rule.tau,
        basis=subject.basis,
        assumed_churn=scenario.churn,
        delta=scenario.delta,
        n=n,
        whole=whole,
    )
    if isinstance(seen, str):
        return replace(plan, code=seen)

    def chance(items: int, limit: float) -> float:
        # with fewer items the gate would not judge at all
        return seen.passes(items, limit) if items >= minimum else 0.0

    needed = _needed(seen, rule.limit, power, minimum, whole)
    plan = replace(
        plan,
        churn=seen.churn,
        sd=seen.sd,
        harm=seen.harm,
        pass_at_hand=chance(n, rule.limit),
        pass_whole=chance(whole, rule.limit),
        needed=needed,
    )
    if plan.reachable:
        return plan
    smallest = _smallest(lambda limit: chance(whole, limit), power, seen, scale)
    return replace(plan, smallest_limit=smallest)


def _needed(seen: Outlook, limit: float, power: float, minimum: int, whole: int) -> int | None:
    if not seen.harm < limit:  # the more items, the surer that it does not pass
        return None
    needed = passing.items_needed(lambda n: seen.passes(n, limit), power, MAXIMUM)
    needed = None if needed is None else max(needed, minimum)
    # the power of exact tests has teeth: all there is may do where some more would not
    if whole >= minimum and seen.passes(whole, limit) >= power:
        return whole if needed is None else min(needed, whole)
    return needed


def _smallest(chance: Callable[[float], float], power: float, seen: Outlook, scale: Scale) -> float:
    # a score without bounds can fall by more than 1
    unit = 100 * (seen.sd + abs(seen.harm)) if scale == "unbounded" and seen.sd > 0 else 1.0
    return unit * passing.smallest_limit(lambda limit: chance(unit * limit), power)
