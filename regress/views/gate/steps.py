"""What to do next about what is undecided or lacks evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regress.verdicts import RuleResult, Verdict
from regress.views.gate.reasons import noise_command

_LOOK = "Look at the unreadable answers: `regress compare` with the same models and tasks, and --with-text."
_PLAN = "`regress plan` with the same models, tasks and policy says how many instances would decide it."
_ASK = "Ask more instances: a larger --sample, or all of them."

_STEPS = {
    "straddles": _PLAN,
    "holm": _PLAN,
    "extraction": _LOOK,
    "none-readable": _LOOK,
    "few-items": _ASK,
    "no-range": _ASK,
    "few-clusters": "Ask more instances, from more clusters.",
    "limit-not-sample": "Ask all instances, or draw some by seed: --sample in place of --limit.",
    "rows-missing": "Ask every instance, or draw some by seed: --sample.",
    "members-missing": "Compare every task of the group, or name in --tasks those that are there.",
    "not-every-item": "Ask every instance: neither --limit nor --sample.",
    "unknown": "Use an engine that tells why an answer ended, or say max_truncated = false in the policy.",
    "old-over-limit": "Mend how the task is asked or read until the old model is within the limit.",
}


def steps(verdict: Verdict) -> Iterator[str]:
    """What would let the blocking rules be decided, the same advice possibly more than once."""
    if verdict.outcome not in ("undecided", "not gateable"):
        return
    open_ = [r for r in verdict.results if r.tier == "blocking" and r.outcome == verdict.outcome]
    yield from _floors(open_)
    yield from (_STEPS[result.code] for result in open_ if result.code in _STEPS)


def _floors(results: Sequence[RuleResult]) -> Iterator[str]:
    """One command for all tasks that lack the same reruns of the same model."""
    wanted: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for result in results:
        if result.code == "no-floor":
            kinds = tuple(map(str, result.data.get("missing") or ()))
            key = (str(result.data.get("model", "OLD")), kinds)
            wanted.setdefault(key, []).append(str(result.data.get("task", result.task)))
    for (old, kinds), tasks in wanted.items():
        command = noise_command(old, ",".join(dict.fromkeys(tasks)), kinds)
        yield f"Measure the noise floor: {command} with the options of the run."
