"""One row of the table in words: its numbers, and what they mean in instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regress.metrics.continuous import TAU
from regress.types import QuadrantCounts, TaskComparison
from regress.views.classes import classes_line
from regress.views.evidence import evidence_line, floor_line, interval_line, wide_lines
from regress.views.kinds import kinds_part, model_line, readings_line
from regress.views.measures import MEASURES, Measure, instances, value
from regress.views.numbers import UNDEFINED, change, chosen, count, number, percent, plural
from regress.views.records import Row
from regress.views.sentences import UNDETECTED, notices, sentence, task_name
from regress.views.settings import name
from regress.views.shifts import divergence_line, shifts_line

_POOLED_NAMES = 3


def row(task: TaskComparison, marks: Mapping[str, int]) -> Row:
    """A row in words.

    Args:
        task: The row.
        marks: Numbers of the footnotes, by their text.
    """
    mine = sorted({marks[text] for text in map(sentence, notices(task)) if text in marks})
    lines = (
        _flips_line(task),
        model_line(task),
        readings_line(task),
        _readable_line(task),
        divergence_line(task),
        interval_line(task),
        evidence_line(task),
        floor_line(task),
    )
    return Row(
        task=task_name(task),
        cells=(count(task.n), *(_cell(task, one) for one in MEASURES)),
        marks=_ranges(mine),
        lines=tuple(filter(None, lines)),
        wide_lines=tuple(filter(None, (*wide_lines(task), classes_line(task), shifts_line(task)))),
    )


def _cell(task: TaskComparison, one: Measure) -> str:
    """A number; a change that may be nothing but chance bears benchstat's mark."""
    shown = number(value(task, one.estimate), one.unit, task.task.scale)
    undetected = task.evidence is not None and not task.evidence.detected
    return UNDETECTED + shown if undetected and one.estimate == "delta" and shown != UNDEFINED else shown


def _ranges(marks: Sequence[int]) -> str:
    """Footnote numbers with runs joined: 1, 2, 3, 5 is `1–3, 5`."""
    runs: list[list[int]] = []
    for mark in marks:
        if runs and mark == runs[-1][-1] + 1:
            runs[-1].append(mark)
        else:
            runs.append([mark])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


# ── what the numbers mean in instances ───────────────────────────────────────────────────────────


def _flips_line(task: TaskComparison) -> str:
    shots = task.task.num_fewshot
    judged = name(task.task.metric) + ("" if task.members or shots is None else f", {shots}-shot")
    if task.n == 0:
        flips = [f"{plural(task.n, 'instance')} compared"]
    else:
        flips = _score_parts(task) if task.counts is None else _count_parts(task.counts, _lost(task))
    clusters = [] if task.clusters is None else [plural(task.clusters, "cluster")]
    return "; ".join([*_pool_part(task), *flips, *clusters, *_side_parts(task)]) + f" ({judged})"


def _pool_part(task: TaskComparison) -> list[str]:
    if not task.members:
        return []
    named = [name(member) for member in task.members[:_POOLED_NAMES]]
    more = len(task.members) - len(named)
    return ["all of " + (", ".join(named) + f" and {count(more)} more" if more else " and ".join(named))]


def _lost(task: TaskComparison) -> str:
    """Why what was lost was lost."""
    return "" if task.kinds is None else kinds_part(task.kinds.negative)


def _count_parts(counts: QuadrantCounts, why: str) -> list[str]:
    lost, gained = f"{count(counts.negative_flips)} lost{why}", f"{count(counts.positive_flips)} gained"
    return [
        f"{lost}, {gained} of {count(counts.n)}",
        plural(counts.both_wrong_different, "wrong answer") + " changed",
    ]


def _score_parts(task: TaskComparison) -> list[str]:
    fell, rose = instances(task, "nfr"), instances(task, "pfr")
    loss, gain = (number(value(task, mean), "level", task.task.scale) for mean in ("m_r", "m_g"))
    parts = [
        f"{count(fell)} of {count(task.n)} lower{_lost(task)}"
        + (f", by {loss} on average (m_r)" if fell else ""),
        f"{count(rose)} higher" + (f", by {gain} (m_g)" if rose else ""),
    ]
    if "nfr_tau" in task.estimates:
        nfr, pfr = percent(value(task, "nfr_tau")), percent(value(task, "pfr_tau"))
        parts.append(f"by more than {chosen(TAU)} points (τ = {TAU}): NFR {nfr}, PFR {pfr}")
    return parts


def _side_parts(task: TaskComparison) -> list[str]:
    """Unreadable and truncated answers: always for generations, else only where there are any."""
    old, new, written = task.old_side, task.new_side, task.task.kind == "generation"
    parts = []
    if written or old.unreadable or new.unreadable:
        parts.append(f"unreadable {change(old.unreadable, new.unreadable)}")
    if written or old.truncated or new.truncated:
        parts.append(f"truncated {change(old.truncated, new.truncated)}")
    if old.left_truncated or new.left_truncated:
        parts.append(f"prompts cut at the beginning {change(old.left_truncated, new.left_truncated)}")
    return parts


def _readable_line(task: TaskComparison) -> str:
    """The rates on what was readable on both sides, where that is not everything."""
    if "nfr" not in task.readable.keys() & task.estimates.keys():
        return ""
    n = task.readable["nfr"].n
    if n == task.estimates["nfr"].n:
        return ""
    rates = [
        f"{one.heading} {number(task.readable[one.estimate].value, one.unit, task.task.scale)}"
        for one in MEASURES
        if one.estimate in task.readable and not one.wide
    ]
    return f"on the {plural(n, 'instance')} readable on both sides: " + ", ".join(rates)
