"""The figures of a page, as SVG; none where matplotlib is not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from regress.comparison.compared import Compared
from regress.errors import MissingExtra, UsageError
from regress.plots.changes import score_change
from regress.plots.flips import kinds, quadrants
from regress.plots.margins import margins
from regress.plots.tasks import forest
from regress.plots.vector import svg
from regress.types import TaskComparison
from regress.views.sentences import task_name, title

_OF_TASKS: Mapping[str, Callable[[Any, str], Any]] = {
    "Right and wrong before and after": quadrants,
    "How far scores moved": score_change,
    "Why answers flipped": kinds,
    "Gold margins before and after": margins,
}
"""What may be drawn of a task; each refuses tasks that it says nothing about."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What a page shows of a comparison, as SVG elements that stand in the page as they are."""

    forest: Markup | None = None
    """All tasks; null where there is no picture."""
    tasks: Mapping[str, tuple[Markup, ...]] = field(default_factory=dict)
    """Those of each task."""
    missing: str = ""
    """Why there are none; empty if there are."""

    def of(self, row: TaskComparison) -> tuple[Markup, ...]:
        """The figures of one task."""
        return self.tasks.get(row.task.name, ())


def pictures(comparison: Compared) -> Pictures:
    """The figures of `comparison`, or why there are none."""
    try:
        return Pictures(
            forest=Markup(svg(forest(comparison), title=f"What changed, {title(comparison)}", prefix="all")),
            tasks={
                row.task.name: tuple(_of_task(comparison, row, f"task-{place}"))
                for place, row in enumerate(comparison.tasks)
                if row.task.name in comparison.pairs
            },
        )
    except MissingExtra as error:
        return Pictures(missing=f"This page has no pictures: {error}")


def _of_task(comparison: Compared, row: TaskComparison, anchor: str) -> Iterator[Markup]:
    for number, (what, draw) in enumerate(_OF_TASKS.items()):
        try:
            drawn = draw(comparison, row.task.name)
        except UsageError:
            continue
        yield Markup(svg(drawn, title=f"{what}, {task_name(row)}", prefix=f"{anchor}-{number}"))
