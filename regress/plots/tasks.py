"""All tasks of a comparison in one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regress.plots.canvas import (
    blank,
    figure,
    grid,
    legend,
    percent,
    percent_tick,
    points,
    task_words,
    zero_line,
)
from regress.plots.intervals import interval
from regress.plots.style import GAIN, INK, LOSS, MUTED, NOISE
from regress.types import Comparison, Estimate, TaskComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@figure
def forest(comparison: Comparison) -> Figure:
    """A forest plot: what each task gained or lost, and how often answers were lost, with 95 % intervals.

    On the left delta in points: a downward triangle where the interval lies below 0, an upward one
    where it lies above, a circle where it does not tell. On the right NFR and, where the noise of the
    old model is known, excess NFR below it, in percent of the instances. A score without bounds has
    no points, so its row says so on the left.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    rows = comparison.tasks
    made = blank("what changed", comparison, height=1.2 + 0.5 * len(rows))
    change, lost = made.subplots(1, 2, sharey=True)
    change.set_title("Δ in points")
    lost.set_title("NFR in %")
    for y, row in enumerate(rows):
        _change(change, row, y)
        _lost(lost, row, y)
    for axes in (change, lost):
        zero_line(axes)
        grid(axes, "x")
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(percent_tick)
    change.set_yticks(range(len(rows)), [task_words(row) for row in rows], parse_math=False)
    change.set_ylim(len(rows) - 0.5, -0.6)
    if any("excess_nfr" in row.estimates for row in rows):
        legend(made, lost)
    return made


def _change(axes: Axes, row: TaskComparison, y: float) -> None:
    if row.task.scale != "unbounded":
        delta = row.estimates["delta"]
        colour, marker = _direction(delta)
        interval(axes, delta, y, colour=colour, marker=marker, said=points(delta.value))
        return
    place, across_axes = (0.5, y), ("axes fraction", "data")
    axes.annotate(
        "score without bounds", place, xycoords=across_axes, ha="center", va="center", fontsize=8, color=MUTED
    )


def _direction(delta: Estimate) -> tuple[str, str]:
    """Colour and mark of a change, by what its interval tells."""
    if delta.high < 0:
        return LOSS, "v"
    return (GAIN, "^") if delta.low > 0 else (INK, "o")


def _lost(axes: Axes, row: TaskComparison, y: float) -> None:
    nfr, excess = row.estimates["nfr"], row.estimates.get("excess_nfr")
    interval(axes, nfr, y, colour=LOSS, said=percent(nfr.value), label="NFR")
    interval(
        axes, excess, y + 0.24, colour=NOISE, marker="D", filled=False, label="beyond noise (excess NFR)"
    )
