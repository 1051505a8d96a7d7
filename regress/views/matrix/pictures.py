"""The figures of several versions: SVG for the page, PNG beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from regress.errors import MissingExtra
from regress.findings import TaskMatrix, VersionMatrix
from regress.plots.vector import svg
from regress.plots.versions import heatmap, history
from regress.types import Estimate
from regress.views.matrix.sentences import task_name
from regress.views.untrusted import tail

_LONGEST_NAME = 15
_UNKNOWN = Estimate(value=math.nan, n=0)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The figures of one task."""

    heatmap: Markup
    """NFR of every pair, as an SVG element that stands in a page as it is."""
    history: Markup
    """How each version does and what it lost against the one before, the same way; empty of scores without
    bounds, which are no percentage."""
    png: bytes
    """The heatmap as a PNG file, on white."""


def pictures(matrix: VersionMatrix) -> tuple[Pictures | None, ...]:
    """Of each task the figures; null for all where matplotlib is not installed."""
    # numbered as in the tables, since long names are cut; versions of one model differ at the end
    names = [f"{place} {tail(one.name, _LONGEST_NAME)}" for place, one in enumerate(matrix.versions, 1)]
    try:
        return tuple(_drawn(task, names, place) for place, task in enumerate(matrix.tasks))
    except MissingExtra:
        return (None,) * len(matrix.tasks)


def _drawn(task: TaskMatrix, names: list[str], place: int) -> Pictures:
    from regress.plots.picture import png  # it needs matplotlib, which may not be there

    named = task_name(task)
    crossed = heatmap(names, rates(task), title=f"{named}: NFR")
    return Pictures(
        heatmap=Markup(
            svg(crossed, title=f"{named}: NFR of every two of {len(names)} versions", prefix=f"pairs-{place}")
        ),
        history=_history(task, names, place) if task.task.scale != "unbounded" else Markup(),
        png=png(crossed),
    )


def _history(task: TaskMatrix, names: list[str], place: int) -> Markup:
    levels = [standing.accuracy or _UNKNOWN for standing in task.standings]
    scored = task.task.scale != "binary"
    drawn = history(names, levels, steps(task), title=task_name(task), scored=scored)
    about = f"{task_name(task)}: {len(names)} versions in order, and what each lost against the one before"
    return Markup(svg(drawn, title=about, prefix=f"history-{place}"))


def rates(task: TaskMatrix) -> list[list[float]]:
    """NFR by row (the version replaced) and column; nan on the diagonal and where two were not compared."""
    size = range(len(task.standings))
    found = {(pair.old, pair.new): pair.estimates["nfr"].value for pair in task.pairs if pair.estimates}
    return [[found.get((old, new), math.nan) for new in size] for old in size]


def steps(task: TaskMatrix) -> list[Estimate | None]:
    """NFR of each version against the one before; null of the first and where two were not compared."""
    pairs = (task.pair(place - 1, place) for place in range(1, len(task.standings)))
    return [None, *(pair.estimates.get("nfr") for pair in pairs)]
