"""Limits in words: what a rule holds a release to, and the harms it speaks of."""

from __future__ import annotations

import math
from typing import Any

from regress.types import Scale
from regress.verdicts import Rule, RuleResult
from regress.views.numbers import about, chosen, count, percent, plural, score
from regress.views.settings import name

DROPS = {"max_accuracy_drop": "accuracy drop", "max_score_drop": "mean score drop"}
"""The harms that are a fall of a mean: they have a direction."""

HARMS = (*DROPS, "max_nfr", "max_nfr_mc", "max_excess_nfr")
"""The rules whose estimate is a measured harm."""

ADMISSION = ("minimum_n", "max_unreadable", "max_truncated")
"""The rules on whether a task can be judged at all."""

_RATES = {
    "max_nfr": "lost answers (NFR)",
    "max_nfr_mc": "lost or otherwise wrong answers (NFR_mc)",
    "max_excess_nfr": "lost answers beyond the noise floor (excess NFR)",
}
_RATES_OF_SCORES = {
    "max_nfr": "answers lower by more than {fall} (NFR, τ = {tau})",
    "max_excess_nfr": "answers lower by more than {fall} beyond the noise floor (excess NFR, τ = {tau})",
}
_SHARES = {"max_unreadable": "unreadable answers", "max_truncated": "answers cut off"}
SHORT = {
    **DROPS,
    "max_nfr": "NFR",
    "max_nfr_mc": "NFR_mc",
    "max_excess_nfr": "excess NFR",
    **_SHARES,
    "must_not_flip": "items that must not flip",
    "minimum_n": "number of instances",
    "evidence": "evidence",
}
"""A rule in two words."""


def limited(
    rule: str, limit: float, *, tau: float | None = None, scale: Scale | None = None, listed: Any = None
) -> str:
    """A limit in words.

    Args:
        rule: A measure, or another rule that a result may bear.
        limit: The most, or for `minimum_n` the fewest.
        tau: On score scales, how far a score must fall.
        scale: How the task is judged; null if unknown.
        listed: How many ids are listed, for `must_not_flip`.

    >>> limited("max_accuracy_drop", 0.02), limited("max_score_drop", 0.5, scale="unbounded")
    ('accuracy drop at most 2 points', 'mean score drop at most 0.5')
    >>> limited("max_nfr", 0.2, tau=0.1, scale="bounded")
    'answers lower by more than 10 points (NFR, τ = 0.1) at most 20 %'
    """
    if rule in DROPS:
        return f"{DROPS[rule]} at most {_fall(limit, scale)}"
    if rule in _RATES:
        return f"{_rate(rule, tau, scale)} at most {_share(limit)}"
    if rule in _SHARES:
        return f"{_SHARES[rule]} at most {_share(limit)} on either side"
    if rule == "must_not_flip":
        return f"{plural(listed, 'listed instance') if listed else 'listed instances'} must not flip"
    if rule == "minimum_n":
        return f"at least {plural(round(limit), 'instance')}" if math.isfinite(limit) else "enough instances"
    return "complete evidence" if rule == "evidence" else name(rule)


def rule_limit(rule: Rule, scale: Scale) -> str:
    """A rule of a policy on tasks judged on `scale`."""
    words = limited(rule.measure, rule.limit, tau=rule.tau, scale=scale)
    return words + (" (advisory)" if rule.tier == "advisory" else "")


def short(result: RuleResult) -> str:
    """Which rule, in two words, with the part of the task that it is about."""
    words = SHORT.get(result.rule, name(result.rule))
    return words + (f" of slice {name(result.slice)}" if result.slice else "")


def size(value: float, rule: str, scale: Scale | None) -> str:
    """How much of a harm, without its unit: a drop without its sign, a rate with it."""
    if rule not in DROPS:
        return percent(value)
    return score(abs(value)) if scale == "unbounded" else percent(abs(value))


def unit(rule: str, scale: Scale | None) -> str:
    """What `size` is in."""
    if rule not in DROPS:
        return " %"
    return "" if scale == "unbounded" else " points"


def listed(data: Any) -> int:
    """How many ids a `must_not_flip` rule lists, from a number or the ids themselves."""
    return len(data) if isinstance(data, (list, tuple)) else int(data or 0)


def limit_of(result: RuleResult, scale: Scale | None) -> str:
    """The limit that a result was held to, in words."""
    limit = result.limit
    if result.rule == "minimum_n" and not math.isfinite(limit):
        limit = float(result.data.get("minimum", math.nan))
    many = listed(result.data.get("listed")) if result.rule == "must_not_flip" else None
    return limited(result.rule, limit, tau=result.tau, scale=scale, listed=many)


def counted(result: RuleResult) -> str:
    """How many instances a result rests on."""
    return f"n {count(result.n)}" + (
        "" if result.clusters is None else f" in {count(result.clusters)} clusters"
    )


def _rate(rule: str, tau: float | None, scale: Scale | None) -> str:
    if tau is None or scale == "binary" or rule not in _RATES_OF_SCORES:
        return _RATES[rule]
    return _RATES_OF_SCORES[rule].format(fall=_fall(tau, scale), tau=about(tau))


def _share(limit: float) -> str:
    return f"{chosen(limit)} %" if math.isfinite(limit) else "what is allowed"


def _fall(limit: float, scale: Scale | None) -> str:
    """How far something may fall."""
    if not math.isfinite(limit):
        return "what is allowed"
    if scale == "unbounded":
        return about(limit)
    return f"{chosen(limit)} point" + ("" if chosen(limit) == "1" else "s")
