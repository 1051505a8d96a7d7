"""A plan in a terminal, and for programs (`regress plan --json`).

Schema `regress.plan/1`. What is undefined is null, rates and changes are fractions, and fields may be added
without a new version.

    schema, old, new, policy, assumed, power, confidence   as in `regress.verdicts.Plan`
    rules      one object a task, rule, assumed change and assumed churn: every field of
               `regress.verdicts.RulePlan`, with `reachable`, and a `sentence` where it is not planned or
               not reachable, else null
    gate       every field of `regress.verdicts.GatePlan`
    warnings   {code, data, sentence}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from regress.identity import plain
from regress.types import Notice, Scale
from regress.verdicts import Plan, RulePlan
from regress.views.export import representable
from regress.views.gate.rules import DROPS, SHORT, unit
from regress.views.gate.view import policy_name
from regress.views.listing import table, wrap
from regress.views.notices import listed
from regress.views.numbers import UNDEFINED, about, amount, chosen, count, percent, plural, score
from regress.views.settings import NAME, name
from regress.views.terminal import NARROWEST, Ink, hanging
from regress.views.untrusted import tail

SCHEMA = "regress.plan/1"


def document(plan: Plan) -> dict[str, Any]:
    """`plan` as an object, ready for `json.dumps(allow_nan=False)`."""
    whole: dict[str, Any] = plain(plan)
    rules = [
        {**plain(one), "reachable": one.reachable, "sentence": reason(one) or None} for one in plan.rules
    ]
    warnings = [{**plain(one), "sentence": sentence(one)} for one in plan.warnings]
    made: dict[str, Any] = representable({"schema": SCHEMA, **whole, "rules": rules, "warnings": warnings})
    return made


def render(plan: Plan, *, width: int = 80, color: bool = False) -> str:
    """`plan` as text that ends with a line end.

    Args:
        plan: What to show.
        width: Cells that no line exceeds (at least 60).
        color: Whether to set headings off; the text is the same without.
    """
    width, ink = max(width, NARROWEST), Ink(color)
    sections = [[ink.bold(line) for line in wrap(_title(plan), width)], wrap(_basis(plan), width)]
    for delta in dict.fromkeys(one.delta for one in plan.gate):
        sections += _change(plan, delta, width, ink)
    sections += [
        [line for text in _legend(plan) for line in wrap(text, width)],
        [line for text in _together(plan.warnings) for line in hanging("  ·  ", text, width)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _title(plan: Plan) -> str:
    new = f" → {tail(plan.new, NAME)}" if plan.new else ""
    return f"Plan for {tail(plan.old, NAME)}{new}"


def _basis(plan: Plan) -> str:
    assumed = ", because none was given" if plan.assumed else ""
    return f"Policy: {policy_name(plan.policy)}{assumed}. {_WHENCE[_basis_of(plan)](plan)}"


def _basis_of(plan: Plan) -> str:
    if any(one.assumed_churn is not None for one in plan.rules):
        return "assumed"
    return plan.rules[0].basis if plan.rules else "pilot"


_WHENCE: Mapping[str, Callable[[Plan], str]] = {
    "pilot": lambda plan: (
        f"Churn is the {chosen(plan.confidence)} % upper bound of the share of instances that changed in the "
        "pilot. Whether they changed for the better or the worse is not looked at."
    ),
    "reruns": lambda plan: (
        f"Churn is the {chosen(plan.confidence)} % upper bound of the share of instances that changed when "
        f"{tail(plan.old, NAME)} was run again. An update changes more, so that these probabilities are too "
        "high and these items too few."
    ),
    "assumed": lambda plan: "Churn, the share of instances that an update changes, is assumed.",
}


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def _change(plan: Plan, delta: float, width: int, ink: Ink) -> Iterator[list[str]]:
    """The tables of one assumed change, and what cannot be reached."""
    rules = [one for one in plan.rules if one.delta == delta]
    churns = [one.assumed_churn for one in plan.gate if one.delta == delta]
    yield [ink.bold(line) for line in wrap(f"If an update {_does(delta, rules)}:", width)]
    if len(churns) > 1:
        for heading, headers, rows in _grid(plan, delta, rules, churns):
            yield [*wrap(heading, width), *table(headers, rows, width=width).split("\n")]
        said = [reason(one) for one in rules if one.code != "planned"]
    else:
        yield table(*_single(plan, delta, rules), width=width).split("\n")
        said = [reason(one) for one in rules]
    yield [line for text in dict.fromkeys(said) if text for line in hanging("→  ", text, width)]


def _does(delta: float, rules: Sequence[RulePlan]) -> str:
    if not delta:
        return "makes nothing better or worse (Δ = 0)"
    scales = {one.scale for one in rules}
    size = amount(delta, "binary") if "unbounded" not in scales else about(abs(delta))
    return f"{'loses' if delta < 0 else 'gains'} {size} on every task"


def _single(plan: Plan, delta: float, rules: Sequence[RulePlan]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows where one churn is looked at."""
    subset = any(one.n < one.whole for one in rules)
    headers = ["task", "rule", "churn %", "n", "PASS %", *(["of", "PASS %"] if subset else []), "needed"]
    rows = []
    for one in rules:
        whole = [count(one.whole), percent(one.pass_whole)] if subset else []
        needed = UNDEFINED if one.needed is None else count(one.needed)
        at_hand = [percent(one.churn), count(one.n), percent(one.pass_at_hand)]
        rows.append([one.task, _rule(one), *at_hand, *whole, needed])
    for gate in plan.gate:
        if gate.delta == delta:
            whole = ["", percent(gate.pass_whole)] if subset else []
            rows.append([*_GATE, "", "", percent(gate.pass_at_hand), *whole, ""])
    return headers, rows


