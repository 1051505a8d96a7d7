"""The sentences: what to know, who is compared with whom, what the columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regress.types import Comparison, Difference, Notice, TaskComparison
from regress.views.notices import WORDS
from regress.views.numbers import UNDEFINED
from regress.views.settings import NAME, difference, name, value
from regress.views.untrusted import tail, visible

UNDETECTED = "~"
"""Benchstat's mark of a change that may be nothing but chance."""

UNDETECTED_NOTICE = "undetected"
"""The notice that says how large a change would hardly have been missed."""


# ── notices ──────────────────────────────────────────────────────────────────────────────────────


def notices(task: TaskComparison) -> Iterator[Notice]:
    """A row's warnings, what could have been missed where nothing was found, and those of its estimates."""
    yield from task.warnings
    evidence = task.evidence
    if evidence is not None and not evidence.detected and UNDETECTED_NOTICE not in _codes(task):
        data = {"mde": evidence.mde, "power": evidence.power, "scale": task.task.scale}
        yield Notice(code=UNDETECTED_NOTICE, data=data)
    for estimate in task.estimates.values():
        yield from estimate.warnings


def _codes(task: TaskComparison) -> set[str]:
    return {notice.code for notice in task.warnings}


def sentence(notice: Notice) -> str:
    """A notice in words; one whose code is not known here is shown as it is.

    >>> sentence(Notice(code="setting-differs", data={"field": "engine.batch_size", "old": 8, "new": 16}))
    'The runs differ: batch size 8 → 16.'
    >>> sentence(Notice(code="moon-phase", data={"phase": "full"}))
    'Notice moon-phase: phase full.'
    """
    if notice.code in WORDS:
        return WORDS[notice.code](notice.data)
    data = ", ".join(f"{name(str(key))} {value(item)}" for key, item in notice.data.items())
    return f"Notice {name(notice.code)}" + (f": {data}." if data else ".")


# ── titles ───────────────────────────────────────────────────────────────────────────────────────


def title(comparison: Comparison) -> str:
    """Who is compared with whom, and on demo items if so."""
    names = f"{tail(comparison.old.name, NAME)} → {tail(comparison.new.name, NAME)}"
    return names + (" (demo items, not the benchmarks)" if on_demo_items(comparison) else "")


def on_demo_items(comparison: Comparison) -> bool:
    """Whether any task asked demo items instead of its benchmark."""
    return any(task.task.data == "demo" for task in comparison.tasks)


def settings_heading(differences: Sequence[Difference]) -> str:
    """Says that this compares settings, and which; empty where it compares models."""
    if not differences:
        return ""
    return "a comparison of settings, not of models: " + "; ".join(map(difference, differences))


def task_name(task: TaskComparison) -> str:
    """What a row is called."""
    return name(task.task.name) + (" (pooled)" if task.members else "")


def rest(where: str) -> str:
    """Where to read on.

    >>> rest("reports/a..b")
    'The rest is in reports/a..b: report.md, comparison.json, comparison.csv.'
    """
    return f"The rest is in {visible(where)}: report.md, comparison.json, comparison.csv."


# ── legend ───────────────────────────────────────────────────────────────────────────────────────

WIDE_LEGEND = (
    "BTC: share of the old model's right answers that stayed right. BEC: share of the new model's "
    "errors that the old one made too; NFI: share that are new. rel. NFR: NFR as a multiple of what "
    "two unrelated models of these accuracies would show. churn: share of instances with another "
    "answer. m_g, m_r: mean gain and mean loss of scores that rose or fell.",
)
"""What the columns mean that are shown only where there is room."""


def legend(tasks: Sequence[TaskComparison], *, undefined: bool) -> tuple[str, ...]:
    """What the columns mean for these tasks.

    Args:
        tasks: The rows.
        undefined: Whether any number shown is undefined.
    """
    lines = ["Rates in percent of all n instances, Δ in points."]
    if any(task.task.scale == "binary" for task in tasks):
        lines[0] += (
            " NFR: were right and are now wrong. PFR: were wrong and are now right. NFR_mc: are now "
            "wrong, and with another answer than before."
        )
    for scale, means in (("bounded", "mean scores × 100"), ("unbounded", "mean scores, Δ their difference")):
        names = [task_name(task) for task in tasks if task.task.scale == scale]
        if names:
            lines.append(
                f"Answers of {', '.join(names)} are scored, not right or wrong: old and new are {means}, "
                "NFR and PFR the shares of instances with a lower and with a higher score."
            )
    if any(task.evidence is not None and not task.evidence.detected for task in tasks):
        lines.append(f"{UNDETECTED}: no difference detected, the interval of Δ takes in 0.")
    if undefined:
        lines.append(f"{UNDEFINED} is undefined, or not defined for this kind of task.")
    return tuple(lines)
