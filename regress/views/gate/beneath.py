"""What lies beneath a verdict, as Markdown: the comparison's table, and its worst flips folded away."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, zip_longest

from regress.types import Comparison, Flip, TaskComparison
from regress.views.fitting import Section, of_table
from regress.views.flips import change
from regress.views.markdown import escape, measures_table, table, texts
from regress.views.measures import instances
from regress.views.numbers import UNDEFINED, count, plural
from regress.views.sentences import task_name
from regress.views.settings import name
from regress.views.view import build, flip_text

WORST = 5
"""Flips shown, over all tasks."""

_HEADINGS = ("task", "instance", "index", "kind", "Δ")


def measured(comparison: Comparison, *, rank: int) -> Section:
    """The table of numbers, a row a task, with what its columns mean.

    Args:
        comparison: What was judged.
        rank: When it gets its room.
    """
    view = build(comparison)
    legend = "\n\n".join(escape(text) for text in (view.suite, *view.legend) if text)
    return of_table(
        measures_table(view), rank=rank, share=0.5, before="### Comparison\n\n", after=f"\n\n{legend}"
    )


def worst(comparison: Comparison, *, rank: int, with_text: bool) -> Section:
    """The worst flips over all tasks, folded away; empty where nothing got worse.

    Args:
        comparison: What was judged, with `WORST` of the worst flips of each task.
        rank: When it gets its room.
        with_text: Whether to add prompts, targets and answers.
    """
    shown = list(islice(_in_turn(comparison), WORST))
    lost = sum(instances(task, "nfr") or 0 for task in comparison.tasks if not task.members)
    lines = table(_HEADINGS, [_cells(task, flip) for task, flip in shown], right=("index", "Δ"))
    told = [_told(place, task, flip) for place, (task, flip) in enumerate(shown, 1)] if with_text else []
    return Section(
        rank=rank,
        share=0.5,
        opening=f"<details>\n<summary>{_summary(len(shown), lost)}</summary>\n\n",
        blocks=["\n".join(lines), *told] if shown else [],
        closing="\n\n</details>",
        between="\n\n",
    )


def _summary(shown: int, lost: int) -> str:
    return f"The {plural(shown, 'worst flip')} of {count(lost)}: every task's worst, then the next of each"


def _in_turn(comparison: Comparison) -> Iterator[tuple[TaskComparison, Flip]]:
    """The worst of each task, then the second worst: how far they fell has not the same unit everywhere."""
    columns = [[(task, flip) for flip in task.worst] for task in comparison.tasks if not task.members]
    return (one for one in chain.from_iterable(zip_longest(*columns)) if one is not None)


def _cells(task: TaskComparison, flip: Flip) -> tuple[str, ...]:
    moved = (
        "" if task.task.kind != "choice" and task.task.scale == "binary" else change(task.task, flip.delta)
    )
    return (
        task_name(task),
        name(flip.instance_id),
        count(flip.index),
        flip.kind or UNDEFINED,
        moved,
    )


def _told(place: int, task: TaskComparison, flip: Flip) -> str:
    told = flip_text(task, flip)
    return "\n".join((f"{place}. {escape(f'{task_name(task)} · {told.heading}')}", *texts(told)))
