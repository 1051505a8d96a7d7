"""The sentences: what to know, who is compared with whom, what the columns mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from regress.types import Comparison, Difference, Notice, TaskComparison
from regress.views.numbers import UNDEFINED, count, plural
from regress.views.settings import NAME, difference, name, value
from regress.views.untrusted import head, tail, visible

_REASON = 200


# ── notices ──────────────────────────────────────────────────────────────────────────────────────


def notices(task: TaskComparison) -> Iterator[Notice]:
    """A row's warnings, and then those of its estimates."""
    yield from task.warnings
    for estimate in task.estimates.values():
        yield from estimate.warnings


def sentence(notice: Notice) -> str:
    """A notice in words; one whose code is not known here is shown as it is.

    The row that it belongs to shows its counts already, so the sentence says what they mean: that
    way tasks with different counts share one footnote.

    >>> sentence(Notice(code="setting-differs", data={"field": "engine.batch_size", "old": 8, "new": 16}))
    'The runs differ: batch size 8 → 16.'
    >>> sentence(Notice(code="moon-phase", data={"phase": "full"}))
    'Notice moon-phase: phase full.'
    """
    if notice.code in _SENTENCES:
        return _SENTENCES[notice.code](notice.data)
    data = ", ".join(f"{name(str(key))} {value(item)}" for key, item in notice.data.items())
    return f"Notice {name(notice.code)}" + (f": {data}." if data else ".")


def _listed(items: Any) -> str:
    return ", ".join(map(value, items)) if isinstance(items, (list, tuple)) else value(items)


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "setting-differs": lambda data: f"The runs differ: {difference(Difference(**data))}.",
    "few-items": lambda data: (
        f"Fewer than {count(data['minimum'])} instances: a few flips more or less change the picture."
    ),
    "truncation-unknown": lambda data: (
        f"Whether answers on the {data['side']} side were cut off at the longest length is unknown: "
        "the engine does not tell."
    ),
    "unreadable": lambda data: "Answers that cannot be read count as not right and stay in every rate.",
    "truncated": lambda data: (
        "Some answers were cut off at the longest length and judged as they stood; a higher limit may "
        "change them."
    ),
    "left-truncated": lambda data: (
        "Some prompts did not fit into the model's context and lost their beginning."
    ),
    "max-tokens-reduced": lambda data: (
        f"On the {data['side']} side answers were limited to {count(data['used'])} tokens instead of "
        f"{count(data['asked'])}, because the model's context is short."
    ),
    "limit-not-sample": lambda data: (
        f"Only the first {count(data['limit'])} of {count(data['n'])} instances were asked; they need "
        "not be like the rest, as a random sample would be."
    ),
    "metric-negated": lambda data: (
        f"{name(data['metric'])} is better when lower; it is shown negated, so that higher is "
        "better in every row."
    ),
    "demo-items": lambda data: (
        "The instances are demo items, made up for trying this out; they are not the benchmarks whose "
        "names they bear."
    ),
    "per-document": lambda data: (
        f"{name(data['metric'])} is taken per instance and averaged, which is not the figure "
        "published for a whole corpus."
    ),
    "answers-unknown": lambda data: (
        "What was read from an output is known only to the task's own code, so nothing is said of how "
        "wrong answers changed: NFR_mc and churn are undefined."
    ),
    "same-run": lambda data: "Old and new are the same stored run, so nothing can differ.",
    "shown-differs": lambda data: (
        f"On {count(data['n_different'])} of {plural(data['n'], 'instance')} the two models were shown "
        "different tokens for the same prompt, and no recorded difference in tokenizer, chat template or "
        "system instruction explains it."
    ),
    "repeats": lambda data: (
        f"Each instance was answered {plural(data['repeats'], 'time')}; n counts answers."
    ),
    "pool-skipped": lambda data: f"No pooled row for {name(data['group'])}: {head(data['reason'], _REASON)}.",
    "pool-partial": lambda data: (
        f"{name(data['group'])} pools only some of its tasks; missing: {_listed(data['missing'])}."
    ),
}


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
    if undefined:
        lines.append(f"{UNDEFINED} is undefined, or not defined for this kind of task.")
    return tuple(lines)
