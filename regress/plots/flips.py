"""Which answers of a task flipped, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regress.errors import UsageError
from regress.plots.canvas import blank, figure, legend, row_of, task_words, zero_line
from regress.plots.style import GAIN, INK, LOSS, RIGHT, SURFACE, WRONG
from regress.plots.tiles import Tile, captions, strip
from regress.types import FLIP_KINDS, Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP, _LINE = 0.03, 0.14
"""Between what the old model had right and what it had wrong, and a line of text; both strips are 1 high."""


@figure
def quadrants(comparison: Comparison, task: str) -> Figure:
    """The four quadrants, old right or wrong by new right or wrong, each as large as its share.

    The upper strip is what the old model had right, the lower what it had wrong; what the new model
    has right is on the left. The fourth quadrant is parted into the same wrong answer and another.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UnknownName: If there is no such task.
        UsageError: If its answers are not right or wrong, but scored.

    Reference: Echterhoff et al. 2024 (MUSCLE), figure 2.
    """
    row = row_of(comparison, task)
    counts = row.counts
    if counts is None:
        raise UsageError(f"{task} is judged by a score, which has no quadrants", do="Draw its score_change.")
    had_right = (
        Tile(name="both right", count=counts.both_right, colour=RIGHT),
        Tile(name="negative flips", count=counts.negative_flips, colour=LOSS, hatch="////"),
    )
    had_wrong = (
        Tile(name="positive flips", count=counts.positive_flips, colour=GAIN),
        Tile(name="both wrong, same", count=counts.both_wrong_same, colour=WRONG),
        Tile(name="both wrong, different", count=counts.both_wrong_different, colour=WRONG, hatch="\\\\\\\\"),
    )
    made = blank(f"{task_words(row)}: quadrants", comparison, height=3.0)
    axes = made.subplots()
    axes.set_axis_off()
    wrong = sum(tile.count for tile in had_wrong) / row.n if row.n else 0.5
    strip(axes, had_right, low=wrong + _GAP, height=1 - wrong)
    captions(axes, had_right, n=row.n, top=1 + _GAP + 2.3 * _LINE, line=_LINE)
    strip(axes, had_wrong, low=0, height=wrong)
    captions(axes, had_wrong, n=row.n, top=-0.3 * _LINE, line=_LINE)
    axes.set_xlim(0, 1)
    axes.set_ylim(-2.3 * _LINE, 1 + _GAP + 2.3 * _LINE)
    return made


@figure
def kinds(comparison: Comparison, task: str) -> Figure:
    """Why answers flipped: one row a kind, negative flips to the left and positive ones to the right.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UnknownName: If there is no such task.
        UsageError: If nothing is known of single answers.
    """
    row = row_of(comparison, task)
    if row.kinds is None:
        raise UsageError(f"why answers of {task} flipped is not known", do="Ask a single task with answers.")
    found = [kind for kind in FLIP_KINDS if kind in row.kinds.negative or kind in row.kinds.positive]
    made = blank(f"{task_words(row)}: why answers flipped", comparison, height=1.2 + 0.36 * len(found))
    axes = made.subplots()
    for y, kind in enumerate(found):
        lost, gained = row.kinds.negative.get(kind, 0), row.kinds.positive.get(kind, 0)
        axes.barh(y, -lost, color=LOSS, hatch="////", edgecolor=SURFACE, label="negative flips", height=0.7)
        axes.barh(y, gained, color=GAIN, edgecolor=SURFACE, label="positive flips", height=0.7)
        for count, side, align in ((lost, -1, "right"), (gained, 1, "left")):
            axes.annotate(
                f"{count:,}",
                (side * count, y),
                xytext=(4 * side, 0),
                textcoords="offset points",
                ha=align,
                va="center",
                color=INK,
            )
    zero_line(axes)
    axes.margins(x=0.15)
    axes.xaxis.set_visible(False)
    axes.spines.bottom.set_visible(False)
    axes.set_yticks(range(len(found)), found)
    axes.set_ylim(len(found) - 0.4, -0.6)
    legend(made, axes)
    return made
