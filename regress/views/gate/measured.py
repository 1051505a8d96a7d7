"""Rules on what was measured, in words: estimate, bound, how it was made, n."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from regress.types import Scale
from regress.verdicts import RuleResult
from regress.views.gate.rules import DROPS, HARMS, counted, size, unit
from regress.views.numbers import at_least, at_most, chosen, count, p_value, percent, worded

_TIE = 1e-9


def within(result: RuleResult, scale: Scale | None) -> str:
    """Not more than may be."""
    if result.rule not in HARMS:
        return shares(result)
    return f"{_upper(result, scale)}{_how(result)}, {counted(result)}"


def over(result: RuleResult, scale: Scale | None) -> str:
    """More than may be."""
    if result.rule not in HARMS:
        return shares(result)
    return f"{_lower(result, scale)}{_how(result)}, {counted(result)}"


def straddles(result: RuleResult, scale: Scale | None) -> str:
    """Neither can be said."""
    if math.isfinite(result.low):
        return f"{_between(result, scale)}, {counted(result)}: the interval straddles the limit"
    few = "so few differences" if result.clusters is None else "differences in so few clusters"
    return (
        f"{_upper(result, scale)}{_how(result)}, {counted(result)}: the bound is over the limit, and {few} "
        "allow no test of the contrary"
    )


def holm(result: RuleResult, scale: Scale | None) -> str:
    """More than may be, but for the number of rules that were tried."""
    return (
        f"{_lower(result, scale)}{_how(result)}, {counted(result)}: over the limit if it were the only rule "
        f"({p_value(result.p_fail)}), but not once all blocking rules are counted (Holm, "
        f"{p_value(result.p_fail_holm)})"
    )


def extraction(result: RuleResult, scale: Scale | None) -> str:
    """The instances readable on both sides say otherwise."""
    data = result.data
    said = {"pass": "it would pass", "fail": "it would fail", "undecided": "it would be undecided"}
    outcome = said.get(str(data.get("readable_outcome")), "it cannot be judged")
    there = _number(data.get("readable_estimate"))
    readable = count(data["readable_n"]) if data.get("readable_n") is not None else "instances"
    shown = f" ({_moved(there, result.rule, scale)})" if math.isfinite(there) else ""
    return (
        f"{_between(result, scale)}, {counted(result)}; on the {readable} readable on both sides "
        f"{outcome}{shown}: what could be read decides, not what the model knows"
    )


_READABLE = {
    "few-items": "no instance is",
    "few-clusters": "instances of too few clusters are",
}


def none_readable(result: RuleResult, scale: Scale | None) -> str:
    """There are hardly any instances readable on both sides."""
    seen = f"{_observed(result, scale)}, {counted(result)}; " if math.isfinite(result.estimate) else ""
    readable = _READABLE.get(str(result.data.get("readable_code")), "hardly any instance is")
    return f"{seen}what there is hangs on unreadable answers: {readable} readable on both sides"


def shares(result: RuleResult) -> str:
    """What an admission limit is held against."""
    shown = (f"{side} {percent(_number(result.data.get(side)))} %" for side in ("old", "new"))
    return f"{', '.join(shown)}, {counted(result)}"


MEASURED: dict[str, Callable[[RuleResult, Scale | None], str]] = {
    "within-limit": within,
    "over-limit": over,
    "straddles": straddles,
    "holm": holm,
    "extraction": extraction,
    "none-readable": none_readable,
}
"""What a code says of a harm that was measured."""


# ── the pieces ───────────────────────────────────────────────────────────────────────────────────


def _observed(result: RuleResult, scale: Scale | None) -> str:
    seen = _moved(result.estimate, result.rule, scale)
    return seen + "".join(_parts(result, scale))


def _parts(result: RuleResult, scale: Scale | None) -> Iterator[str]:
    """What an excess is the difference of."""
    nfr, floor = (_number(result.data.get(one)) for one in ("nfr", "floor"))
    if result.rule != "max_excess_nfr" or not (math.isfinite(nfr) and math.isfinite(floor)):
        return
    lost = "lost" if scale in ("binary", None) else "lower"
    flips, noise = worded(percent(nfr)), worded(percent(floor))
    yield (
        f" (of {flips} % {lost}, {noise} % is noise)"
        if floor <= nfr
        else (f" ({flips} % {lost}, by noise alone {noise} %)")
    )


def _moved(harm: float, rule: str, scale: Scale | None) -> str:
    shown = f"{worded(size(harm, rule, scale))}{unit(rule, scale)}"
    if rule not in DROPS:
        return f"observed {shown}"
    if abs(harm) <= _TIE:
        return "did not change"
    return f"fell by {shown}" if harm > 0 else f"rose by {shown}"


def _lower(result: RuleResult, scale: Scale | None) -> str:
    """What was observed, and the lower bound of the harm."""
    seen = _observed(result, scale)
    return f"{seen}, {at_least(size(result.low, result.rule, scale))}" if math.isfinite(result.low) else seen


def _upper(result: RuleResult, scale: Scale | None) -> str:
    """What was observed, and the upper bound of the harm."""
    seen, high = _observed(result, scale), result.high
    if not math.isfinite(high):
        return seen
    bound = size(high, result.rule, scale)
    if result.rule in DROPS and high < 0:
        return f"{seen}, {at_least(bound)}"
    if result.rule not in DROPS or result.estimate > _TIE:
        return f"{seen}, {at_most(bound)}"
    return f"{seen}; if it fell at all, by {at_most(bound)}"


def _between(result: RuleResult, scale: Scale | None) -> str:
    seen = _observed(result, scale)
    if not (math.isfinite(result.low) and math.isfinite(result.high)):
        return f"{seen}{_how(result)}"
    ends = (_end(one, result.rule, scale) for one in (result.low, result.high))
    return f"{seen}, between {' and '.join(ends)}{_how(result)}"


def _end(harm: float, rule: str, scale: Scale | None) -> str:
    shown = worded(size(harm, rule, scale))
    return shown if rule not in DROPS else f"{'a rise' if harm < 0 else 'a fall'} of {shown}"


def _how(result: RuleResult) -> str:
    """With what confidence, and how where that is not the usual way."""
    if result.method == "observed":
        return " (on these instances, without sampling error)"
    if result.confidence is None or not (math.isfinite(result.low) or math.isfinite(result.high)):
        return ""
    return f" ({chosen(result.confidence)} % one-sided{_unusual(result)})"


def _unusual(result: RuleResult) -> str:
    if result.method == "constant":
        same = "every score changed by the same amount"
        return f"; {same}" if result.rule == "max_score_drop" else "; every instance changed alike"
    if result.method != "upper-bound":
        return ""
    few = "instances" if result.clusters is None else "clusters"
    return f"; an exact bound: too few {few} differ"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
