"""A plan in sentences: what a rule is called in its tables, what cannot be reached, what to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regress.plans import RulePlan
from regress.types import Notice, Scale
from regress.views.gate.rules import DROPS, SHORT, unit
from regress.views.notices import listed
from regress.views.numbers import about, chosen, count, plural
from regress.views.settings import name


def rule(one: RulePlan) -> str:
    """A rule with its limit, short enough for a table."""
    limit = about(one.limit) if in_its_unit(one) else chosen(one.limit)
    return f"{SHORT[one.rule]} ≤ {limit}" + (" (adv.)" if one.tier == "advisory" else "")


def in_its_unit(one: RulePlan) -> bool:
    """Whether a limit is in the unit of the score, not in points or percent."""
    return one.scale == "unbounded" and one.rule in DROPS


def rounded_up(limit: float, measure: str, scale: Scale) -> float:
    """`limit` with few digits, rounded up, so that what is printed is reachable too.

    >>> rounded_up(0.02178, "max_accuracy_drop", "binary"), rounded_up(12.341, "max_score_drop", "unbounded")
    (0.022, 12.4)
    """
    if not math.isfinite(limit) or limit <= 0:
        return limit
    digits = 3
    if scale == "unbounded" and measure in DROPS:
        digits = 2 - math.floor(math.log10(limit))
    step = 10.0**-digits
    return float(round(math.ceil(limit / step - 1e-9) * step, max(digits, 0)))


def reason(one: RulePlan) -> str:
    """Why a rule is not planned or not reachable, and what would be; empty where it is reachable."""
    about_rule = f"{name(one.task)}, {rule(one)}"
    if one.code != "planned":
        return f"{about_rule}: {_UNPLANNED.get(one.code, name(one.code))}."
    if one.reachable:
        return ""
    why = f"not reachable with this task (max n {count(one.whole)})"
    if not one.harm < one.limit:
        why = f"not reachable with any n, as the true harm then is {_size(one.harm, one)}"
    limit = rounded_up(one.smallest_limit, one.rule, one.scale)
    if not math.isfinite(limit):
        return f"{about_rule}: {why}, nor is any other limit."
    return f"{about_rule}: {why}; a limit of {_size(limit, one)} is."


_UNPLANNED = {
    "needs-pilot": (
        "not planned; a churn does not say how far scores move nor which answers are wrong otherwise, stored "
        "runs of both models do"
    ),
    "needs-floor": "not planned, as the old model was not rerun; `regress noise` does that",
    "few-clusters": "not planned, as fewer than 10 clusters cannot be judged",
}


def _size(value: float, one: RulePlan) -> str:
    if in_its_unit(one):
        return about(value)
    return f"{chosen(round(value, 3))}{unit(one.rule, one.scale)}"


def together(warnings: Sequence[Notice]) -> list[str]:
    """Each warning once, after the tasks that it is about."""
    about_tasks: dict[str, list[str]] = {}
    for one in warnings:
        tasks = about_tasks.setdefault(_told(one), [])
        if "task" in one.data:
            tasks.append(name(one.data["task"]))
    return [f"{', '.join(tasks)}: {text}" if tasks else text for text, tasks in about_tasks.items()]


def sentence(notice: Notice) -> str:
    """What to know before relying on a plan; a notice whose code is not known is shown as it is.

    >>> sentence(Notice(code="limit-not-sample", data={"task": "piqa", "limit": 64}))
    'piqa: the first 64 items are no sample of the rest (--limit); draw a pilot with --sample.'
    """
    return together([notice])[0]


def _told(notice: Notice) -> str:
    said = _SENTENCES.get(notice.code)
    return said(notice.data) if said else f"notice {name(notice.code)}."


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "no-pilot": lambda data: "left out, as no pilot of it is stored; the gate would judge it too.",
    "one-side-missing": lambda data: f"left out; the {data['side']} model has no stored run of it.",
    "below-minimum": lambda data: (
        f"on {plural(data['n'], 'instance')} the gate would not judge: the policy asks for "
        f"{count(data['minimum'])}."
    ),
    "limit-not-sample": lambda data: (
        f"the first {count(data['limit'])} items are no sample of the rest (--limit); draw a pilot with "
        "--sample."
    ),
    "clusters-as-items": lambda data: (
        "how much items of one cluster change together is not known; each cluster counts as one item."
    ),
    "churn-of-reruns": lambda data: (
        "churn is that of a rerun of the old model, a lower bound of what an update changes."
    ),
    "pilot-small": lambda data: (
        f"{plural(data['n'], 'instance')} are a small pilot; with {count(data['minimum'])} or more, fewer "
        "items may turn out to be needed."
    ),
    "pilot-few-changes": lambda data: (
        f"only {plural(data['changed'], 'instance')} changed; one more or less changes the plan."
    ),
    "task-not-planned": lambda data: (
        "the policy names it and no run of it is stored; the gate will want one."
    ),
    "slices-not-planned": lambda data: (
        f"Slices of the policy are not planned for, those that block included: {listed(data['slices'])}."
    ),
}
