"""Where answers are lost, and how many of them a model loses against itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from regress.errors import UnknownName, UsageError
from regress.findings import SlicedComparison, SliceRow, TaskSlices
from regress.plots.canvas import (
    blank,
    figure,
    grid,
    percent,
    percent_tick,
    row_of,
    task_words,
    words,
    zero_line,
)
from regress.plots.intervals import interval
from regress.plots.style import INK, LOSS, MUTED, NOISE
from regress.types import VARIATIONS, Comparison, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOP = 10
"""Parts that are drawn, of those that lose most."""


@figure
def slices(found: SlicedComparison, task: str, *, top: int = TOP) -> Figure:
    """NFR of the parts of a task that demonstrably lose most, with intervals, over that of the whole task.

    Parts by margin are left out: what was right by luck can only be lost. After its name a part
    bears `*` where answers are shown to be lost more often than in the rest, `↓` where it is shown to
    be worse, as in the table of `regress slices`.

    Args:
        found: From `regress.slices`.
        task: Which task.
        top: Parts drawn at most.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UnknownName: If there is no such task.
        UsageError: If it has no such parts.
    """
    sliced = _of(found, task)
    rows = [row for row in sliced.rows if row.by != "margin"][:top]
    if not rows:
        raise UsageError(f"{task} was not cut into parts", do="Cut it by something that is known of it.")
    made = blank(
        f"{task_words(sliced.whole)}: what loses most", found.comparison, height=1.2 + 0.42 * len(rows)
    )
    axes = made.subplots()
    for y, row in enumerate(rows):
        nfr = row.estimates["nfr"]
        interval(axes, nfr, y, colour=LOSS, said=percent(nfr.value))
    _whole(axes, sliced.whole.estimates["nfr"])
    _list(axes, [_named(row) for row in rows], "NFR in %")
    return made


def _of(found: SlicedComparison, task: str) -> TaskSlices:
    for one in found.tasks:
        if one.whole.task.name == task:
            return one
    raise UnknownName("task", task, [one.whole.task.name for one in found.tasks])


def _whole(axes: Axes, nfr: Estimate) -> None:
    """NFR of the whole task, to compare with."""
    if math.isfinite(nfr.value):
        axes.axvline(nfr.value, color=INK, linewidth=1, linestyle=(0, (3, 3)), label="whole task")
        axes.annotate(
            f"whole task {percent(nfr.value)}",
            (nfr.value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -9),
            textcoords="offset points",
            fontsize=8,
            color=MUTED,
        )


def _named(row: SliceRow) -> str:
    """What a part is called, its size, and the marks that it bears."""
    ends = dict.fromkeys(f"{end:,g}" for end in (row.low, row.high) if math.isfinite(end))
    cut = row.name if row.by == "tag" else row.by
    unit = row.name if row.by == "prompt length" else ""
    said = " ".join(filter(None, (cut, row.value or "–".join(ends), unit)))
    marks = ("*" if row.concentrated else "") + ("↓" if row.worse else "")
    return " ".join(filter(None, (words(said, 34), f"({row.n:,})", marks)))


@figure
def noise(comparison: Comparison, task: str) -> Figure:
    """NFR beside the noise floor: how often the old model loses answers against its own reruns.

    Circles are the update, squares the old model's reruns, the diamond what the update loses beyond
    them. Reruns of a kind bear no interval: they are what there is, not a sample of instances.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UnknownName: If there is no such task.
        UsageError: If no reruns of the old model are stored.
    """
    row = row_of(comparison, task)
    floors = {f"floor_{kind}": f"old against itself: {kind}" for kind in VARIATIONS}
    known = [name for name in floors if name in row.estimates]
    if not known:
        raise UsageError(f"the noise of {task} is not known", do=f"Run: regress noise {comparison.old.name}")
    drawn = [
        ("nfr", "update: NFR", LOSS, "o"),
        ("robust_nfr", "without coin tosses", LOSS, "o"),
        *((name, floors[name], NOISE, "s") for name in known),
        ("excess_nfr", "beyond noise: excess NFR", NOISE, "D"),
    ]
    drawn = [one for one in drawn if one[0] in row.estimates]
    made = blank(f"{task_words(row)}: noise", comparison, height=1.2 + 0.42 * len(drawn))
    axes = made.subplots()
    for y, (name, _, colour, marker) in enumerate(drawn):
        estimate = row.estimates[name]
        interval(axes, estimate, y, colour=colour, marker=marker, said=percent(estimate.value))
    _list(axes, [label for _, label, _, _ in drawn], "% of instances")
    return made


def _list(axes: Axes, names: list[str], title: str) -> None:
    """One named row below another, from 0 to the right."""
    zero_line(axes)
    grid(axes, "x")
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter(percent_tick)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.9)
    axes.set_title(title)
