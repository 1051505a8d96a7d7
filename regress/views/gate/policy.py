"""A policy in words, for `regress gate --explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from regress.policy.harms import defined
from regress.types import Scale
from regress.verdicts import Policy, Rule, SliceTerms, Terms, Undecided
from regress.views.gate.rules import limited, rule_limit
from regress.views.gate.view import about_what, policy_name
from regress.views.listing import wrap
from regress.views.notices import listed
from regress.views.numbers import chosen, plural
from regress.views.settings import name
from regress.views.terminal import NARROWEST, hanging

_SCALES: Mapping[Scale, str] = {
    "binary": "answers that are right or wrong",
    "bounded": "answers scored from 0 to 1",
    "unbounded": "answers with a score without bounds",
}
_CODES: Mapping[Undecided, str] = {
    "block": "exit code 3",
    "warn": "only a warning where an interval straddles its limit: exit code 0; else exit code 3",
}


def explain(policy: Policy, *, width: int = 80, assumed: bool = False) -> str:
    """`policy` in words, as lines without an end after the last.

    Args:
        policy: What to explain.
        width: Cells that no line exceeds (at least 60).
        assumed: Whether it is used because none was given.
    """
    width = max(width, NARROWEST)
    sections = [
        wrap(f"Policy: {policy_name(policy)}" + (", because none was given" if assumed else ""), width),
        [line for text in _verdicts(policy) for line in hanging("  ", text, width)],
        *(_section(heading, list(lines), width) for heading, lines in _parts(policy)),
        [line for text in _always(policy) for line in wrap(text, width)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _section(heading: str, lines: list[str], width: int) -> list[str]:
    lines = lines or ["nothing"]
    return [*wrap(heading, width), *(line for text in lines for line in hanging("  - ", text, width))]


def _verdicts(policy: Policy) -> Iterator[str]:
    """What makes the gate pass, fail or neither."""
    if policy.scope == "items":
        yield "PASS if every blocking rule holds: the observed harm is at most the limit (exit code 0)."
        yield "FAIL if the observed harm of any is over it (exit code 1)."
        yield "UNDECIDED if the items readable on both sides say otherwise (exit code 3)."
    else:
        level = chosen(policy.confidence)
        yield (
            f"PASS if every blocking rule holds: the {level} % upper bound of the harm is at most the limit "
            "(exit code 0)."
        )
        yield (
            f"FAIL if any is broken: the {level} % lower bound of the harm is over the limit, after Holm's "
            "adjustment for the number of blocking rules (exit code 1)."
        )
        yield f"UNDECIDED if neither can be said ({_CODES[policy.undecided]})."
    yield (
        "NOT GATEABLE if evidence is missing, which nothing makes up for, or if already the old model is "
        "over a limit of unreadable answers or of answers cut off (exit code 2)."
    )


def _parts(policy: Policy) -> Iterator[tuple[str, Iterator[str]]]:
    yield "Every task that is not named below:", _terms(policy.default, policy)
    for task, terms in policy.tasks.items():
        yield f"{name(task)}:", _terms(terms, policy)
    for part in policy.slices:
        yield _slice_heading(part), _slice(part)


def _terms(terms: Terms, policy: Policy) -> Iterator[str]:
    yield limited("minimum_n", terms.minimum_n)
    for rule, share in (("max_unreadable", terms.max_unreadable), ("max_truncated", terms.max_truncated)):
        if share is not None:
            yield limited(rule, share)
    yield from _by_scale(terms.rules)
    if any(rule.measure == "max_excess_nfr" for rule in terms.rules):
        yield f"noise floor: reruns of the old model, {listed(policy.noise_kinds)}"
    if terms.must_not_flip:
        many = plural(len(terms.must_not_flip), "instance")
        yield f"{many} must not flip: {listed(terms.must_not_flip)}"


def _by_scale(rules: Sequence[Rule]) -> Iterator[str]:
    """The rules, by how a task may be judged; one that names a task rules out the others."""
    named = [rule for rule in rules if rule.named and rule.scale is None]
    for scale in _SCALES:
        possible = all(defined(rule, scale, answers=True) for rule in named)
        if words := [
            rule_limit(rule, scale) for rule in rules if possible and defined(rule, scale, answers=True)
        ]:
            yield f"{_SCALES[scale]}: {'; '.join(words)}"


def _slice_heading(part: SliceTerms) -> str:
    of = listed(part.tasks) if part.tasks else "every task"
    tags = listed([f"{tag} = {text}" for tag, text in part.tags.items()])
    return f"Slice {name(part.name)} of {of}, items with {tags} ({part.tier}):"


def _slice(part: SliceTerms) -> Iterator[str]:
    if part.minimum_n is not None:
        yield limited("minimum_n", part.minimum_n)
    if not part.rules:
        yield "the rules of its task"
    yield from _by_scale(part.rules)


def _always(policy: Policy) -> Iterator[str]:
    yield about_what(policy)
    yield (
        "Every blocking rule is looked at twice: on all items, where an unreadable answer is not right, and "
        "on those readable on both sides. Where the two disagree, it is UNDECIDED"
        + (', which undecided = "warn" does not waive.' if policy.scope == "population" else ".")
    )
    yield (
        "Advisory rules are reported and decide nothing. Gains pay for no loss on other tasks; a group that "
        "is asked for by name is one task."
    )
    if policy.allow:
        yield (
            f"Runs that differ in {listed(policy.allow)} are compared all the same: then settings are "
            "judged, not models."
        )