_GATE = ("gate", "all that block")


def _grid(
    plan: Plan, delta: float, rules: Sequence[RulePlan], churns: Sequence[float | None]
) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Headings, headers and rows where several churns are looked at: one a column."""
    columns = [f"{chosen(churn or 0.0)} %" for churn in churns]
    lines = _lines(rules)
    gates = [gate for gate in plan.gate if gate.delta == delta]

    def rows(n: str, cell: Callable[[RulePlan], str]) -> list[list[str]]:
        return [
            [of[0].task, _rule(of[0]), count(getattr(of[0], n)), *map(cell, of)]
            for of in lines
            if of[0].code == "planned"
        ]

    yield (
        "Probability in % that a rule passes on the n items at hand, by churn:",
        ["task", "rule", "n", *columns],
        [
            *rows("n", lambda one: percent(one.pass_at_hand)),
            [*_GATE, "", *(percent(gate.pass_at_hand) for gate in gates)],
        ],
    )
    if any(one.n < one.whole for one in rules):
        yield (
            "The same on all items of the data set:",
            ["task", "rule", "of", *columns],
            [
                *rows("whole", lambda one: percent(one.pass_whole)),
                [*_GATE, "", *(percent(gate.pass_whole) for gate in gates)],
            ],
        )
    yield (
        f"Items needed to pass with probability {chosen(plan.power)} %, by churn; more than the task has are "
        "not reachable with it:",
        ["task", "rule", "of", *columns],
        rows("whole", lambda one: UNDEFINED if one.needed is None else count(one.needed)),
    )
    smallest = [row for row in rows("whole", _smallest_cell) if any(row[3:])]
    if smallest:
        yield (
            "The smallest limit that is reachable on all items, where the policy's own is not:",
            ["task", "rule", "of", *columns],
            smallest,
        )


def _lines(rules: Sequence[RulePlan]) -> list[list[RulePlan]]:
    """The plans of each rule, one a churn."""
    found: dict[tuple[Any, ...], list[RulePlan]] = {}
    for one in rules:
        found.setdefault((one.task, one.rule, one.limit, one.tau), []).append(one)
    return list(found.values())


def _smallest_cell(one: RulePlan) -> str:
    if one.reachable:
        return ""
    limit = _up(one.smallest_limit, one.rule, one.scale)
    if not math.isfinite(limit):
        return UNDEFINED
    return score(limit) if _in_its_unit(one) else chosen(limit)


def _rule(one: RulePlan) -> str:
    """A rule with its limit, short enough for a table."""
    limit = about(one.limit) if _in_its_unit(one) else chosen(one.limit)
    return f"{SHORT[one.rule]} ≤ {limit}" + (" (adv.)" if one.tier == "advisory" else "")


def _in_its_unit(one: RulePlan) -> bool:
    return one.scale == "unbounded" and one.rule in DROPS


def _up(limit: float, rule: str, scale: Scale) -> float:
    """`limit` with few digits, rounded up, so that what is printed is reachable too.

    >>> _up(0.02178, "max_accuracy_drop", "binary"), _up(12.341, "max_score_drop", "unbounded")
    (0.022, 12.4)
    """
    if not math.isfinite(limit) or limit <= 0:
        return limit
    digits = 3
    if scale == "unbounded" and rule in DROPS:
        digits = 2 - math.floor(math.log10(limit))
    step = 10.0**-digits
    return float(round(math.ceil(limit / step - 1e-9) * step, max(digits, 0)))


# ── sentences ────────────────────────────────────────────────────────────────────────────────────


def reason(one: RulePlan) -> str:
    """Why a rule is not planned or not reachable, and what would be; empty where it is reachable."""
    rule = f"{name(one.task)}, {_rule(one)}"
    if one.code != "planned":
        return f"{rule}: {_UNPLANNED.get(one.code, name(one.code))}."
    if one.reachable:
        return ""
    why = f"not reachable with this task (max n {count(one.whole)})"
    if not one.harm < one.limit:
        why = f"not reachable with any n, as the harm itself is {_size(one.harm, one)}"
    limit = _up(one.smallest_limit, one.rule, one.scale)
    if not math.isfinite(limit):
        return f"{rule}: {why}, nor is any other limit."
    return f"{rule}: {why}; a limit of {_size(limit, one)} is."


_UNPLANNED = {
    "needs-pilot": (
        "not planned; a churn does not say how far scores move nor which answers are wrong otherwise, stored "
        "runs of both models do"
    ),
    "needs-floor": "not planned, as the old model was not rerun; `regress noise` does that",
    "few-clusters": "not planned, as fewer than 10 clusters cannot be judged",
}


def _size(value: float, one: RulePlan) -> str:
    if _in_its_unit(one):
        return about(value)
    return f"{chosen(round(value, 3))}{unit(one.rule, one.scale)}"


def _legend(plan: Plan) -> Iterator[str]:
    passed = f"PASS %: probability that the rule passes. needed: items for {chosen(plan.power)} %."
    yield (
        f"{passed if _basis_of(plan) != 'assumed' or len(plan.gate) == 1 else ''} Limits of drops are in "
        "points, of NFR in percent; of all instances that change, half are lost where Δ = 0."
    ).strip()
    yield (
        "Row gate: the product over all blocking rules, as if they were independent of each other. Slices, "
        "lists of items that must not flip and limits on unreadable or cut answers are not in it."
    )
    if any(one.tier == "advisory" for one in plan.rules):
        yield "(adv.): advisory, decides nothing."


def _together(warnings: Sequence[Notice]) -> list[str]:
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
    return _together([notice])[0]


def _told(notice: Notice) -> str:
    said = _SENTENCES.get(notice.code)
    return said(notice.data) if said else f"notice {name(notice.code)}."


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
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
