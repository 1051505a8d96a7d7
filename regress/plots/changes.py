"""By how much the scores of a task changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from regress.comparison.compared import Compared
from regress.errors import UsageError
from regress.metrics.continuous import TAU, change
from regress.plots.canvas import (
    blank,
    figure,
    grid,
    pairs_of,
    percent_tick,
    row_of,
    task_words,
    words,
    zero_line,
)
from regress.plots.style import GAIN, INK, LOSS, RIGHT, SURFACE
from regress.plots.tiles import Tile, captions, strip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

BARS = 40
"""Of the histogram of changes, half of them on either side of 0."""


@figure
def score_change(compared: Compared, task: str) -> Figure:
    """How far scores moved, new less old: what fell, what did not change and what rose, and a histogram.

    Changes within 1e-9 of 0 are none, and are counted but not in the histogram. Where scores are
    bounded, broken lines show the tolerance of `nfr_tau`, `regress.metrics.continuous.TAU`.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UnknownName: If there is no such task.
        UsageError: If its answers are right or wrong, not scored.
    """
    row, pairs = row_of(compared, task), pairs_of(compared, task)
    if row.task.scale == "binary":
        raise UsageError(f"answers of {task} are right or wrong, not scored", do="Draw its quadrants.")
    moved = change(pairs.old_score, pairs.new_score)
    moved = moved[np.isfinite(moved)]
    made = blank(f"{task_words(row)}: change of scores", compared, height=3.4)
    parts, bars = made.subplots(2, 1, height_ratios=(1, 3))
    _parts(parts, moved)
    _bars(bars, moved)
    if row.task.scale == "bounded":
        bars.xaxis.set_major_formatter(percent_tick)
        for tau in (-TAU, TAU):
            bars.axvline(tau, color=INK, linewidth=1, linestyle=(0, (3, 3)))
        bars.set_title(f"instances by change of {words(row.task.metric)} in points, τ = {TAU}")
    else:
        bars.set_title(f"instances by change of {words(row.task.metric)}")
    return made


def _parts(axes: Axes, moved: Floats) -> None:
    """What fell, stayed and rose, as one strip."""
    tiles = (
        Tile(name="lower", count=int(np.count_nonzero(moved < 0)), colour=LOSS, hatch="////"),
        Tile(name="unchanged", count=int(np.count_nonzero(moved == 0)), colour=RIGHT),
        Tile(name="higher", count=int(np.count_nonzero(moved > 0)), colour=GAIN),
    )
    axes.set_axis_off()
    strip(axes, tiles, low=0, height=1)
    captions(axes, tiles, n=moved.size, top=3.3, line=1.1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 3.3)


def _bars(axes: Axes, moved: Floats) -> None:
    """A histogram with an edge at 0, without what did not change."""
    from matplotlib.ticker import MaxNLocator

    reach = float(np.abs(moved).max(initial=0)) or 1.0
    edges = np.linspace(-reach, reach, BARS + 1)
    for side, colour, hatch in ((moved[moved < 0], LOSS, "////"), (moved[moved > 0], GAIN, None)):
        counts, _ = np.histogram(side, edges)
        axes.bar(
            edges[:-1], counts, np.diff(edges), align="edge", color=colour, hatch=hatch, edgecolor=SURFACE
        )
    zero_line(axes)
    grid(axes, "y")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
