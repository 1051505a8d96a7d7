"""Why a rule came out as it did, in one sentence."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from regress.types import Notice, Scale
from regress.verdicts import RuleResult
from regress.views.gate.measured import MEASURED, shares
from regress.views.gate.rules import counted, limit_of, listed
from regress.views.notices import listed as names
from regress.views.numbers import count, plural
from regress.views.sentences import sentence
from regress.views.settings import name
from regress.views.untrusted import visible


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


def result_notes(result: RuleResult, scale: Scale | None = None) -> tuple[Notice, ...]:
    """What to know before relying on a result; of a drop also in which unit it is."""
    unit = {"scale": scale or result.data.get("scale") or "binary"}
    return tuple(
        replace(notice, data={**unit, **notice.data}) if notice.code == "significant-drop" else notice
        for notice in result.warnings
    )


def _reason(result: RuleResult, scale: Scale | None) -> str:
    if result.code in MEASURED:
        return MEASURED[result.code](result, scale)
    if result.code in REASONS:
        return REASONS[result.code](result, result.data)
    # a code that is not known here is shown as it is
    return sentence(Notice(code=result.code, data=result.data)).removeprefix("Notice ").rstrip(".")


def noise_command(model: Any, tasks: str, kinds: Any, sample: Any = None, seed: Any = None) -> str:
    """The command that makes a noise floor, of a sample if the run answers one."""
    kinds = kinds if isinstance(kinds, str) else ",".join(map(str, kinds or ()))
    options = f"--tasks {quoted(tasks)}" + (f" --kinds {quoted(kinds)}" if kinds else "")
    options += f" --sample {quoted(sample)} --seed {quoted(seed)}" if sample is not None else ""
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
    task, drawn = str(data.get("task", result.task)), (data.get("sample"), data.get("seed"))
    command = noise_command(data.get("model", "OLD"), task, missing, *drawn)
    return (
        f"no reruns of the old model are stored for {names(missing)}: run {command} with the options of the "
        "run (--engine, --data …), or leave the kind out of noise_kinds in the policy, where the engine "
        "cannot vary it"
    )


def _flipped(result: RuleResult, data: Mapping[str, Any]) -> str:
    ids, noisy = data.get("ids") or (), data.get("noisy") or ()
    also = f"; reruns of the old model are not always right on {names(noisy)} either" if noisy else ""
    return (
        f"{count(len(ids))} of {count(listed(data.get('listed')) or None)} {_was(ids)} lost (right before, "
        f"and now not, or in fewer repeats): {names(ids)}{also}"
    )


def _was(things: Any) -> str:
    return "was" if len(things or ()) == 1 else "were"


def _limited(result: RuleResult, data: Mapping[str, Any]) -> str:
    limit, n = data.get("limit"), count(data.get("n"))
    only = f"only the first {count(limit)} of {n} instances were asked"
    if limit is not None and result.n > limit:  # of each task of a group
        only = f"only the first {count(limit)} of each task were asked, {count(result.n)} of {n} instances"
    return f"{only}, which are no random sample of them"


REASONS: dict[str, Callable[[RuleResult, Mapping[str, Any]], str]] = {
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
        f"{shares(result)}: already the old model is over the limit, so the comparison cannot be judged"
    ),
    "unknown": lambda result, data: (
        f"it is not known how many there are on the {name(str(data.get('side', 'old or new')))} side"
    ),
    "not-a-generation": lambda result, data: "the task has no written answers",
    "limit-not-sample": _limited,
    "rows-missing": lambda result, data: (
        f"only {count(data.get('n'))} of the {count(data.get('of'))} instances of the data set are there, "
        "though no sample was drawn: which are missing need not be chance"
    ),
    "members-missing": lambda result, data: (
        f"{plural(len(data.get('missing') or ()), 'task')} of the group {_was(data.get('missing'))} not "
        f"compared: {names(data.get('missing') or ())}"
    ),
    "not-every-item": lambda result, data: (
        f"a verdict about these very items needs all {count(data.get('of'))} of the data set; "
        f"{count(data.get('n'))} were asked"
    ),
}
"""What a code says otherwise."""
