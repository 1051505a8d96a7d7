"""A verdict in words, whole: what every renderer of the gate lays out in its own way.

The headline says what decided, each rule has its sentence, and what is undecided or lacks evidence
comes with what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regress.types import Comparison, Scale
from regress.verdicts import Outcome, Policy, RuleResult, Verdict
from regress.views.evidence import alarms
from regress.views.gate.reasons import noise_command, quoted, result_sentence
from regress.views.gate.rules import short
from regress.views.numbers import chosen, count, plural
from regress.views.records import GateLine, GateView
from regress.views.sentences import sentence, settings_heading, title
from regress.views.settings import NAME, model, name
from regress.views.untrusted import tail

_MARKS: dict[Outcome, str] = {
    "pass": "pass",
    "fail": "FAIL",
    "undecided": "UNDECIDED",
    "not applicable": "n/a",
    "not gateable": "NOT GATEABLE",
}
_NAMED = 3


def build(verdict: Verdict, comparison: Comparison | None = None, *, assumed: bool = False) -> GateView:
    """`verdict` in words.

    Args:
        verdict: What came of the gate.
        comparison: What was judged, for its models and demo items.
        assumed: Whether the policy was used because none was given.
    """
    return GateView(
        headline=headline(verdict),
        heading=settings_heading(comparison.settings_compared) if comparison else "",
        title=title(comparison) if comparison else "",
        models=(("old", model(comparison.old)), ("new", model(comparison.new))) if comparison else (),
        basis=tuple(_basis(verdict, assumed)),
        alarms=tuple(alarms(comparison)) if comparison else (),
        lines=tuple(_line(result, scale_of(result, comparison)) for result in verdict.results),
        steps=tuple(dict.fromkeys(_steps(verdict, comparison))),
    )


def headline(verdict: Verdict) -> str:
    """The verdict, and which blocking rules it rests on."""
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
            return f"{text}: {_named(missing)}{besides}"
    return "PASS: " + ("the blocking rule holds" if len(blocking) == 1 else f"all {of[3:]} hold")


def policy_name(policy: Policy) -> str:
    """What a policy is called, with the preset that it builds upon."""
    base = f", built upon {name(policy.base)}" if policy.base and policy.base != policy.name else ""
    return tail(policy.name, NAME) + base


def about_what(policy: Policy) -> str:
    """What a verdict is about."""
    if policy.scope == "items":
        return (
            "The verdict is about these very items and nothing beyond them (scope = items): what is observed "
            "is held against the limits, without sampling error."
        )
    return (
        "The verdict is about the population of which the items are a sample: every limit is tested "
        f"one-sided at {chosen(policy.confidence)} %."
    )


def scale_of(result: RuleResult, comparison: Comparison | None) -> Scale | None:
    """How the task of a result is judged; null if unknown."""
    rows = comparison.tasks if comparison else ()
    shown = next((row.task.scale for row in rows if row.task.name == result.task), None)
    return shown or result.data.get("scale")


def mark(result: RuleResult) -> str:
    """The outcome of a rule; what an advisory rule says is never in capitals."""
    word = _MARKS.get(result.outcome, name(result.outcome))
    return word if result.tier == "blocking" else word.lower()


def _line(result: RuleResult, scale: Scale | None) -> GateLine:
    return GateLine(
        mark=mark(result),
        task=name(result.task),
        sentence=result_sentence(result, scale),
        notes=tuple(dict.fromkeys(map(sentence, result.warnings))),
        result=result,
    )


def _basis(verdict: Verdict, assumed: bool) -> Iterator[str]:
    policy = verdict.policy
    yield f"Policy: {policy_name(policy)}" + (", because none was given." if assumed else ".")
    yield about_what(policy)
    if verdict.outcome == "undecided" and policy.undecided == "warn":
        yield "The policy only warns of an undecided verdict: the exit code is 0, the verdict stays."


def _verb(results: Sequence[RuleResult], one: str, more: str) -> str:
    return one if len(results) == 1 else more


def _named(results: Sequence[RuleResult]) -> str:
    named = ", ".join(f"{short(result)} on {name(result.task)}" for result in results[:_NAMED])
    return named + (f" and {count(len(results) - _NAMED)} more" if len(results) > _NAMED else "")


# ── what next ────────────────────────────────────────────────────────────────────────────────────

_STEPS = {
    "extraction": "Look at the unreadable answers: `regress compare {models} --with-text`.",
    "few-items": "Ask more instances: a larger --sample, or all of them.",
    "few-clusters": "Ask more instances, from more clusters.",
    "no-range": "Ask more instances: a larger --sample, or all of them.",
    "limit-not-sample": "Ask all instances, or draw some by seed: --sample in place of --limit.",
    "not-every-item": "Ask every instance: neither --limit nor --sample.",
    "unknown": "Use an engine that tells why an answer ended, or take the limit out of the policy.",
    "old-over-limit": "Mend how the task is asked or read until the old model is within the limit.",
}
_PLANNED = ("straddles", "holm")


def _steps(verdict: Verdict, comparison: Comparison | None) -> Iterator[str]:
    if verdict.outcome not in ("undecided", "not gateable"):
        return
    names = (comparison.old.name, comparison.new.name) if comparison else ("OLD", "NEW")
    models = " ".join(map(quoted, names))
    open_ = [r for r in verdict.results if r.tier == "blocking" and r.outcome == verdict.outcome]
    yield from _floors(open_)
    for result in open_:
        if result.code in _PLANNED:
            policy = quoted(verdict.policy.name)
            yield f"How many instances would decide it: `regress plan {models} --policy {policy}`."
        elif result.code in _STEPS:
            yield _STEPS[result.code].format(models=models)


def _floors(results: Sequence[RuleResult]) -> Iterator[str]:
    """One command for all tasks that lack the same reruns of the same model."""
    wanted: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for result in results:
        if result.code == "no-floor":
            kinds = tuple(map(str, result.data.get("missing") or ()))
            key = (str(result.data.get("model", "OLD")), kinds)
            wanted.setdefault(key, []).append(str(result.data.get("task", result.task)))
    for (old, kinds), tasks in wanted.items():
        yield f"Measure the noise floor: {noise_command(old, ','.join(dict.fromkeys(tasks)), kinds)}."
