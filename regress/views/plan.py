"""A plan in a terminal, and for programs (`regress plan --json`).

Schema `regress.plan/1`. What is undefined is null, rates and changes are fractions, and fields may be added
without a new version.

    schema, old, new, policy, assumed, power, confidence   as in `regress.plans.Plan`
    rules      one object a task, rule, assumed change and assumed churn: every field of
               `regress.plans.RulePlan`, with `reachable`, and a `sentence` where it is not planned or
               not reachable, else null
    gate       every field of `regress.verdicts.GatePlan`
    warnings   {code, data, sentence}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from regress.identity import plain
from regress.plans import Plan, RulePlan
from regress.views.export import representable
from regress.views.gate.view import policy_name
from regress.views.listing import table, wrap
from regress.views.numbers import UNDEFINED, about, amount, chosen, count, percent, score
from regress.views.plan_sentences import in_its_unit, reason, rounded_up, rule, sentence, together
from regress.views.settings import NAME
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
        [line for text in together(plan.warnings) for line in hanging("  ·  ", text, width)],
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
        rows.append([one.task, rule(one), *at_hand, *whole, needed])
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
    lines = [line for line in _lines(rules) if line[0].code == "planned"]
    gates = [gate for gate in plan.gate if gate.delta == delta]

    def rows(cell: Callable[[RulePlan], str], *, at_hand: bool = False) -> list[list[str]]:
        return [
            [line[0].task, rule(line[0]), count(line[0].n if at_hand else line[0].whole), *map(cell, line)]
            for line in lines
        ]

    yield (
        "Probability in % that a rule passes on the n items at hand, by churn:",
        ["task", "rule", "n", *columns],
        [
            *rows(lambda one: percent(one.pass_at_hand), at_hand=True),
            [*_GATE, "", *(percent(gate.pass_at_hand) for gate in gates)],
        ],
    )
    headers = ["task", "rule", "of", *columns]
    if any(one.n < one.whole for one in rules):
        whole = rows(lambda one: percent(one.pass_whole))
        gate_row = [*_GATE, "", *(percent(gate.pass_whole) for gate in gates)]
        yield "The same on all items of the data set:", headers, [*whole, gate_row]
    yield (
        f"Items needed to pass with probability {chosen(plan.power)} %, by churn; more than the task has are "
        "not reachable with it:",
        headers,
        rows(lambda one: UNDEFINED if one.needed is None else count(one.needed)),
    )
    smallest = [row for row in rows(_smallest_cell) if any(row[3:])]
    if smallest:
        heading = "The smallest limit that is reachable on all items, where the policy's own is not:"
        yield heading, headers, smallest


def _lines(rules: Sequence[RulePlan]) -> list[list[RulePlan]]:
    """The plans of each rule, one a churn."""
    found: dict[tuple[Any, ...], list[RulePlan]] = {}
    for one in rules:
        found.setdefault((one.task, one.rule, one.limit, one.tau), []).append(one)
    return list(found.values())


def _smallest_cell(one: RulePlan) -> str:
    if one.reachable:
        return ""
    limit = rounded_up(one.smallest_limit, one.rule, one.scale)
    if not math.isfinite(limit):
        return UNDEFINED
    return score(limit) if in_its_unit(one) else chosen(limit)


def _legend(plan: Plan) -> Iterator[str]:
    if len({gate.assumed_churn for gate in plan.gate}) == 1:
        yield (
            "PASS %: probability that the rule passes on so many items. needed: items for "
            f"{chosen(plan.power)} %."
        )
    yield (
        "Limits of drops are in points, of NFR in percent. Of all instances that change, half are lost where "
        "Δ = 0."
    )
    yield (
        "Row gate: the product over all blocking rules, as if they were independent of each other. Slices, "
        "lists of items that must not flip and limits on unreadable or cut answers are not in it."
    )
    if any(one.tier == "advisory" for one in plan.rules):
        yield "(adv.): advisory, decides nothing."
