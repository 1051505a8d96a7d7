"""The first line of a verdict: what it is, and which blocking rules it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regress.verdicts import RuleResult, Verdict
from regress.views.gate.rules import short
from regress.views.numbers import count, plural
from regress.views.settings import name

_NAMED = 3


def headline(verdict: Verdict) -> str:
    """The verdict, and which blocking rules it rests on; after a pass also the advisory limits exceeded."""
    blocking = [r for r in verdict.results if r.tier == "blocking" and r.outcome != "not applicable"]
    found = {
        outcome: [result for result in blocking if result.outcome == outcome]
        for outcome in ("fail", "undecided", "not gateable")
    }
    of = f"of {plural(len(blocking), 'blocking rule')}"
    fails = f"{count(len(found['fail']))} {of} {_verb(found['fail'], 'fails', 'fail')}"
    match verdict.outcome:
        case "fail":
            return f"FAIL: {fails}: {_named(found['fail'])}"
        case "undecided":
            undecided = found["undecided"]
            are = _verb(undecided, "is", "are")
            return f"UNDECIDED: {count(len(undecided))} {of} {are} undecided, none fails: {_named(undecided)}"
        case "not gateable":
            missing = found["not gateable"]
            besides = f"; besides, {fails}: {_named(found['fail'])}" if found["fail"] else ""
            text = f"NOT GATEABLE: {count(len(missing))} {of} {_verb(missing, 'lacks', 'lack')} evidence"
            return f"{text}: {_named(missing, _lacking)}{besides}"
    holds = "the blocking rule holds" if len(blocking) == 1 else f"all {of[3:]} hold"
    return f"PASS: {holds}{_exceeded(verdict.results)}"


def _exceeded(results: Sequence[RuleResult]) -> str:
    """What was exceeded without deciding anything."""
    over = [result for result in results if result.tier == "advisory" and result.outcome == "fail"]
    if not over:
        return ""
    return f"; {plural(len(over), 'advisory limit')} {_verb(over, 'is', 'are')} exceeded: {_named(over)}"


def _verb(results: Sequence[RuleResult], one: str, more: str) -> str:
    return one if len(results) == 1 else more


def _rule(result: RuleResult) -> str:
    return f"{short(result)} on {name(result.task)}"


def _named(results: Sequence[RuleResult], words: Callable[[RuleResult], str] = _rule) -> str:
    named = ", ".join(map(words, results[:_NAMED]))
    return named + (f" and {count(len(results) - _NAMED)} more" if len(results) > _NAMED else "")


# ── what is lacking ──────────────────────────────────────────────────────────────────────────────


def _lacking(result: RuleResult) -> str:
    """What a rule lacks to be judged."""
    if result.code in _MISSING:
        return _MISSING[result.code](result, result.data)
    reason = f" ({_WHY[result.code]})" if result.code in _WHY else ""
    return f"{_rule(result)}{reason}"


_WHY = {
    "no-floor": "no noise floor",
    "few-clusters": "too few clusters",
    "few-items": "too few instances",
    "no-range": "too few scores differ",
    "none-readable": "hardly any instance is readable on both sides",
    "old-over-limit": "already the old model is over the limit",
    "unknown": "nobody knows",
}


def _first(result: RuleResult, data: Mapping[str, Any]) -> str:
    limit = data.get("limit")
    of_each = limit is not None and result.n > limit
    what = f"of each task of {name(result.task)}" if of_each else f"instances of {name(result.task)}"
    return f"only the first {count(limit)} {what} were asked"


def _part(data: Mapping[str, Any]) -> str:
    return f"{count(data.get('n'))} of the {count(data.get('of'))}"


_MISSING: dict[str, Callable[[RuleResult, Mapping[str, Any]], str]] = {
    "limit-not-sample": _first,
    "not-every-item": lambda result, data: f"only {_part(data)} instances of {name(result.task)} were asked",
    "rows-missing": lambda result, data: f"only {_part(data)} instances of {name(result.task)} are there",
    "members-missing": lambda result, data: f"not every task of {name(result.task)} was compared",
}
