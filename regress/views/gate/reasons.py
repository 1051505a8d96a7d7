"""Why a rule came out as it did, in one sentence: estimate, bound, limit, n."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from regress.types import Notice, Scale
from regress.verdicts import RuleResult
from regress.views.gate.rules import DROPS, HARMS, counted, limit_of, listed, size, unit
from regress.views.notices import listed as names
from regress.views.numbers import chosen, count, p_value, percent, plural
from regress.views.sentences import sentence
from regress.views.settings import name
from regress.views.untrusted import visible

_TIE = 1e-9
_UNUSUAL = {
    "upper-bound": "; an exact bound: too few differ for a bootstrap",
    "constant": "; every score changed by the same amount",
}


def result_sentence(result: RuleResult, scale: Scale | None = None) -> str:
    """A result in one sentence.

    Args:
        result: What came of a rule.
        scale: How its task is judged; null if unknown.

    >>> result_sentence(RuleResult(task="gsm8k", rule="max_accuracy_drop", outcome="fail", code="over-limit",
    ...     limit=0.02, estimate=0.05, low=0.036, high=0.064, confidence=0.95, n=1319))
    'accuracy drop at most 2 points: fell by 5.0 points, at least 3.6 (95 % one-sided), n 1,319'
    """
    scale = scale or result.data.get("scale")
    advisory = "(advisory) " if result.tier == "advisory" else ""
    part = f"[slice {name(result.slice)}] " if result.slice else ""
    return f"{advisory}{part}{limit_of(result, scale)}: {_reason(result, scale)}"


def _reason(result: RuleResult, scale: Scale | None) -> str:
    if result.code in _MEASURED:
        return _MEASURED[result.code](result, scale)
    if result.code in _REASONS:
        return _REASONS[result.code](result, result.data)
    # a code that is not known here is shown as it is
    return sentence(Notice(code=result.code, data=result.data)).removeprefix("Notice ").rstrip(".")


# ── measured harms ───────────────────────────────────────────────────────────────────────────────


def _within(result: RuleResult, scale: Scale | None) -> str:
    if result.rule not in HARMS:
        return _shares(result)
    return f"{_upper(result, scale)}{_how(result)}, {counted(result)}"


def _over(result: RuleResult, scale: Scale | None) -> str:
    if result.rule not in HARMS:
        return _shares(result)
    lower = f", at least {size(result.low, result.rule, scale)}" if math.isfinite(result.low) else ""
    return f"{_observed(result, scale)}{lower}{_how(result)}, {counted(result)}"


def _straddles(result: RuleResult, scale: Scale | None) -> str:
    if not math.isfinite(result.low):
        return (
            f"{_upper(result, scale)}{_how(result)}, {counted(result)}: the bound is over the limit, and "
            "so few differences allow no test of the contrary"
        )
    return f"{_between(result, scale)}, {counted(result)}: the interval straddles the limit"


def _holm(result: RuleResult, scale: Scale | None) -> str:
    lower = f", at least {size(result.low, result.rule, scale)}" if math.isfinite(result.low) else ""
    return (
        f"{_observed(result, scale)}{lower}{_how(result)}, {counted(result)}: over the limit if it were the "
        f"only rule ({p_value(result.p_fail)}), but not once all blocking rules are counted (Holm, "
        f"{p_value(result.p_fail_holm)})"
    )


def _extraction(result: RuleResult, scale: Scale | None) -> str:
    data = result.data
    said = {"pass": "it would pass", "fail": "it would fail", "undecided": "it would be undecided"}
    outcome = said.get(str(data.get("readable_outcome")), "it cannot be judged")
    there = float(data.get("readable_estimate", math.nan))
    readable = count(data["readable_n"]) if data.get("readable_n") is not None else "instances"
    shown = f" ({_moved(there, result.rule, scale)})" if math.isfinite(there) else ""
    return (
        f"{_between(result, scale)}, {counted(result)}; on the {readable} readable on both sides "
        f"{outcome}{shown}: what could be read decides, not what the model knows"
    )


def _observed(result: RuleResult, scale: Scale | None) -> str:
    return _moved(result.estimate, result.rule, scale)


def _moved(harm: float, rule: str, scale: Scale | None) -> str:
    shown = f"{size(harm, rule, scale)}{unit(rule, scale)}"
    if rule not in DROPS:
        return f"observed {shown}"
    if abs(harm) <= _TIE:
        return "did not change"
    return f"fell by {shown}" if harm > 0 else f"rose by {shown}"


def _upper(result: RuleResult, scale: Scale | None) -> str:
    """What was observed, and the upper bound of the harm."""
    seen, high = _observed(result, scale), result.high
    if not math.isfinite(high):
        return seen
    bound = size(high, result.rule, scale)
    if result.rule not in DROPS or (result.estimate > _TIE and high >= 0):
        return f"{seen}, at most {bound}"
    return f"{seen}, at least {bound}" if high < 0 else f"{seen}; if it fell at all, by at most {bound}"


def _between(result: RuleResult, scale: Scale | None) -> str:
    seen = _observed(result, scale)
    if not (math.isfinite(result.low) and math.isfinite(result.high)):
        return f"{seen}{_how(result)}"
    ends = (_end(one, result.rule, scale) for one in (result.low, result.high))
    return f"{seen}, between {' and '.join(ends)}{_how(result)}"


def _end(harm: float, rule: str, scale: Scale | None) -> str:
    shown = size(harm, rule, scale)
    return shown if rule not in DROPS else f"{'a rise' if harm < 0 else 'a fall'} of {shown}"


def _how(result: RuleResult) -> str:
    """With what confidence, and how where that is not the usual way."""
    if result.method == "observed":
        return " (on these instances, without sampling error)"
    if result.confidence is None or not (math.isfinite(result.low) or math.isfinite(result.high)):
        return ""
    return f" ({chosen(result.confidence)} % one-sided{_UNUSUAL.get(result.method or '', '')})"


def _shares(result: RuleResult) -> str:
    shown = (f"{side} {percent(_number(result.data.get(side)))} %" for side in ("old", "new"))
    return f"{', '.join(shown)}, {counted(result)}"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


_MEASURED: dict[str, Callable[[RuleResult, Scale | None], str]] = {
    "within-limit": _within,
    "over-limit": _over,
    "straddles": _straddles,
    "holm": _holm,
    "extraction": _extraction,
}


# ── everything else ──────────────────────────────────────────────────────────────────────────────


def noise_command(model: Any, tasks: str, kinds: Any) -> str:
    """The command that makes a noise floor."""
    kinds = kinds if isinstance(kinds, str) else ",".join(map(str, kinds or ()))
    options = f"--tasks {quoted(tasks)}" + (f" --kinds {quoted(kinds)}" if kinds else "")
    return f"`regress noise {quoted(model)} {options}`"


def quoted(word: Any) -> str:
    """A word as a shell takes it, harmless on a screen."""
    return shlex.quote(visible(str(word)))


def _not_defined(result: RuleResult, data: Mapping[str, Any]) -> str:
    scale = data.get("scale")
    if scale == "binary" and result.rule == "max_score_drop":
        return "not defined for answers that are right or wrong"
    if scale in ("bounded", "unbounded") and result.rule in ("max_accuracy_drop", "max_nfr_mc"):
        return "not defined for answers that are scored rather than right or wrong"
    return "not defined for this kind of task"


def _no_floor(result: RuleResult, data: Mapping[str, Any]) -> str:
    missing = data.get("missing") or ()
    command = noise_command(data.get("model", "OLD"), str(data.get("task", result.task)), missing)
    return f"no reruns of the old model are stored for {names(missing)}: run {command}"


def _flipped(result: RuleResult, data: Mapping[str, Any]) -> str:
    ids, noisy = data.get("ids") or (), data.get("noisy") or ()
    were = "was right and is not any more" if len(ids) == 1 else "were right and are not any more"
    also = f"; reruns of the old model lose {names(noisy)} too" if noisy else ""
    return f"{count(len(ids))} of {count(listed(data.get('listed')) or None)} {were}: {names(ids)}{also}"


_REASONS: dict[str, Callable[[RuleResult, Mapping[str, Any]], str]] = {
    "not-defined": _not_defined,
    "no-floor": _no_floor,
    "few-clusters": lambda result, data: (
        f"{plural(data.get('clusters'), 'cluster')} only; with fewer than {count(data.get('minimum'))} "
        "nothing can be said beyond these instances"
    ),
    "no-range": lambda result, data: (
        f"too few of the scores differ for a bootstrap, and a score without bounds has no other bound, "
        f"{counted(result)}"
    ),
    "few-items": lambda result, data: (
        f"n {count(data.get('n', result.n))} is fewer than the {count(data.get('minimum'))} that it takes"
    ),
    "enough": lambda result, data: counted(result),
    "kept": lambda result, data: "none of them was lost",
    "flipped": _flipped,
    "old-over-limit": lambda result, data: (
        f"{_shares(result)}: already the old model is over the limit, so the comparison cannot be judged"
    ),
    "unknown": lambda result, data: (
        f"the engine does not tell how many there are on the {name(str(data.get('side', 'old or new')))} side"
    ),
    "not-a-generation": lambda result, data: "the task has no written answers",
    "limit-not-sample": lambda result, data: (
        f"only the first {count(data.get('limit'))} of {count(data.get('n'))} instances were asked, which "
        "are no random sample of them"
    ),
    "not-every-item": lambda result, data: (
        f"a verdict about these very items needs all {count(data.get('of'))} of the data set; "
        f"{count(data.get('n'))} were asked"
    ),
}
