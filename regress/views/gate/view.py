"""A verdict in words, whole: what every renderer of the gate lays out in its own way.

The headline says what decided, each rule has its sentence, what to know of the comparison stands in
notes, and what is undecided or lacks evidence comes with what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator

from regress.types import Comparison, Scale
from regress.verdicts import Outcome, Policy, RuleResult, Verdict
from regress.views.evidence import alarms
from regress.views.gate.headline import headline
from regress.views.gate.notes import gathered, shown
from regress.views.gate.reasons import result_notes, result_sentence
from regress.views.gate.steps import steps
from regress.views.notices import listed
from regress.views.numbers import chosen
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
        basis=tuple(_basis(verdict, comparison, assumed)),
        alarms=tuple(alarms(comparison)) if comparison else (),
        lines=tuple(_line(result, scale_of(result, comparison)) for result in verdict.results),
        notes=tuple(shown(gathered(comparison))) if comparison else (),
        steps=tuple(dict.fromkeys(steps(verdict))),
    )


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
        notes=tuple(dict.fromkeys(map(sentence, result_notes(result, scale)))),
        result=result,
    )


def _basis(verdict: Verdict, comparison: Comparison | None, assumed: bool) -> Iterator[str]:
    policy = verdict.policy
    yield f"Policy: {policy_name(policy)}" + (", because none was given." if assumed else ".")
    yield about_what(policy)
    if comparison:
        yield from _groups(verdict, comparison)
    if verdict.outcome == "undecided" and policy.undecided == "warn":
        yield (
            "The policy only warns of an undecided verdict: the exit code is 0, the verdict stays."
            if verdict.exit_code == 0
            else "The policy only warns of intervals that straddle a limit; that the verdict hangs on what "
            "could be read is not waived."
        )


def _groups(verdict: Verdict, comparison: Comparison) -> Iterator[str]:
    """Says which tasks are not judged by themselves."""
    judged = {result.task for result in verdict.results}
    for row in comparison.tasks:
        if row.members and row.task.name in judged:
            advice = "; name a task in --tasks or in the policy to judge it by itself"
            alone = judged.issuperset(row.members)
            yield (
                f"{name(row.task.name)} is judged as one task, over all items of {listed(row.members)}"
                f"{'' if alone else advice}."
            )
