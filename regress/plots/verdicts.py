"""What a gate says, under one policy or several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from regress.errors import UsageError
from regress.plots.canvas import blank, figure, percent_tick, words
from regress.plots.style import GAIN, INK, LOSS, OPEN, RIGHT
from regress.verdicts import MEASURES, Outcome, RuleResult, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RULES: Mapping[str, str] = {
    "max_accuracy_drop": "accuracy drop",
    "max_score_drop": "score drop",
    "max_nfr": "NFR",
    "max_nfr_mc": "NFR_mc",
    "max_excess_nfr": "excess NFR",
    "max_unreadable": "unreadable",
    "max_truncated": "cut off",
    "must_not_flip": "must not flip",
    "minimum_n": "instances",
    "evidence": "evidence",
}
_OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    "pass": ("✓ pass", GAIN),
    "fail": ("✗ fail", LOSS),
    "undecided": ("? open", OPEN),
    "not gateable": ("! missing", OPEN),
    "not applicable": ("–", RIGHT),
}
_FILL = 0.45
"""How much of its colour a cell has, so that the ink on it is read on light and dark pages."""
_ACROSS, _WIDE = 46, 3
"""Characters that fit above all policies together, and policies that have room for words."""


class _Rule(NamedTuple):
    """A row: one rule on one task, or on a part of it."""

    task: str
    slice: str | None
    rule: str


@figure
def gate(verdicts: Mapping[str, Verdict]) -> Figure:
    """What becomes of every rule under several policies: rules below each other, policies side by side.

    A cell says the outcome and the limit: `?` is undecided, `!` lacks evidence; with more than three
    policies there is room for the marks alone. Full cells decide; cells
    that are only framed are advisory. Rules on whether a task can be judged at all are left out where
    they hold under every policy.

    Args:
        verdicts: Verdicts by what the policy is called, from the left.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UsageError: If there is no verdict.
    """
    if not verdicts:
        raise UsageError("no verdict to draw", do="Hold the update to a policy first.")
    rows = _rows(verdicts)
    made = blank("what the gate says", None, height=1.1 + 0.3 * len(rows))
    axes = made.subplots()
    for x, verdict in enumerate(verdicts.values()):
        _verdict(axes, x, verdict)
        for result in verdict.results:
            if (rule := _rule(result)) in rows:
                _cell(axes, x, rows.index(rule), result, wide=len(verdicts) <= _WIDE)
    axes.set_xlim(-0.5, len(verdicts) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -1.6)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_xticks(
        range(len(verdicts)), [words(name, _ACROSS // len(verdicts)) for name in verdicts], parse_math=False
    )
    axes.set_yticks(range(len(rows)), [_named(rule) for rule in rows], parse_math=False)
    axes.spines.bottom.set_visible(False)
    return made


def _rule(result: RuleResult) -> _Rule:
    return _Rule(result.task, result.slice, result.rule)


def _rows(verdicts: Mapping[str, Verdict]) -> list[_Rule]:
    """Rules that say something under some policy, in the order in which they come."""
    results = [result for verdict in verdicts.values() for result in verdict.results]
    said = {
        _rule(result)
        for result in results
        if result.outcome != "not applicable" and (result.rule in MEASURES or result.outcome != "pass")
    }
    return [rule for rule in dict.fromkeys(map(_rule, results)) if rule in said]


def _named(rule: _Rule) -> str:
    part = f" [{words(rule.slice, 12)}]" if rule.slice else ""
    return f"{words(rule.task, 12)}{part}: {_RULES.get(rule.rule) or words(rule.rule, 12)}"


def _verdict(axes: Axes, x: int, verdict: Verdict) -> None:
    """The outcome of all rules together, above them."""
    said, colour = _OUTCOMES[verdict.outcome]
    axes.bar(x, 0.9, 0.94, -1.5, color=colour, alpha=_FILL)
    axes.text(x, -1.05, said.upper(), ha="center", va="center", fontweight="bold", color=INK)


def _cell(axes: Axes, x: int, y: int, result: RuleResult, *, wide: bool) -> None:
    said, colour = _OUTCOMES[result.outcome]
    (cell,) = axes.bar(x, 0.84, 0.92, y - 0.42, color=colour, alpha=_FILL)
    if not result.blocks:
        cell.set(fill=False, alpha=1, edgecolor=colour, linewidth=1.5)
    said = " ".join(filter(None, (said if wide else said[0], _limit(result))))
    axes.text(x, y, said, ha="center", va="center", fontsize=8.5, color=INK)


def _limit(result: RuleResult) -> str:
    """The limit: of drops in points, of rates in percent, of scores as it is, for they may have any unit."""
    if result.outcome == "not applicable" or not math.isfinite(result.limit):
        return ""
    if result.rule == "minimum_n":
        return f"≥ {result.limit:,.0f}"
    return f"≤ {result.limit:g}" if result.rule == "max_score_drop" else f"≤ {percent_tick(result.limit)} %"
